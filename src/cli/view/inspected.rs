//! A container as `inspect` prints it: all we know, and in docker's words what scripts ask for.

use super::containers;
use super::lines::timestamp;
use crate::engine::ContainerState;
use crate::engine::ContainerSummary;
use crate::engine::ProbeSummary;
use serde_json::{Map, Value, json};

/// What docker writes for a time that has not come.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The document.
pub fn container(it: &ContainerSummary) -> Value {
    let mut all = match serde_json::to_value(it) {
        Ok(Value::Object(all)) => all,
        _ => Map::new(),
    };
    all.remove("probes");
    all.remove("failing");
    all.insert("State".to_owned(), state(it));
    all.insert("RestartCount".to_owned(), all["restarts"].clone());
    Value::Object(all)
}

fn state(it: &ContainerSummary) -> Value {
    let is = |state| it.state == state;
    let mut state = json!({
        "Status": it.state,
        "Running": matches!(it.state, ContainerState::Running | ContainerState::Paused | ContainerState::Restarting),
        "Paused": is(ContainerState::Paused),
        "Restarting": is(ContainerState::Restarting),
        "Dead": is(ContainerState::Dead),
        "Pid": it.pid.unwrap_or(0),
        "OOMKilled": it.oom,
        "ExitCode": it.exit_code.unwrap_or(0),
        "StartedAt": time(it.started),
        "FinishedAt": time(it.finished),
    });
    if let Some(health) = it.health {
        state["Health"] = json!({
            "Status": containers::health(health),
            "FailingStreak": it.failing,
            "Log": it.probes.iter().map(probe).collect::<Vec<_>>(),
        });
    }
    state
}

fn probe(probe: &ProbeSummary) -> Value {
    json!({
        "Start": time(probe.start),
        "End": time(probe.end),
        "ExitCode": probe.code,
        "Output": probe.output,
    })
}

fn time(nanoseconds: i64) -> String {
    match nanoseconds {
        0 => NEVER.to_owned(),
        at => timestamp(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_find_what_they_ask_docker_for() {
        let mut it = containers::tests::container("web");
        it.failing = 7;
        it.restarts = 2;
        it.probes = vec![ProbeSummary {
            start: 1,
            end: 1_000_000_001,
            code: -1,
            output: "too slow".to_owned(),
        }];
        let shown = container(&it);
        assert_eq!(shown["RestartCount"], 2);
        assert_eq!(shown["State"]["Status"], "running");
        assert_eq!(shown["State"]["FinishedAt"], NEVER);
        let health = &shown["State"]["Health"];
        assert_eq!(
            (&health["Status"], &health["FailingStreak"]),
            (&json!("healthy"), &json!(7))
        );
        assert_eq!(
            health["Log"],
            json!([{
                "Start": "1970-01-01T00:00:00.000000001Z",
                "End": "1970-01-01T00:00:01.000000001Z",
                "ExitCode": -1,
                "Output": "too slow",
            }])
        );
        it.health = None;
        assert!(container(&it)["State"].get("Health").is_none());
    }
}
