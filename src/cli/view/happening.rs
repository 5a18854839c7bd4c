//! Events in docker's words.

use crate::state::event::Event;
use crate::state::event::Subject;
use crate::state::event::What;
use serde_json::json;
use std::collections::BTreeMap;

/// What an event does not say of its container.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Image as written in the file.
    pub image: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A line for what docker tells; nothing for what is only on its way.
pub fn lines(event: &Event, facts: Option<&Facts>, as_json: bool) -> String {
    let Subject::Container { name, service, id } = &event.subject else {
        return String::new();
    };
    let mut attributes: BTreeMap<&str, String> = BTreeMap::new();
    attributes.insert("name", name.clone());
    if let Some(facts) = facts {
        attributes.insert("image", facts.image.clone());
        let own = facts.labels.iter();
        let own = own.filter(|(key, _)| !key.starts_with("com.docker.compose."));
        attributes.extend(own.map(|(key, value)| (key.as_str(), value.clone())));
    }
    let mut text = String::new();
    for action in actions(&event.what) {
        let mut attributes = attributes.clone();
        if let (What::Exited { code, .. }, "die") = (&event.what, action) {
            attributes.insert("exitCode", code.to_string());
        }
        if !event.cause.is_empty() {
            attributes.insert("cause", event.cause.clone());
        }
        text += &match as_json {
            true => {
                let object = json!({
                    "time": time(event.time, "%Y-%m-%dT%H:%M:%S%.9f%:z"),
                    "type": "container",
                    "service": service,
                    "id": id,
                    "action": action,
                    "attributes": attributes,
                });
                format!("{object}\n")
            }
            false => {
                let pairs: Vec<String> = attributes
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                let time = time(event.time, "%Y-%m-%d %H:%M:%S%.6f");
                format!("{time} container {action} {id} ({})\n", pairs.join(", "))
            }
        };
    }
    text
}

/// docker's words for it.
fn actions(what: &What) -> Vec<&'static str> {
    match what {
        What::Created | What::Recreated => vec!["create"],
        What::Started => vec!["start"],
        What::Exited { oom: true, .. } => vec!["oom", "die"],
        What::Exited { oom: false, .. } => vec!["die"],
        What::Stopped => vec!["stop"],
        What::Killed => vec!["kill"],
        What::Removed => vec!["destroy"],
        What::Paused => vec!["pause"],
        What::Unpaused => vec!["unpause"],
        What::Restarting => vec!["restart"],
        What::Healthy => vec!["health_status: healthy"],
        What::Unhealthy => vec!["health_status: unhealthy"],
        _ => Vec::new(),
    }
}

fn time(nanoseconds: i64, format: &str) -> String {
    jiff::Timestamp::from_nanosecond(nanoseconds.into())
        .map(|time| time.to_zoned(jiff::tz::TimeZone::system()))
        .map(|time| time.strftime(format).to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::event;
    use super::*;

    #[test]
    fn an_end_for_want_of_memory_is_two_events_and_a_beginning_none() {
        let out = lines(
            &event(
                "web",
                1,
                What::Exited {
                    code: 137,
                    oom: true,
                },
            ),
            None,
            true,
        );
        let actions: Vec<String> = out
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| line["action"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(actions, ["oom", "die"]);
        assert!(out.contains(r#""exitCode":"137""#), "{out}");
        assert_eq!(lines(&event("web", 1, What::Starting), None, true), "");
    }
}
