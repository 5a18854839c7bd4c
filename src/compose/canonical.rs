//! Reads the canonical text of a project back, with the parsers of the compose file itself.
//!
//! Invariant: no file and no variable is looked at.

use super::diagnostic::Diagnostics;
use super::diagnostic::Report;
use super::load::Names;
use super::load::assemble;
use super::model::Project;
use super::normalize::Environment;
use super::parse;
use super::parse::Context;
use super::render::EXTENSION;
use super::source::SourceMap;
use super::source::Span;
use super::yaml::Entry;
use super::yaml::Map;
use super::yaml::Node;
use super::yaml::Value;
use crate::id::ProjectName;
use crate::id::ServiceName;
use std::path::PathBuf;

/// Loads what `render::canonical` printed.
pub fn load(text: &str) -> Result<Project, Diagnostics> {
    let broken = |problem: String| {
        Diagnostics::single(
            "canonical",
            format!("this is not the canonical text of a project: {problem}"),
            None,
        )
    };
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
    let names = names(&json).ok_or_else(|| broken("it has no name, folder or files".to_owned()))?;
    let environment = environment(&json);
    let root = node(json);
    let sources = SourceMap::default();
    let mut report = Report::default();
    let mut cx = Context::new(&mut report, &sources, None, &names.name);
    let mut document = parse::parse(&mut cx, &root);
    for draft in document.services.entries.values_mut() {
        let environment = std::mem::take(&mut draft.environment);
        let values = environment
            .into_iter()
            .map(|(key, (value, _))| (key, value));
        draft.service.environment = values.collect();
    }
    let project = assemble(names, document, &environment, &mut report);
    if report.has_errors() {
        let list = report.into_sorted();
        return Err(Diagnostics { list, sources });
    }
    Ok(project)
}

fn names(json: &serde_json::Value) -> Option<Names> {
    let extension = json.get(EXTENSION)?;
    let texts = |key: &str| -> Option<Vec<&str>> {
        let items = extension.get(key)?.as_array()?;
        items.iter().map(serde_json::Value::as_str).collect()
    };
    let disabled = texts("disabled")?.into_iter().map(ServiceName::new);
    Some(Names {
        name: ProjectName::new(json.get("name")?.as_str()?).ok()?,
        directory: PathBuf::from(extension.get("directory")?.as_str()?),
        files: texts("files")?.into_iter().map(PathBuf::from).collect(),
        disabled: disabled.collect::<Result<_, _>>().ok()?,
    })
}

fn environment(json: &serde_json::Value) -> Environment {
    let variables = json.get(EXTENSION).and_then(|e| e.get("environment"));
    let variables = variables.and_then(serde_json::Value::as_object);
    variables
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn node(json: serde_json::Value) -> Node {
    let value = match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::String(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(node).collect()),
        serde_json::Value::Object(fields) => Value::Map(Box::new(map(fields))),
    };
    Node::new(value, Span::default())
}

fn map(fields: serde_json::Map<String, serde_json::Value>) -> Map {
    let entry = |value| Entry {
        key: Span::default(),
        value: node(value),
    };
    let entries = fields.into_iter().map(|(key, value)| (key, entry(value)));
    entries.collect()
}
