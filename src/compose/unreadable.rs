//! Files that cannot be read, as problems: where they are named, or where they are no text.

use super::diagnostic::Report;
use super::environment::with_cause;
use super::source::Position;
use super::source::ReadError;
use super::source::Source;
use super::source::SourceMap;
use super::source::Span;
use std::path::Path;

/// Reports that the file at `path`, which messages call `name`, cannot be read. `named` is where, and what for, if that is
/// in another one.
pub fn unreadable(
    error: ReadError,
    (name, path): (&str, &Path),
    named: Option<(Span, &'static str)>,
    sources: &mut SourceMap,
    report: &mut Report,
) {
    let message = with_cause(&error);
    let problem = report.error("unreadable-file", message);
    let ReadError::NotText { text, at, .. } = error else {
        problem.primary = named.map(|(place, _)| place);
        return;
    };
    let source = sources.add(Source {
        name: name.to_owned(),
        directory: path.parent().unwrap_or(path).to_owned(),
        text: text.into(),
        named,
    });
    let column = at.column + 1;
    let end = Position { column, ..at };
    problem
        .at(Span {
            source,
            start: at,
            end,
        })
        .label("up to here it is text")
        .hint("save the file as UTF-8");
}
