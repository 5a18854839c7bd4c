//! The chain of spans that decided when all was up: each began when the one before it ended.

use super::{Needs, Phase, Row, Span};

/// Nanoseconds by which an end may seem to come after what it let begin: two clocks, two processes.
const SLACK: i64 = 5_000_000;

/// A part of the critical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Which row, and which of its spans.
    pub row: usize,
    pub span: usize,
    /// Nanoseconds that it alone is to blame for: since the end of the step before.
    pub took: i64,
}

/// The steps, first to last.
pub(super) fn critical(rows: &[Row], needs: &Needs) -> Vec<Step> {
    let at = |(row, span): (usize, usize)| rows[row].spans[span];
    let mut steps = Vec::new();
    let mut current = all(rows).max_by_key(|it| at(*it).to);
    while let Some((row, span)) = current {
        let before = before(rows, needs, (row, span));
        let of = at((row, span));
        let from = before.map_or(of.from, |it| at(it).to);
        steps.push(Step {
            row,
            span,
            took: (of.to - from).max(0),
        });
        current = before;
    }
    steps.reverse();
    steps
}

fn all(rows: &[Row]) -> impl Iterator<Item = (usize, usize)> {
    let spans = |(row, it): (usize, &Row)| (0..it.spans.len()).map(move |span| (row, span));
    rows.iter().enumerate().flat_map(spans)
}

/// What a span had to wait for: of all that could have kept it, what ended last.
fn before(rows: &[Row], needs: &Needs, (row, span): (usize, usize)) -> Option<(usize, usize)> {
    let of = rows[row].spans[span];
    let keeps = |(other, at): &(usize, usize)| {
        let (other_row, it) = (&rows[*other], rows[*other].spans[*at]);
        let earlier = it.from < of.from && it.to <= of.from + SLACK;
        earlier && (*other == row || is_needed(needs, (&rows[row], of), (other_row, it)))
    };
    let kept = all(rows).filter(keeps);
    kept.max_by_key(|(row, span)| rows[*row].spans[*span].to)
}

/// Whether what a container does cannot begin before what something else does ends.
fn is_needed(needs: &Needs, (row, of): (&Row, Span), (other, it): (&Row, Span)) -> bool {
    match (of.phase, it.phase, &other.service) {
        (Phase::Start, phase, Some(service)) => {
            let waits = row.service.as_ref().and_then(|name| needs.0.get(name));
            waits.is_some_and(|waits| {
                let mut waits = waits.iter();
                waits.any(|(name, until)| name == service && *until == phase)
            })
        }
        // Networks and volumes come before containers, and images before everything.
        (Phase::Create | Phase::Start, Phase::Create, None) => row.service.is_some(),
        (Phase::Create, Phase::Fetch, None) => true,
        _ => false,
    }
}
