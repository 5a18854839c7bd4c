//! Containers as `ps` shows them: docker compose's columns, fields and words.

use super::human;
use super::listing::Fields;
use super::style;
use crate::engine::ContainerState;
use crate::engine::ContainerSummary;
use crate::engine::HealthState;
use crate::engine::PortSummary;
use serde_json::{Map, Value, json};

/// What `ps` can show.
pub const FIELDS: Fields = Fields {
    all: &[
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("ExitCode", "EXIT CODE"),
        ("Health", "HEALTH"),
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Labels", "LABELS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Mounts", "MOUNTS"),
        ("Name", "NAME"),
        ("Names", "NAMES"),
        ("Networks", "NETWORKS"),
        ("Ports", "PORTS"),
        ("Project", "PROJECT"),
        ("Publishers", "PUBLISHERS"),
        ("RunningFor", "CREATED"),
        ("Service", "SERVICE"),
        ("Size", "SIZE"),
        ("State", "STATE"),
        ("Status", "STATUS"),
    ],
    table: &[
        "Name",
        "Image",
        "Command",
        "Service",
        "RunningFor",
        "Status",
        "Ports",
    ],
    array: false,
};

/// Columns that a command takes unless it is asked for whole.
const COMMAND_WIDTH: usize = 20;

/// One container as a row; `now` in nanoseconds since the epoch.
pub fn row(container: &ContainerSummary, now: i64, whole: bool) -> Map<String, Value> {
    let created = match container.created {
        0 => String::new(),
        created => human::between(created, now) + " ago",
    };
    let labels: Vec<String> = container
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let networks: Vec<&str> = container.networks.iter().map(|(name, _)| &**name).collect();
    let volumes = container.mounts.iter().filter(|m| !m.starts_with('/'));
    let object = json!({
        "Command": command(&container.command, whole),
        "CreatedAt": human::date(container.created),
        "ExitCode": container.exit_code.unwrap_or(0),
        "Health": container.health.map_or("", health),
        "ID": if whole { &container.id } else { container.id.get(..12).unwrap_or(&container.id) },
        "Image": container.image,
        "Labels": labels.join(","),
        "LocalVolumes": volumes.count().to_string(),
        "Mounts": container.mounts.join(","),
        "Name": container.name,
        "Names": container.name,
        "Networks": networks.join(","),
        "Ports": ports(&container.ports, &container.exposed),
        "Project": container.project.as_str(),
        "Publishers": publishers(&container.ports),
        "RunningFor": created,
        "Service": container.service,
        "Size": "0B",
        "State": state(container.state),
        "Status": status(container, now),
    });
    match object {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// docker's word for a state.
pub fn state(state: ContainerState) -> &'static str {
    match state {
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Paused => "paused",
        ContainerState::Restarting => "restarting",
        ContainerState::Exited => "exited",
        ContainerState::Dead => "dead",
    }
}

pub(super) fn health(health: HealthState) -> &'static str {
    match health {
        HealthState::Starting => "starting",
        HealthState::Healthy => "healthy",
        HealthState::Unhealthy => "unhealthy",
    }
}

/// `Up 5 minutes (healthy)`, `Exited (1) 2 hours ago`.
fn status(container: &ContainerSummary, now: i64) -> String {
    let code = container
        .exit_code
        .map_or_else(|| "unknown".to_owned(), |code| code.to_string());
    let up = || human::between(container.started, now);
    // a run that nobody saw the end of has no time of it
    let ended = || match container.finished {
        0 => String::new(),
        finished => format!(" {} ago", human::between(finished, now)),
    };
    let why = if container.oom {
        " (out of memory)"
    } else {
        ""
    };
    match container.state {
        ContainerState::Created => "Created".to_owned(),
        ContainerState::Dead => "Dead".to_owned(),
        ContainerState::Exited => format!("Exited ({code}){}{why}", ended()),
        ContainerState::Restarting => format!("Restarting ({code}){}{why}", ended()),
        ContainerState::Paused => format!("Up {} (Paused)", up()),
        ContainerState::Running => match container.health {
            None => format!("Up {}", up()),
            Some(HealthState::Starting) => format!("Up {} (health: starting)", up()),
            Some(verdict) => format!("Up {} ({})", up(), health(verdict)),
        },
    }
}

