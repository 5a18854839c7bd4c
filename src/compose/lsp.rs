//! Problems as JSON for editors, with the ranges of the Language Server Protocol: lines and UTF-16 columns from 0.

use super::diagnostic::Diagnostic;
use super::diagnostic::Severity;
use super::source::Position;
use super::source::Source;
use super::source::SourceMap;
use super::source::Span;
use serde_json::Value;
use serde_json::json;

/// One line of JSON a problem.
pub fn lines(list: &[Diagnostic], sources: &SourceMap) -> String {
    let line = |problem| format!("{}\n", object(problem, sources));
    list.iter().map(line).collect()
}

fn object(problem: &Diagnostic, sources: &SourceMap) -> Value {
    let place = |span: Span| {
        let source = sources.get(span.source)?;
        let start = position(span.start, source)?;
        let end = position(span.end, source)?;
        Some((source.name.as_str(), json!({"start": start, "end": end})))
    };
    let related = problem.secondary.iter().filter_map(|label| {
        let (file, range) = place(label.span)?;
        Some(json!({"file": file, "range": range, "message": label.text}))
    });
    let related: Vec<Value> = related.collect();
    let (severity, word) = match problem.severity {
        Severity::Error => (1, "error"),
        Severity::Warning => (2, "warning"),
    };
    let mut object = json!({
        "source": "hoist",
        "code": problem.code,
        "severity": severity,
        "kind": word,
        "message": problem.message,
    });
    if let Some((file, range)) = problem.primary.and_then(place) {
        object["file"] = file.into();
        object["range"] = range;
    }
    if let Some(hint) = &problem.hint {
        object["hint"] = hint.as_str().into();
    }
    if let Some(service) = &problem.service {
        object["service"] = service.as_str().into();
    }
    if !related.is_empty() {
        object["relatedInformation"] = related.into();
    }
    object
}

fn position(at: Position, source: &Source) -> Option<Value> {
    let line = at.line.checked_sub(1)?;
    let text = source.text.lines().nth(line as usize).unwrap_or_default();
    let before = text.chars().take(at.column as usize);
    let character: usize = before.map(char::len_utf16).sum();
    Some(json!({"line": line, "character": character}))
}
