//! What a walk tells: each step as events about the things it touches.

use super::HostError;
use crate::compose::model::Condition;
use crate::scheduler::action::Action;
use crate::scheduler::action::ContainerRef;
use crate::scheduler::action::in_words;
use crate::scheduler::plan::Node;
use crate::state::event::Event;
use crate::state::event::Subject;
use crate::state::event::What;
use std::error::Error;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// Sends events to whoever wants them.
pub(super) struct Report<'a> {
    sink: &'a mut dyn FnMut(Event),
}

impl<'a> Report<'a> {
    pub fn new(sink: &'a mut dyn FnMut(Event)) -> Self {
        Self { sink }
    }

    /// `container` stays as it is.
    pub fn kept(&mut self, container: &ContainerRef) {
        self.send(subject(container), What::Running, "");
    }

    /// The step begins.
    pub fn begun(&mut self, node: &Node) {
        let cause = node.cause.to_string();
        for subject in subjects(&node.action) {
            self.send(subject, beginning(&node.action), &cause);
        }
    }

    /// The step is done.
    pub fn done(&mut self, node: &Node) {
        for subject in subjects(&node.action) {
            self.send(subject, end(&node.action), "");
        }
    }

    /// The step failed.
    pub fn failed(&mut self, node: &Node, error: &HostError) {
        let text = chain(error);
        for subject in subjects(&node.action) {
            let what = if node.required {
                What::Failed {
                    error: text.clone(),
                }
            } else {
                What::Warning { text: text.clone() }
            };
            self.send(subject, what, "");
        }
    }

    /// What `action` made is taken back.
    pub fn undoing(&mut self, action: &Action) {
        if let Some(inverse) = action.inverse() {
            for subject in subjects(&inverse) {
                self.send(subject, beginning(&inverse), "undone after a failure");
            }
        }
    }

    /// What `action` made is gone again.
    pub fn undone(&mut self, action: &Action) {
        if let Some(inverse) = action.inverse() {
            for subject in subjects(&inverse) {
                self.send(subject, end(&inverse), "");
            }
        }
    }

    fn send(&mut self, subject: Subject, what: What, cause: &str) {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        (self.sink)(Event {
            time: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            subject,
            what,
            cause: cause.to_owned(),
            until: None,
        });
    }
}

/// An error with its causes, on one line.
pub(in crate::scheduler) fn chain(error: &HostError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn subject(container: &ContainerRef) -> Subject {
    Subject::Container {
        name: container.name.clone(),
        service: container.service.to_string(),
        id: container.id.to_string(),
    }
}

fn subjects(action: &Action) -> Vec<Subject> {
    match action {
        Action::CreateNetwork { name, .. } | Action::RemoveNetwork { name } => {
            vec![Subject::Network(name.to_string())]
        }
        Action::CreateVolume { name, .. } | Action::RemoveVolume { name } => {
            vec![Subject::Volume(name.to_string())]
        }
        Action::CreateContainer { container, .. }
        | Action::StartContainer { container }
        | Action::StopContainer { container, .. }
        | Action::KillContainer { container, .. }
        | Action::PauseContainer { container }
        | Action::UnpauseContainer { container }
        | Action::RemoveContainer { container, .. } => vec![subject(container)],
        Action::Await { containers, .. } => containers.iter().map(subject).collect(),
        Action::TakeOver { container, .. } | Action::Watch { container, .. } => {
            vec![subject(container)]
        }
        Action::Tally { .. } => vec![],
    }
}

fn beginning(action: &Action) -> What {
    match action {
        Action::CreateContainer {
            replaces: Some(_), ..
        } => What::Recreating,
        Action::CreateNetwork { .. }
        | Action::CreateVolume { .. }
        | Action::CreateContainer { .. } => What::Creating,
        Action::RemoveNetwork { .. }
        | Action::RemoveVolume { .. }
        | Action::RemoveContainer { .. } => What::Removing,
        Action::StartContainer { .. } => What::Starting,
        Action::StopContainer { .. } => What::Stopping,
        Action::KillContainer { .. } => What::Killing,
        Action::PauseContainer { .. } => What::Pausing,
        Action::UnpauseContainer { .. } => What::Unpausing,
        Action::Await { condition, .. } => What::Waiting {
            condition: in_words(*condition).to_owned(),
        },
        Action::Watch { .. } | Action::Tally { .. } => What::Waiting {
            condition: in_words(Condition::Started).to_owned(),
        },
        Action::TakeOver { .. } => What::TakingOver,
    }
}

fn end(action: &Action) -> What {
    match action {
        Action::CreateContainer {
            replaces: Some(_), ..
        } => What::Recreated,
        Action::CreateNetwork { .. }
        | Action::CreateVolume { .. }
        | Action::CreateContainer { .. } => What::Created,
        Action::RemoveNetwork { .. }
        | Action::RemoveVolume { .. }
        | Action::RemoveContainer { .. } => What::Removed,
        Action::StartContainer { .. } => What::Started,
        Action::StopContainer { .. } => What::Stopped,
        Action::TakeOver { .. } => What::TookOver,
        Action::Watch { .. } | Action::Tally { .. } => What::Running,
        Action::KillContainer { .. } => What::Killed,
        Action::PauseContainer { .. } => What::Paused,
        Action::UnpauseContainer { .. } => What::Unpaused,
        Action::Await { condition, .. } => match condition {
            Condition::Started => What::Running,
            Condition::Healthy => What::Healthy,
            Condition::Completed => What::Exited {
                code: 0,
                oom: false,
            },
        },
    }
}
