//! Where the time of an `up` went: what each container and resource did when, and the chain of waits that decided the end.
//!
//! ```text
//!  events ─▶ rows of spans ─▶ critical path ─▶ page: one self-contained HTML file
//! ```
//!
//! Invariant: only what events say is drawn; nothing is asked or measured here.

mod page;
mod path;
mod rows;

use crate::compose::Loaded;
use crate::state::event::Event;
use std::collections::BTreeMap;

/// What a span is spent on, in the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Fetch,
    Create,
    Start,
    Healthy,
    Finish,
}

/// Nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    phase: Phase,
    from: i64,
    to: i64,
}

/// One container, image, network or volume.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    name: String,
    /// Of a container.
    service: Option<String>,
    spans: Vec<Span>,
}

/// What services wait for before they start: which service, and which phase of it ends the wait.
#[derive(Debug, Clone, Default)]
pub struct Needs(BTreeMap<String, Vec<(String, Phase)>>);

impl Needs {
    /// What the file says.
    pub fn of(loaded: &Loaded) -> Self {
        let mut needs = Self::default();
        for (name, service) in &loaded.project.services {
            let waits = service.depends_on.iter().map(|(other, it)| {
                let phase = match it.condition.word() {
                    "service_healthy" => Phase::Healthy,
                    "service_completed_successfully" => Phase::Finish,
                    _ => Phase::Start,
                };
                (other.to_string(), phase)
            });
            needs.0.insert(name.to_string(), waits.collect());
        }
        needs
    }

    /// Somebody waits for this service to do its work and end.
    fn is_awaited_to_finish(&self, service: &str) -> bool {
        let mut all = self.0.values().flatten();
        all.any(|(name, phase)| name == service && *phase == Phase::Finish)
    }
}

/// The page about the last time that something was brought up; `None` if these events tell of no such time.
pub fn page(project: &str, events: &[Event], needs: &Needs) -> Option<String> {
    let rows = rows::of(events, needs);
    let path = path::critical(&rows, needs);
    (!path.is_empty()).then(|| page::html(project, &rows, &path))
}

#[cfg(test)]
mod tests;
