//! The way back of an update that failed, where the service asks for it.

use super::jobs::Job;
use super::memory::Durable;
use super::observe;
use super::verbs::{Sink, Verbs, failure, warning};
use crate::compose::model::OnFailure;
use crate::id::{ContainerId, ServiceName};
use crate::scheduler::action::Action;
use crate::scheduler::desired::Desired;
use crate::scheduler::execute::{Cancel, ExecuteError, Host, execute};
use crate::scheduler::reconcile::{Options, Verb, reconcile};
use crate::scheduler::supervisor::container::Phase;
use crate::scheduler::supervisor::control::Failure;

impl Verbs {
    /// Puts back what the updates among the failures have replaced, and says so in the failure.
    pub(super) async fn roll_back(
        &self,
        job: &Job,
        error: &ExecuteError,
        sink: Sink<'_>,
        told: &mut Failure,
    ) {
        let Some(desired) = &job.desired else { return };
        let services = to_go_back(desired, error);
        let names: Vec<String> = services.iter().map(|name| format!("`{name}`")).collect();
        let names = names.join(", ");
        if services.is_empty() {
            return;
        }
        let text = format!("the update of {names} failed: what ran before comes back");
        sink(warning(self.project.now(), text));
        match self.go_back(job, desired, services, sink).await {
            Ok(()) => {
                let hint = format!("{names} runs as before: mend it, then `hoist up` tries again");
                told.hint = Some(hint);
            }
            Err(error) => told
                .causes
                .push(format!("and going back failed: {}", error.message)),
        }
    }

    async fn go_back(
        &self,
        job: &Job,
        desired: &Desired,
        services: Vec<ServiceName>,
        sink: Sink<'_>,
    ) -> Result<(), Failure> {
        let options = Options {
            verb: Verb::Rollback,
            services,
            containers: Vec::new(),
            no_deps: false,
            remove_orphans: false,
            timeout: None,
        };
        let observed = observe::project(&self.project, desired);
        let plan = reconcile(desired, &observed, &options, &mut ContainerId::random)
            .map_err(|e| Failure::new(&e))?;
        let walked = execute(&plan, &job.host, job.walk, &Cancel::default(), sink).await;
        self.project.save().map_err(|e| failure(&e))?;
        self.project
            .come_to_rest(Durable::of(&plan) == Durable::Soon);
        walked.map_err(|e| Failure::new(&e))
    }
}

impl Verbs {
    /// Removes what a failed `up` has made to replace containers that stay, and has not begun to start.
    pub(super) async fn clear_unbegun(&self, job: &Job) {
        for (_, node) in job.plan.steps() {
            let Action::CreateContainer {
                container,
                replaces: Some(replaced),
                ..
            } = &node.action
            else {
                continue;
            };
            let made = self.project.container(&container.id);
            let unbegun = made.is_some_and(|made| {
                let status = made.status.borrow();
                status.phase == Phase::Created && status.exit_code.is_none()
            });
            if unbegun && self.project.container(replaced).is_some() {
                let remove = Action::RemoveContainer {
                    container: container.clone(),
                    volumes: true,
                };
                // One that cannot be removed waits for the next `up`, and nothing else starts it.
                let _ = job.host.perform(&remove).await;
            }
        }
    }
}

/// The services of failed updates that ask to go back.
fn to_go_back(desired: &Desired, error: &ExecuteError) -> Vec<ServiceName> {
    let ExecuteError::Failed { failures, .. } = error else {
        return Vec::new();
    };
    let goes_back = |service: &&ServiceName| {
        let update = desired
            .services
            .get(*service)
            .and_then(|s| s.update.as_ref());
        update.is_some_and(|update| update.on_failure == OnFailure::Rollback)
    };
    let updates = failures.iter().filter_map(|failure| match &failure.action {
        Action::Tally { service, .. } => Some(service),
        _ => None,
    });
    updates.filter(goes_back).cloned().collect()
}
