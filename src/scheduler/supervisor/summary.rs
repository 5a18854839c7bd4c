//! Containers as tables show them.

use super::container::{Container, EndpointRecord, Status};
use super::control::{ContainerSummary, PortSummary, ProbeSummary};
use super::health::{Outcome, Probe};
use super::launch::Launch;
use super::project::Project;
use crate::compose::format_duration;
use crate::id::ProjectName;
use crate::network::spec::InterfaceSpec;
use crate::network::spec::PublishedPort;
use crate::runtime::identity;
use crate::runtime::spec::MountKind;
use crate::state::paths::ContainerPaths;
use crate::state::record::ContainerRecord;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// A clock that runs as it should differs by less, in nanoseconds.
const SET: u64 = 2_000_000_000;

/// All containers, by service and number.
pub fn all(project: &Project) -> Vec<ContainerSummary> {
    let one = |container: &Rc<Container>| {
        let known = Known {
            project: &project.name,
            record: &container.record,
            paths: &container.paths,
            restarts: container.life.borrow().attempts,
        };
        known.summary(
            &container.status.borrow(),
            container.endpoint.borrow().as_ref(),
            project.now(),
        )
    };
    sorted(project.all().iter().map(one).collect())
}

/// In the order of tables.
pub(super) fn sorted(mut all: Vec<ContainerSummary>) -> Vec<ContainerSummary> {
    all.sort_by(|a, b| (&a.service, a.number).cmp(&(&b.service, b.number)));
    all
}

/// What does not change while nobody writes the ledger.
pub(super) struct Known<'a> {
    /// Whose container it is.
    pub project: &'a ProjectName,
    pub record: &'a ContainerRecord<Launch>,
    pub paths: &'a ContainerPaths,
    pub restarts: u32,
}

impl Known<'_> {
    pub(super) fn summary(
        &self,
        status: &Status,
        endpoint: Option<&EndpointRecord>,
        now: i64,
    ) -> ContainerSummary {
        let record = self.record;
        let timeout = record.launch.health.as_ref().map(|health| health.timeout);
        let ports = endpoint.map(|e| e.ports.iter().flat_map(ports).collect());
        ContainerSummary {
            id: record.id.to_string(),
            name: record.name.clone(),
            project: self.project.clone(),
            service: record.service.clone(),
            number: record.number,
            image: record.image.clone(),
            command: record.launch.spec.process.args.clone(),
            created: record.created,
            started: since(now, status),
            finished: status.finished,
            state: status.phase.state(),
            health: status.health,
            probes: status.probes.iter().map(|p| probe(p, timeout)).collect(),
            failing: status.failing,
            restarts: self.restarts,
            exit_code: status.exit_code,
            oom: status.oom,
            pid: status.process.map(|(pid, _)| pid),
            ports: ports.unwrap_or_default(),
            exposed: record.launch.exposed.clone(),
            labels: record.labels.clone(),
            annotations: record.launch.spec.annotations.clone(),
            networks: endpoint.map(addresses).unwrap_or_default(),
            mounts: mounts(&record.launch, &self.paths.etc),
            log_dir: self.paths.log(),
            unlogged: record.launch.unlogged,
            attach: record.launch.attach,
        }
    }
}

/// Each network with the address on it.
fn addresses(endpoint: &EndpointRecord) -> Vec<(String, String)> {
    let interfaces = endpoint.attachment.interfaces.iter();
    let one = |interface: &InterfaceSpec| {
        let address = interface.addresses().next();
        let text = address.map_or_else(String::new, |ip| ip.to_string());
        (interface.network.to_string(), text)
    };
    interfaces.map(one).collect()
}

/// As docker tells it, also of a probe that did not end within `timeout`.
fn probe(probe: &Probe, timeout: Option<Duration>) -> ProbeSummary {
    let output = &probe.output;
    let exceeded = |timeout| {
        let time = format_duration(timeout);
        let said = if output.is_empty() { "" } else { ": " };
        format!("Health check exceeded timeout ({time}){said}{output}")
    };
    ProbeSummary {
        start: probe.start,
        end: probe.end,
        code: match probe.outcome {
            Outcome::Ok => 0,
            Outcome::Failed { code } => code,
            Outcome::TimedOut => -1,
        },
        output: match (probe.outcome, timeout) {
            (Outcome::TimedOut, Some(timeout)) => exceeded(timeout),
            _ => output.clone(),
        },
    }
}

/// When it was started, by the clock as it is now, which may have been set since.
fn since(now: i64, status: &Status) -> i64 {
    let Some((_, start_time)) = status.process else {
        return status.started;
    };
    by_clock(now, status.started, identity::age(start_time))
}

/// A time of the past as it was noted, unless the clock was set since: then as it is so long ago.
fn by_clock(now: i64, noted: i64, age: Duration) -> i64 {
    let counted = now - i64::try_from(age.as_nanos()).unwrap_or(0);
    match noted.abs_diff(counted) {
        0..SET => noted,
        _ => counted,
    }
}

/// A port on all addresses is two entries, as docker shows it.
fn ports(port: &PublishedPort) -> Vec<PortSummary> {
    let hosts = match port.host_ip {
        Some(ip) => vec![ip.to_string()],
        None => vec!["0.0.0.0".to_owned(), "::".to_owned()],
    };
    let entry = |host_ip| PortSummary {
        host_ip,
        published: port.host_port,
        target: port.container_port,
        protocol: if port.tcp { "tcp" } else { "udp" }.to_owned(),
    };
    hosts.into_iter().map(entry).collect()
}

fn mounts(launch: &Launch, etc: &Path) -> Vec<String> {
    let volumes = launch.volumes.iter().map(|v| v.name.to_string());
    let binds = launch
        .spec
        .mounts
        .iter()
        .filter_map(|mount| match &mount.kind {
            MountKind::Bind { source, .. }
                if !source.starts_with(etc)
                    && !launch.volumes.iter().any(|v| v.target == mount.target) =>
            {
                Some(source.display().to_string())
            }
            _ => None,
        });
    volumes.chain(binds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_took_too_long_says_so() {
        let told = |outcome, output: &str| {
            let (start, end, output) = (0, 1, output.to_owned());
            let one = Probe {
                start,
                end,
                outcome,
                output,
            };
            probe(&one, Some(Duration::from_millis(1500))).output
        };
        let exceeded = "Health check exceeded timeout (1.5s)";
        assert_eq!(told(Outcome::TimedOut, ""), exceeded);
        assert_eq!(
            told(Outcome::TimedOut, "at it"),
            format!("{exceeded}: at it")
        );
        assert_eq!(told(Outcome::Ok, "fine"), "fine");
    }

    #[test]
    fn a_start_is_as_long_ago_as_it_is_whatever_the_clock_says() {
        const SECOND: i64 = 1_000_000_000;
        let age = Duration::from_secs(10);
        let since = |now: i64, noted: i64| by_clock(now * SECOND, noted * SECOND, age) / SECOND;
        assert_eq!(since(100, 90), 90);
        assert_eq!(since(100, 91), 91, "the start takes its time");
        assert_eq!(since(100, 5000), 90, "set back");
        assert_eq!(since(9000, 90), 8990, "set forth");
    }
}
