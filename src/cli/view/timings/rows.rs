//! From events to rows of spans.

use super::{Needs, Phase, Row, Span};
use crate::state::event::{Event, Subject, What};
use indexmap::IndexMap;

/// Nanoseconds of silence that separate one `up` from the next.
const SILENCE: i64 = 400_000_000;

/// What is under way with one subject.
#[derive(Default)]
struct Open {
    /// What was begun, and when.
    begun: Option<(Phase, i64)>,
    /// When it was started, as long as that leads to something.
    started: Option<i64>,
    spans: Vec<Span>,
}

/// The rows of the last time that something was brought up, in the order in which they began.
pub(super) fn of(events: &[Event], needs: &Needs) -> Vec<Row> {
    let mut open: IndexMap<&Subject, Open> = IndexMap::new();
    for event in events {
        let finishes = match &event.subject {
            Subject::Container { service, .. } => needs.is_awaited_to_finish(service),
            _ => false,
        };
        open.entry(&event.subject)
            .or_default()
            .take(event, finishes);
    }
    let rows = open
        .into_iter()
        .map(|(subject, open)| row(subject, open.spans));
    last(rows.collect())
}

impl Open {
    fn take(&mut self, event: &Event, finishes: bool) {
        let time = event.time;
        match &event.what {
            What::Pulling => self.begun = Some((Phase::Fetch, time)),
            What::Creating | What::Recreating => self.begun = Some((Phase::Create, time)),
            What::Starting => self.begun = Some((Phase::Start, time)),
            What::Pulled | What::Created | What::Recreated => self.end(time),
            What::Started => {
                if self.begun.is_some() {
                    self.started = Some(time);
                }
                self.end(time);
            }
            What::Healthy => self.reach(Phase::Healthy, time),
            What::Exited { .. } if finishes => self.reach(Phase::Finish, time),
            What::Exited { .. } | What::Stopping | What::Restarting => self.started = None,
            _ => {}
        }
    }

    fn end(&mut self, to: i64) {
        let span = self
            .begun
            .take()
            .map(|(phase, from)| Span { phase, from, to });
        self.spans.extend(span);
    }

    fn reach(&mut self, phase: Phase, to: i64) {
        let span = self.started.take().map(|from| Span { phase, from, to });
        self.spans.extend(span);
    }
}

fn row(subject: &Subject, spans: Vec<Span>) -> Row {
    let (name, service) = match subject {
        Subject::Project => (String::new(), None),
        Subject::Container { name, service, .. } => (name.clone(), Some(service.clone())),
        Subject::Network(name) => (format!("network {name}"), None),
        Subject::Volume(name) => (format!("volume {name}"), None),
        Subject::Image(name) => (format!("image {name}"), None),
    };
    Row {
        name,
        service,
        spans,
    }
}

/// Leaves out what happened before the last silence.
fn last(mut rows: Vec<Row>) -> Vec<Row> {
    let mut spans: Vec<Span> = rows.iter().flat_map(|row| &row.spans).copied().collect();
    spans.sort_by_key(|span| span.from);
    let (mut begin, mut end) = (i64::MIN, i64::MIN);
    for span in spans {
        if span.from.saturating_sub(end) > SILENCE {
            begin = span.from;
        }
        end = end.max(span.to);
    }
    for row in &mut rows {
        row.spans.retain(|span| span.from >= begin);
    }
    rows.retain(|row| !row.spans.is_empty());
    rows.sort_by_key(|row| row.spans[0].from);
    rows
}
