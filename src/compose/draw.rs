//! Diagnostics as text, with the source lines they talk about.
//!
//! Invariant: only windows of a source are handed to the drawing library, so the work follows what is shown.

use super::diagnostic::Diagnostic;
use super::diagnostic::Severity;
use super::source::Position;
use super::source::SourceMap;
use super::source::Span;
use annotate_snippets::Annotation;
use annotate_snippets::AnnotationKind;
use annotate_snippets::Element;
use annotate_snippets::Level;
use annotate_snippets::Origin;
use annotate_snippets::Renderer;
use annotate_snippets::Snippet;
use std::ops::Range;

/// Further problems are only counted.
const MAX_SHOWN: usize = 100;
/// Labels further apart than this get windows of their own.
const MAX_LINES: u32 = 60;
/// Longer lines are not drawn: a minified file would fill the screen.
const MAX_LINE_BYTES: usize = 1000;

/// Draws `list`.
pub fn render(list: &[Diagnostic], sources: &SourceMap, color: bool, width: usize) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.term_width(width.max(40));
    let mut out = String::new();
    for diagnostic in list.iter().take(MAX_SHOWN) {
        out.push_str(&one(&renderer, diagnostic, sources));
        out.push_str("\n\n");
    }
    if list.len() > MAX_SHOWN {
        let more = list.len() - MAX_SHOWN;
        out.push_str(&format!("… and {more} more\n"));
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

fn one(renderer: &Renderer, diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let elements = windows(diagnostic)
        .into_iter()
        .filter_map(|window| window.element(sources));
    let mut group = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code)
        .elements(elements);
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    renderer.render(&[group])
}

/// Labels of one source that are near each other.
struct Window<'a> {
    source: u32,
    first: u32,
    last: u32,
    marks: Vec<Mark<'a>>,
}

struct Mark<'a> {
    span: Span,
    text: Option<&'a str>,
    kind: AnnotationKind,
}

fn windows(diagnostic: &Diagnostic) -> Vec<Window<'_>> {
    let primary = diagnostic.primary.map(|span| Mark {
        span,
        text: diagnostic.label.as_deref(),
        kind: AnnotationKind::Primary,
    });
    let secondary = diagnostic.secondary.iter().map(|label| Mark {
        span: label.span,
        text: Some(&label.text),
        kind: AnnotationKind::Context,
    });
    let mut windows: Vec<Window> = Vec::new();
    for mark in primary.into_iter().chain(secondary) {
        let line = mark.span.start.line;
        let near = windows.iter_mut().find(|w| {
            w.source == mark.span.source
                && line.max(w.last).saturating_sub(line.min(w.first)) < MAX_LINES
        });
        match near {
            Some(window) => {
                window.first = window.first.min(line);
                window.last = window.last.max(line);
                window.marks.push(mark);
            }
            None => windows.push(Window {
                source: mark.span.source,
                first: line,
                last: line,
                marks: vec![mark],
            }),
        }
    }
    windows
}

impl Window<'_> {
    fn element<'s>(&self, sources: &'s SourceMap) -> Option<Element<'s>>
    where
        Self: 's,
    {
        let source = sources.get(self.source)?;
        let text = lines(&source.text, self.first, self.last);
        let start = self.marks.first()?.span.start;
        if start.line == 0 || text.lines().any(|line| line.len() > MAX_LINE_BYTES) {
            let origin = Origin::path(source.name.as_str())
                .line(start.line as usize)
                .char_column(start.column as usize + 1);
            return Some(origin.into());
        }
        let annotations = self.marks.iter().map(|mark| self.annotation(mark, text));
        let snippet = Snippet::source(text)
            .line_start(self.first as usize)
            .path(source.name.as_str())
            .annotations(annotations);
        Some(snippet.into())
    }

    fn annotation<'s>(&self, mark: &Mark<'_>, text: &'s str) -> Annotation<'s> {
        let range = self.bytes(mark.span, text);
        mark.kind
            .span(range)
            .label(mark.text.map(|label| label.to_owned()))
    }

    fn bytes(&self, span: Span, text: &str) -> Range<usize> {
        let offset = |at: Position| {
            let mut start = 0;
            for line in text
                .split_inclusive('\n')
                .take((at.line - self.first) as usize)
            {
                start += line.len();
            }
            let line = text[start..].split('\n').next().unwrap_or("");
            let column = line
                .char_indices()
                .nth(at.column as usize)
                .map_or(line.trim_end_matches('\r').len(), |(byte, _)| byte);
            start + column
        };
        let start = offset(span.start);
        start..offset(span.end).max(start)
    }
}

/// Lines `first` to `last`, counted from 1, without the last line break.
fn lines(text: &str, first: u32, last: u32) -> &str {
    let mut start = 0;
    let mut end = text.len();
    for (index, (at, _)) in text.match_indices('\n').enumerate() {
        let line = index as u32 + 1;
        if line + 1 == first {
            start = at + 1;
        }
        if line == last {
            end = at;
            break;
        }
    }
    if start > end { "" } else { &text[start..end] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::diagnostic::Diagnostics;
    use crate::compose::diagnostic::Report;
    use crate::compose::source::Source;

    fn at(line: u32, from: u32, to: u32) -> Span {
        Span {
            source: 0,
            start: Position { line, column: from },
            end: Position { line, column: to },
        }
    }

    fn drawn(text: &str, build: impl FnOnce(&mut Report)) -> String {
        let mut sources = SourceMap::default();
        sources.add(Source {
            name: "compose.yaml".into(),
            directory: "/".into(),
            text: text.into(),
            named: None,
        });
        let mut report = Report::default();
        build(&mut report);
        Diagnostics {
            list: report.into_sorted(&sources),
            sources,
        }
        .render(false, 100)
    }

    #[test]
    fn a_problem_is_drawn_with_its_line_and_hint() {
        let text = drawn("a: 1\nß: {b: 2}\n", |report| {
            report
                .error("undefined", "unknown `b`")
                .at(at(2, 4, 5))
                .label("here")
                .also(at(1, 0, 1), "because of this")
                .hint("try `c`");
        });
        let wanted = "\
error[undefined]: unknown `b`
 --> compose.yaml:2:5
  |
1 | a: 1
  | - because of this
2 | ß: {b: 2}
  |     ^ here
  |
  = help: try `c`
";
        assert_eq!(text, wanted);
    }

    #[test]
    fn the_end_of_the_text_and_long_lines_can_be_pointed_at() {
        assert!(
            drawn("a: [", |r| {
                r.error("yaml", "open").at(at(2, 0, 0));
            })
            .contains("compose.yaml:2:1")
        );
        let long = "x".repeat(5000);
        assert!(
            drawn(&long, |r| {
                r.error("yaml", "long").at(at(1, 4000, 4001));
            })
            .contains("compose.yaml:1:4001")
        );
    }
}
