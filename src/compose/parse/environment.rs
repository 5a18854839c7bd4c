//! `environment` and `env_file`.

use super::context::Context;
use super::context::KeyValues;
use super::shape;
use crate::compose::source::Span;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use std::path::PathBuf;

/// One entry of `env_file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// Absolute.
    pub path: PathBuf,
    /// A missing file is an error.
    pub required: bool,
    /// `format: raw`.
    pub raw: bool,
    /// Where it is written.
    pub span: Span,
}

/// Parses `environment`.
pub fn parse(cx: &mut Context<'_>, node: &Node) -> KeyValues {
    let values = cx.key_values(node);
    for (key, (_, span)) in &values {
        if key.is_empty() || key.contains(|c: char| c.is_whitespace() || c == '\0' || c == '=') {
            let problem = match key.as_str() {
                "" => "a value without a name".to_owned(),
                _ => format!("`{key}` is not a variable name"),
            };
            cx.invalid(*span, problem);
        }
    }
    values
}

/// Parses `env_file`: a text, a list of texts, or of mappings. A file that is named twice counts at its first place.
pub fn files(cx: &mut Context<'_>, node: &Node) -> Vec<EnvFile> {
    let mut files: Vec<EnvFile> = Vec::new();
    let mut add = |file: Option<EnvFile>| {
        let Some(file) = file else {
            return;
        };
        match files.iter_mut().find(|old| old.path == file.path) {
            Some(old) => *old = file,
            None => files.push(file),
        }
    };
    match &node.value {
        Value::List(_) => cx.items(node, |cx, item| add(one(cx, item))),
        _ => add(one(cx, node)),
    }
    files
}

fn one(cx: &mut Context<'_>, node: &Node) -> Option<EnvFile> {
    let (mut path, mut required, mut raw) = (None, true, false);
    match &node.value {
        Value::String(text) => path = Some(cx.host_path(text, node.span)),
        value if !matches!(value, Value::Map(_)) => {
            cx.wrong(node, "a text, or a list of texts or mappings")
        }
        _ => cx.fields(node, &shape::ENV_FILE, |cx, key, node| match key {
            "path" => path = cx.text(node).map(|text| cx.host_path(&text, node.span)),
            "required" => required = cx.boolean(node).unwrap_or(true),
            _ => {
                raw = cx
                    .one_of(node, &[("raw", true), ("dotenv", false)])
                    .unwrap_or(false)
            }
        }),
    }
    if path.is_none() && node.as_map().is_some() && node.get("path").is_none() {
        cx.invalid(node.span, "`path` is missing");
    }
    Some(EnvFile {
        path: path?,
        required,
        raw,
        span: node.get("path").map_or(node.span, |path| path.span),
    })
}
