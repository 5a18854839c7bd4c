//! Containers as tables show them.

use super::container::{Container, Status};
use super::control::{ContainerSummary, PortSummary, ProbeSummary};
use super::health::{Outcome, Probe};
use super::project::Project;
use crate::network::spec::PublishedPort;
use crate::runtime::identity;
use crate::runtime::spec::MountKind;

/// All containers, by service and number.
pub fn all(project: &Project) -> Vec<ContainerSummary> {
    let mut all: Vec<ContainerSummary> = project.all().iter().map(|c| one(project, c)).collect();
    all.sort_by(|a, b| (&a.service, a.number).cmp(&(&b.service, b.number)));
    all
}

fn one(project: &Project, container: &Container) -> ContainerSummary {
    let record = &container.record;
    let status = container.status.borrow();
    let endpoint = container.endpoint.borrow();
    let endpoint = endpoint.as_ref();
    ContainerSummary {
        id: record.id.to_string(),
        name: record.name.clone(),
        project: project.name.clone(),
        service: record.service.clone(),
        number: record.number,
        image: record.image.clone(),
        command: record.launch.spec.process.args.clone(),
        created: record.created,
        started: since(project, &status),
        finished: status.finished,
        state: status.phase.state(),
        health: status.health,
        probes: status.probes.iter().map(probe).collect(),
        failing: status.failing,
        restarts: container.life.borrow().attempts,
        exit_code: status.exit_code,
        pid: status.process.map(|(pid, _)| pid),
        ports: endpoint
            .map(|e| e.ports.iter().flat_map(ports).collect())
            .unwrap_or_default(),
        exposed: record.launch.exposed.clone(),
        labels: record.labels.clone(),
        networks: endpoint
            .map(|e| {
                e.attachment
                    .interfaces
                    .iter()
                    .map(|i| {
                        let address = i.addresses().next();
                        let text = address.map_or_else(String::new, |ip| ip.to_string());
                        (i.network.to_string(), text)
                    })
                    .collect()
            })
            .unwrap_or_default(),
        mounts: mounts(container),
        log_dir: container.paths.log(),
        attach: record.launch.attach,
    }
}

fn probe(probe: &Probe) -> ProbeSummary {
    ProbeSummary {
        start: probe.start,
        end: probe.end,
        code: match probe.outcome {
            Outcome::Ok => 0,
            Outcome::Failed { code } => code,
            Outcome::TimedOut => -1,
        },
        output: probe.output.clone(),
    }
}

/// When it was started, by the clock as it is now: one that runs was not started in the future.
fn since(project: &Project, status: &Status) -> i64 {
    let now = project.now();
    match status.process {
        Some((_, start_time)) if status.started > now => {
            now - i64::try_from(identity::age(start_time).as_nanos()).unwrap_or(0)
        }
        _ => status.started,
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

fn mounts(container: &Container) -> Vec<String> {
    let launch = &container.record.launch;
    let volumes = launch.volumes.iter().map(|v| v.name.to_string());
    let etc = &container.paths.etc;
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
