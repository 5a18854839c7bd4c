//! The state of every resource as events tell it: what the live list shows, and the words that all progress uses.

use crate::state::event::Event;
use crate::state::event::Subject;
use crate::state::event::What;
use indexmap::IndexMap;

/// How far a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Something is being done to it.
    Working,
    /// As asked.
    Done,
    /// Probably not as meant.
    Warning,
    /// Not as asked.
    Failed,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `Container app-web-1`
    pub id: String,
    /// `Starting`
    pub text: String,
    /// Why, or what for; may be empty.
    pub detail: String,
    /// How far it is.
    pub phase: Phase,
    /// When the first thing was done to it, nanoseconds since the epoch.
    pub since: i64,
    /// When the last thing was done, if nothing is being done now.
    pub until: Option<i64>,
    /// When what is being done ends in a kill.
    pub killed: Option<i64>,
}

/// All resources, in the order they were first heard of.
#[derive(Debug, Default)]
pub struct Rows {
    rows: IndexMap<Subject, Row>,
}

impl Rows {
    /// Takes an event in. A warning belongs to no row.
    pub fn take(&mut self, event: &Event) {
        if matches!(event.what, What::Warning { .. }) {
            return;
        }
        let phase = phase(&event.what);
        let until = (phase != Phase::Working).then_some(event.time);
        let row = self
            .rows
            .entry(event.subject.clone())
            .or_insert_with(|| Row {
                id: id(&event.subject),
                text: String::new(),
                detail: String::new(),
                phase,
                since: event.time,
                until,
                killed: None,
            });
        row.text = text(&event.what);
        row.phase = phase;
        row.until = until;
        row.killed = event.until.filter(|_| event.what == What::Stopping);
        let detail = detail(event);
        // `Created` follows `Creating (image changed)` without repeating why
        if !detail.is_empty() || phase == Phase::Failed {
            row.detail = detail;
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many have nothing being done to them.
    pub fn settled(&self) -> usize {
        self.iter()
            .filter(|row| row.phase != Phase::Working)
            .count()
    }
}

/// `Container app-web-1`.
pub fn id(subject: &Subject) -> String {
    match subject {
        Subject::Project => "Project".to_owned(),
        Subject::Container { name, .. } => format!("Container {name}"),
        Subject::Network(name) => format!("Network {name}"),
        Subject::Volume(name) => format!("Volume {name}"),
        Subject::Image(name) => format!("Image {name}"),
    }
}

/// docker compose's word for it.
pub fn text(what: &What) -> String {
    let word = match what {
        What::Creating => "Creating",
        What::Created => "Created",
        What::Starting => "Starting",
        What::Started => "Started",
        What::Waiting { .. } => "Waiting",
        What::Healthy => "Healthy",
        What::Unhealthy => "Unhealthy",
        What::Running => "Running",
        What::Stopping => "Stopping",
        What::Stopped => "Stopped",
        What::Killing => "Killing",
        What::Killed => "Killed",
        What::Pausing => "Pausing",
        What::Paused => "Paused",
        What::Unpausing => "Unpausing",
        What::Unpaused => "Unpaused",
        What::Removing => "Removing",
        What::Removed => "Removed",
        What::Recreating => "Recreate",
        What::Recreated => "Recreated",
        What::TakingOver => "Taking over",
        What::TookOver => "Took over",
        What::Restarting => "Restarting",
        What::Pulling => "Pulling",
        What::Pulled => "Pulled",
        What::Pushing => "Pushing",
        What::Pushed => "Pushed",
        What::Skipped => "Skipped",
        What::Downloading { .. } => "Downloading",
        What::Uploading { .. } => "Uploading",
        What::Exited { code, oom: true } => return format!("Exited ({code}, out of memory)"),
        What::Exited { code, oom: false } => return format!("Exited ({code})"),
        What::Failed { .. } => "Error",
        What::Warning { .. } => "Warning",
    };
    word.to_owned()
}

/// Causes that the verb on the command line says already, or that are so common that nobody asks for them.
const EVIDENT: [&str; 10] = [
    "pause", "unpause", "down", "stop", "kill", "rm", "restart", "start", "new", "none yet",
];

/// What an event adds to its word for a human: the error, the text, the condition, the cause unless it is evident.
pub fn detail(event: &Event) -> String {
    if let What::Failed { error } = &event.what {
        // The rest, a container's last words, is told at the end.
        return super::style::single_line(error.split("\n    ").next().unwrap_or_default());
    }
    let detail = full_detail(event);
    if EVIDENT.contains(&detail.as_str()) {
        return String::new();
    }
    detail
}

/// What an event adds to its word for a program.
pub fn full_detail(event: &Event) -> String {
    let moved;
    let detail = match &event.what {
        What::Failed { error } => error,
        What::Downloading { done, total, rate } | What::Uploading { done, total, rate } => {
            moved = transfer(*done, *total, *rate);
            &moved
        }
        What::Warning { text } => text,
        What::Waiting { condition } if event.cause.is_empty() => condition,
        _ => &event.cause,
    };
    super::style::single_line(detail)
}

/// `12.3MB / 45MB, 8.1MB/s`.
fn transfer(done: u64, total: u64, rate: u64) -> String {
    let size = super::human::size;
    let speed = match rate {
        0 => String::new(),
        rate => format!(", {}/s", size(rate)),
    };
    format!("{} / {}{speed}", size(done), size(total))
}

/// How far an event says its subject is.
pub fn phase(what: &What) -> Phase {
    match what {
        What::Creating
        | What::Starting
        | What::Waiting { .. }
        | What::Stopping
        | What::Killing
        | What::Pausing
        | What::Unpausing
        | What::Removing
        | What::Recreating
        | What::Restarting
        | What::Pulling
        | What::Pushing
        | What::Downloading { .. }
        | What::Uploading { .. } => Phase::Working,
        What::Failed { .. } | What::Unhealthy => Phase::Failed,
        What::Warning { .. } => Phase::Warning,
        What::Exited { code, .. } if *code != 0 => Phase::Warning,
        _ => Phase::Done,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An event on container `app-NAME-1`, `millis` after the epoch.
    pub fn event(name: &str, millis: i64, what: What) -> Event {
        Event {
            time: millis * 1_000_000,
            subject: Subject::Container {
                name: format!("app-{name}-1"),
                service: name.to_owned(),
                id: "0".repeat(64),
            },
            what,
            cause: String::new(),
            until: None,
        }
    }

    #[test]
    fn a_row_spans_from_the_first_to_the_last_event() {
        let mut rows = Rows::default();
        rows.take(&event("web", 1, What::Creating));
        rows.take(&event("web", 3, What::Created));
        assert_eq!(rows.settled(), 1);
        rows.take(&event("web", 5, What::Starting));
        assert_eq!(rows.settled(), 0);
        rows.take(&event("web", 9, What::Started));
        let row = rows.iter().next().unwrap();
        assert_eq!((row.since, row.until), (1_000_000, Some(9_000_000)));
        assert_eq!(row.text, "Started");
    }

    #[test]
    fn the_cause_outlives_the_event_that_said_it() {
        let mut rows = Rows::default();
        let mut first = event("web", 1, What::Recreating);
        first.cause = "image changed".to_owned();
        rows.take(&first);
        rows.take(&event("web", 2, What::Recreated));
        assert_eq!(rows.iter().next().unwrap().detail, "image changed");
    }

    #[test]
    fn a_warning_makes_no_row() {
        let mut rows = Rows::default();
        rows.take(&event("web", 1, What::Warning { text: "x".into() }));
        assert_eq!(rows.len(), 0);
    }

    #[test]
    fn an_error_cannot_forge_a_line() {
        let failed = event(
            "web",
            1,
            What::Failed {
                error: "a\n\x1b[2Jb".into(),
            },
        );
        assert_eq!(detail(&failed), "a  [2Jb");
    }
}