/// `"nginx -g 'daemon…"`: quoted, and cut unless wanted whole.
fn command(words: &[String], whole: bool) -> String {
    let text = style::single_line(&words.join(" "));
    let text = if whole {
        text
    } else {
        style::cut(&text, COMMAND_WIDTH, "…")
    };
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn publishers(ports: &[PortSummary]) -> Value {
    let publisher = |port: &PortSummary| {
        json!({
            "URL": port.host_ip,
            "TargetPort": port.target,
            "PublishedPort": port.published,
            "Protocol": port.protocol,
        })
    };
    ports.iter().map(publisher).collect()
}

/// `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 9000/tcp`; ports in a row become a range.
fn ports(published: &[PortSummary], exposed: &[String]) -> String {
    let mut sorted: Vec<&PortSummary> = published.iter().collect();
    sorted.sort_by_key(|p| {
        (
            &p.protocol,
            p.host_ip.contains(':'),
            &p.host_ip,
            p.target,
            p.published,
        )
    });
    let mut runs: Vec<(&PortSummary, u16)> = Vec::new();
    for port in sorted {
        match runs.last_mut() {
            Some((first, more)) if continues(first, *more, port) => *more += 1,
            _ => runs.push((port, 0)),
        }
    }
    let shown = runs.iter().map(|(first, more)| mapping(first, *more));
    let hidden = exposed.iter().filter(|port| {
        !published
            .iter()
            .any(|p| **port == format!("{}/{}", p.target, p.protocol))
    });
    shown.chain(hidden.cloned()).collect::<Vec<_>>().join(", ")
}

fn continues(first: &PortSummary, more: u16, next: &PortSummary) -> bool {
    let follows = |a: u16, b: u16| a.checked_add(more + 1) == Some(b);
    (&first.host_ip, &first.protocol) == (&next.host_ip, &next.protocol)
        && follows(first.target, next.target)
        && follows(first.published, next.published)
}

fn mapping(first: &PortSummary, more: u16) -> String {
    let range = |port: u16| match more {
        0 => port.to_string(),
        more => format!("{port}-{}", port.saturating_add(more)),
    };
    format!(
        "{}->{}/{}",
        host(&first.host_ip, &range(first.published)),
        range(first.target),
        first.protocol
    )
}

/// `127.0.0.1:80`, `[::1]:80`.
pub fn host(ip: &str, port: &str) -> String {
    if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::id::ProjectName;
    use std::collections::BTreeMap;

    const MINUTE: i64 = 60_000_000_000;

    /// A container that has run for five minutes at minute ten.
    pub fn container(service: &str) -> ContainerSummary {
        ContainerSummary {
            id: "0123456789abcdef".repeat(4),
            name: format!("app-{service}-1"),
            project: ProjectName::new("app").unwrap(),
            service: service.to_owned(),
            number: 1,
            image: "nginx".to_owned(),
            command: vec!["/docker-entrypoint.sh".into(), "nginx".into()],
            created: 4 * MINUTE,
            started: 5 * MINUTE,
            finished: 0,
            state: ContainerState::Running,
            health: Some(HealthState::Healthy),
            probes: vec![],
            failing: 0,
            restarts: 0,
            exit_code: None,
            oom: false,
            pid: Some(1),
            ports: vec![],
            exposed: vec![],
            labels: [("a".to_owned(), "b".to_owned())].into(),
            annotations: BTreeMap::new(),
            networks: vec![("app_default".to_owned(), "10.0.0.2".to_owned())],
            mounts: vec!["app_data".to_owned(), "/srv".to_owned()],
            log_dir: "/".into(),
            unlogged: false,
            attach: true,
        }
    }

    fn port(ip: &str, published: u16, target: u16) -> PortSummary {
        PortSummary {
            host_ip: ip.to_owned(),
            published,
            target,
            protocol: "tcp".to_owned(),
        }
    }

    #[test]
    fn the_table_has_docker_composes_columns() {
        let rows = [row(&container("web"), 10 * MINUTE, false)];
        let table = FIELDS
            .render(&rows, &FIELDS.form("table").unwrap())
            .unwrap();
        assert_eq!(
            table,
            "NAME        IMAGE     COMMAND                  SERVICE   CREATED         STATUS                   PORTS\n\
             app-web-1   nginx     \"/docker-entrypoint.…\"   web       6 minutes ago   Up 5 minutes (healthy)   \n"
        );
    }

    #[test]
    fn json_has_docker_composes_fields() {
        let row = row(&container("web"), 10 * MINUTE, false);
        let names: Vec<&str> = FIELDS.all.iter().map(|(name, _)| *name).collect();
        assert_eq!(row.keys().collect::<Vec<_>>(), names);
        assert_eq!(row["ID"], "0123456789ab");
        assert_eq!(row["LocalVolumes"], "1");
        assert_eq!(row["Labels"], "a=b");
        assert_eq!(row["Networks"], "app_default");
    }

    #[test]
    fn each_state_has_its_status() {
        let status = |change: fn(&mut ContainerSummary)| {
            let mut it = container("web");
            change(&mut it);
            super::status(&it, 10 * MINUTE)
        };
        assert_eq!(status(|c| c.health = None), "Up 5 minutes");
        assert_eq!(
            status(|c| c.health = Some(HealthState::Starting)),
            "Up 5 minutes (health: starting)"
        );
        assert_eq!(
            status(|c| c.state = ContainerState::Paused),
            "Up 5 minutes (Paused)"
        );
        assert_eq!(
            status(|c| {
                c.state = ContainerState::Exited;
                c.exit_code = Some(137);
                c.finished = 9 * MINUTE;
            }),
            "Exited (137) About a minute ago"
        );
        assert_eq!(
            status(|c| {
                c.state = ContainerState::Exited;
                c.exit_code = Some(137);
                c.oom = true;
                c.finished = 9 * MINUTE;
            }),
            "Exited (137) About a minute ago (out of memory)"
        );
        assert_eq!(
            status(|c| {
                c.state = ContainerState::Exited;
                c.finished = 8 * MINUTE;
            }),
            "Exited (unknown) 2 minutes ago"
        );
        assert_eq!(
            status(|c| c.state = ContainerState::Exited),
            "Exited (unknown)"
        );
    }

    #[test]
    fn ports_in_a_row_are_a_range_and_exposed_ones_follow() {
        let published = [
            port("::", 8000, 80),
            port("0.0.0.0", 8001, 81),
            port("0.0.0.0", 8000, 80),
            port("0.0.0.0", 9000, 90),
        ];
        assert_eq!(
            ports(&published, &["80/tcp".into(), "6379/tcp".into()]),
            "0.0.0.0:8000-8001->80-81/tcp, 0.0.0.0:9000->90/tcp, [::]:8000->80/tcp, 6379/tcp"
        );
    }

    #[test]
    fn a_command_cannot_forge_a_line() {
        assert_eq!(
            command(&["sh\n".into(), "\"x\\".into()], true),
            r#""sh  \"x\\""#
        );
    }
}
