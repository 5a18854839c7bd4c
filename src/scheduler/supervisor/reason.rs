//! Why a container is made anew, in a user's words: which keys of its service have changed, from what to what.

use super::jobs::Materials;
use crate::id::ServiceName;
use crate::scheduler::action::Action;
use crate::scheduler::desired::Desired;
use crate::scheduler::plan::{Cause, Plan};
use crate::state::record::ProjectRecord;
use serde_json::Value;

/// Changes that are told; of more, their number.
const TOLD: usize = 3;
/// A value longer than this is cut.
const LONGEST: usize = 40;
/// A variable with one of these in its name is taken for a secret: what is told ends up in logs of others.
const PRIVATE: [&str; 8] = [
    "PASS",
    "PWD",
    "SECRET",
    "TOKEN",
    "KEY",
    "CREDENTIAL",
    "AUTH",
    "PRIVATE",
];

/// Puts the changed keys into the causes of a plan, where it is known what the container was made from. `made_from`
/// tells it for the hash of a container's configuration.
pub fn explain(
    plan: &mut Plan,
    materials: &Materials,
    old: impl Fn(&ServiceName) -> Option<Value>,
) {
    plan.explain(|node| {
        let service = match (&node.action, &node.cause) {
            (Action::CreateContainer { container, .. }, Cause::ConfigChanged)
            | (Action::StopContainer { container, .. }, Cause::ConfigChanged)
            | (Action::RemoveContainer { container, .. }, Cause::ConfigChanged) => {
                &container.service
            }
            _ => return None,
        };
        let changes = difference(&old(service)?, materials.get(service)?);
        (!changes.is_empty()).then(|| Cause::KeysChanged(summary(&changes)))
    });
}

/// Keeps what containers were made from, by the hash of it, as long as any is there or wanted.
pub fn remember<N>(
    record: &mut ProjectRecord<N>,
    desired: &Desired,
    materials: &Materials,
    in_use: &[String],
) {
    for service in desired.services.values() {
        if let Some(material) = materials.get(&service.name) {
            record
                .made_from
                .insert(service.config.to_string(), material.clone());
        }
    }
    let wanted: Vec<String> = desired
        .services
        .values()
        .map(|s| s.config.to_string())
        .collect();
    record
        .made_from
        .retain(|hash, _| in_use.contains(hash) || wanted.contains(hash));
}

fn summary(changes: &[String]) -> String {
    let told = changes[..changes.len().min(TOLD)].join(", ");
    match changes.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told}, and {more} more"),
    }
}

/// Each key that differs, `path: old -> new`.
fn difference(old: &Value, new: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    walk(&mut changes, "", Some(old), Some(new));
    changes
}

fn walk(changes: &mut Vec<String>, path: &str, old: Option<&Value>, new: Option<&Value>) {
    if old == new {
        return;
    }
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (old, new) {
        let added = new.keys().filter(|key| !old.contains_key(*key));
        for key in old.keys().chain(added) {
            let below = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            walk(changes, &below, old.get(key), new.get(key));
        }
        return;
    }
    // Names and contents behind the service's own keys.
    let path = path.strip_prefix("x-").unwrap_or(path);
    let hidden = [old, new]
        .into_iter()
        .flatten()
        .any(|v| is_private(path, v));
    changes.push(match (old, new) {
        (Some(_), Some(_)) if hidden => format!("{path} has changed"),
        (None, Some(_)) if hidden => format!("{path} is new"),
        (None, Some(new)) => format!("{path}: {} is new", short(new)),
        (Some(_), None) => format!("{path} is gone"),
        (old, new) => {
            let text = |value: Option<&Value>| value.map_or_else(String::new, short);
            format!("{path}: {} -> {}", text(old), text(new))
        }
    });
}

/// Whether a value is nobody's to read who reads what hoist says.
fn is_private(path: &str, value: &Value) -> bool {
    let of_file = |section: &str| path == section || path.starts_with(&format!("{section}."));
    let variable = path.strip_prefix("environment.").unwrap_or_default();
    let name = variable.to_ascii_uppercase();
    of_file("secrets")
        || of_file("configs")
        || PRIVATE.iter().any(|word| name.contains(word))
        || has_login(&value.to_string())
}

/// An address with a user's password in it: `scheme://user:password@host`.
fn has_login(text: &str) -> bool {
    let authorities = text.split("://").skip(1);
    let mut logins = authorities.filter_map(|rest| {
        let authority = rest.split(['/', '?', '#']).next()?;
        Some(authority.rsplit_once('@')?.0)
    });
    logins.any(|login| login.contains(':'))
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_may_be_a_secret_is_told_by_its_name_only() {
        let of = |password: &str| {
            json!({
                "environment": {
                    "DB_PASSWORD": password, "URL": format!("pg://u:{password}@db/x"), "X": "1"
                },
                "command": ["serve", format!("--db=pg://u:{password}@db")],
                "x-secrets": [password], "x-configs": [password],
            })
        };
        let changes = difference(&of("hunter1"), &of("hunter2"));
        let names = [
            "environment.DB_PASSWORD",
            "environment.URL",
            "command",
            "secrets",
            "configs",
        ];
        assert_eq!(changes, names.map(|name| format!("{name} has changed")));
        let mut without = of("hunter1");
        without["environment"]
            .as_object_mut()
            .unwrap()
            .remove("DB_PASSWORD");
        assert_eq!(
            difference(&without, &of("hunter1")),
            ["environment.DB_PASSWORD is new"]
        );
    }

    #[test]
    fn each_changed_key_is_named_with_both_values() {
        let old =
            json!({"image": "a:1", "environment": {"X": "1", "Y": "2"}, "labels": {"k": "v"}});
        let new = json!({"image": "a:2", "environment": {"X": "1", "Y": "3", "Z": ""}});
        let changes = difference(&old, &new);
        assert_eq!(
            changes,
            [
                "image: a:1 -> a:2",
                "environment.Y: 2 -> 3",
                "environment.Z:  is new",
                "labels is gone"
            ]
        );
        assert_eq!(
            summary(&changes),
            "image: a:1 -> a:2, environment.Y: 2 -> 3, environment.Z:  is new, and 1 more"
        );
        assert!(difference(&old, &old).is_empty());
    }
}
