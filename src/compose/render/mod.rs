//! A project as text: for people and tools (`config`), and the canonical form that reads back as the same project.
//!
//! Both are the same tree in the language of Compose; the canonical one keeps `$` as it is and adds `x-hoist` with what
//! Compose has no words for.
//!
//! Invariant: `load_canonical(canonical(p)) == p`.

mod mounts;
mod project;
mod service;
mod yaml;

use super::model::Project;
use serde_json::Value;

pub use project::project;
pub use service::service;

/// The key of [`canonical`] text under which everything is that Compose has no words for.
pub const EXTENSION: &str = "x-hoist";

/// The text that `load_canonical` reads: JSON on one line.
pub fn canonical(project: &Project) -> String {
    let mut value = self::project(project);
    if let Value::Object(fields) = &mut value {
        fields.insert(EXTENSION.to_owned(), project::extension(project));
    }
    value.to_string()
}

/// The resolved project as `config` prints it.
pub fn yaml(project: &Project) -> String {
    let mut value = shown(project);
    let services = value.get_mut("services").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(|all| all.values_mut()) {
        // In JSON docker compose prints these two also when they are not given.
        if let Value::Object(fields) = service {
            fields.retain(|key, value| {
                !value.is_null() || !matches!(key.as_str(), "command" | "entrypoint")
            });
        }
    }
    yaml::print(&value)
}

/// The resolved project as `config --format json` prints it.
pub fn json(project: &Project) -> String {
    let text = serde_json::to_string_pretty(&shown(project));
    text.expect("a JSON tree with text keys can always be printed") + "\n"
}

/// Maps with keys of the user's choice.
const USER_MAPS: [&str; 9] = [
    "aux_addresses",
    "depends_on",
    "driver_opts",
    "environment",
    "extra_hosts",
    "labels",
    "networks",
    "sysctls",
    "ulimits",
];

/// The tree in docker compose's order of keys, with every `$` doubled so that it can be fed back in.
fn shown(project: &Project) -> Value {
    let mut value = self::project(project);
    if let Value::Object(fields) = &mut value {
        for section in fields.values_mut().filter_map(Value::as_object_mut) {
            section.sort_keys();
            section.values_mut().for_each(order);
        }
        let services = fields.get_mut("services").and_then(Value::as_object_mut);
        for service in services.into_iter().flat_map(|all| all.values_mut()) {
            if let Value::Object(fields) = service {
                fields.sort_keys();
            }
        }
    }
    escape(&mut value);
    value
}

/// Sorts the maps with keys of the user's choice; the others are written in their order already.
fn order(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                if let (true, Value::Object(inner)) =
                    (USER_MAPS.contains(&key.as_str()), &mut *value)
                {
                    inner.sort_keys();
                }
                order(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(order),
        _ => {}
    }
}

/// Sorts the keys of all maps.
pub fn sort(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.sort_keys();
            fields.values_mut().for_each(sort);
        }
        Value::Array(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}

fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Object(fields) => {
            if fields.keys().any(|key| key.contains('$')) {
                let doubled = std::mem::take(fields).into_iter();
                *fields = doubled
                    .map(|(key, value)| (key.replace('$', "$$"), value))
                    .collect();
            }
            fields.values_mut().for_each(escape);
        }
        Value::Array(items) => items.iter_mut().for_each(escape),
        _ => {}
    }
}
