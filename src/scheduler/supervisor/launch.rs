//! From a service and its image to everything a container needs for its whole life, decided once at its creation.
//!
//! What only the moment of a start can tell (addresses, host ports, whose namespace is joined) is left to `host`.

mod hooks;
mod networking;

pub use hooks::Hook;
pub use hooks::Hooks;
pub use hooks::hooks;
pub use networking::networking;
pub use networking::sysctls;

use super::forward::Forward;
use crate::compose::model::HealthTest;
use crate::compose::model::NamespaceOf;
use crate::compose::model::Protocol;
use crate::compose::model::Publish;
use crate::compose::model::RestartPolicy;
use crate::compose::model::Service;
use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::VolumeName;
use crate::image::Image;
use crate::network::spec::PortSpec;
use crate::runtime::shim::protocol::LogLimits;
use crate::runtime::spec::ContainerSpec;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// How to launch a container, again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// What the runtime is told; namespaces of others are filled in at each start.
    pub spec: ContainerSpec,
    /// Networking.
    pub network: Networking,
    /// Whose PID namespace, if not its own.
    pub pid: Option<Peer>,
    /// Whose IPC namespace, if not its own.
    pub ipc: Option<Peer>,
    /// The containers whose namespaces it joins, fixed at creation: a successor of one is another container.
    pub joined: Vec<ContainerId>,
    /// Ports to publish.
    pub ports: Vec<PortSpec>,
    /// Contents of `/etc/resolv.conf`.
    pub dns: DnsSettings,
    /// `/etc/hosts` entries: name, then address or `host-gateway`.
    pub extra_hosts: Vec<(String, String)>,
    /// Names only this container resolves: alias and service.
    pub links: Vec<(String, String)>,
    /// Its health check, complete.
    pub health: Option<Health>,
    /// When it is started again.
    pub restart: RestartRule,
    /// How long a graceful stop may take.
    pub grace: Duration,
    /// What it depends on, for orders of stop and restart.
    pub depends_on: Vec<DependsOn>,
    /// Volumes it mounts.
    pub volumes: Vec<VolumeUse>,
    /// Ports declared without publishing, `80/tcp`.
    pub exposed: Vec<String>,
    /// Whether attached `up` shows its output.
    pub attach: bool,
    /// Removed with its anonymous volumes once it has ended.
    #[serde(default)]
    pub auto_remove: bool,
    /// It does not answer to the names of its service.
    #[serde(default)]
    pub nameless: bool,
    /// Containers of others, by name, and what they are called here.
    #[serde(default)]
    pub external_links: Vec<(String, String)>,
    /// Targets of its volumes and binds, for `volumes_from`.
    #[serde(default)]
    pub shared: Vec<String>,
    /// Commands in it, at turns of its life.
    #[serde(default)]
    pub hooks: Hooks,
    /// How much of its output is kept.
    #[serde(default)]
    pub log: LogLimits,
    /// Its output is for who is there: nobody keeps it.
    #[serde(default)]
    pub unlogged: bool,
    /// Who gets its output as well.
    #[serde(default)]
    pub forward: Option<Forward>,
}

/// Networking of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Networking {
    /// Member of these, `eth0` first.
    Networks(Vec<Membership>),
    /// Only `lo`.
    None,
    /// The host's.
    Host,
    /// Another container's.
    Of(Peer),
}

/// Another container whose namespace is joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// The host itself.
    Host,
    /// The first container of a service of this project.
    Service(String),
    /// A container by name or id.
    Container(String),
}

/// Membership in one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Full name.
    pub network: NetworkName,
    /// DNS names on it besides the service's and the container's.
    pub aliases: Vec<String>,
    /// Static address.
    pub ipv4: Option<Ipv4Addr>,
    /// Static address.
    pub ipv6: Option<Ipv6Addr>,
    /// Further addresses, of the link only.
    #[serde(default)]
    pub link_local: Vec<IpAddr>,
    /// Kernel parameters with `IFNAME` for its interface.
    #[serde(default)]
    pub sysctls: Vec<(String, String)>,
    /// MAC address.
    pub mac: Option<[u8; 6]>,
    /// Interface name, if not `ethN`.
    pub interface: Option<String>,
    /// Larger first: who has the default route.
    pub gateway_priority: i32,
}

/// Name resolution as the user set it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DnsSettings {
    /// Servers instead of the host's.
    pub servers: Vec<IpAddr>,
    /// Search domains instead of the host's.
    pub search: Vec<String>,
    /// Resolver options.
    pub options: Vec<String>,
}

/// A complete health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Argument vector of the probe.
    pub command: Vec<String>,
    /// The words of a probe that needs no process.
    #[serde(default)]
    pub native: Option<[String; 2]>,
    /// Time between probes.
    pub interval: Duration,
    /// Limit of one probe.
    pub timeout: Duration,
    /// Consecutive failures that make it unhealthy.
    pub retries: u32,
    /// Failures do not count within this time.
    pub start_period: Duration,
    /// Time between probes in the start period.
    pub start_interval: Duration,
}

/// When a container is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartRule {
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub policy: String,
    /// Limit in a row.
    pub max_attempts: Option<u32>,
    /// Fixed delay instead of the back-off.
    pub delay: Option<Duration>,
    /// A run longer than this counts as a success.
    pub window: Option<Duration>,
    /// Also when it has become unhealthy, whatever the policy.
    #[serde(default)]
    pub unhealthy: bool,
}

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependsOn {
    /// The service.
    pub service: String,
    /// `service_started`, `service_healthy`, `service_completed_successfully`.
    pub condition: String,
    /// Restarted with it.
    pub restart: bool,
}

/// A volume in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeUse {
    /// The volume.
    pub name: VolumeName,
    /// Path inside.
    pub target: String,
    /// Nobody gave it a name; it goes with the container if asked.
    pub anonymous: bool,
}

/// The command line, as docker composes it: an `entrypoint` of the file silences the image's `CMD`, unless it is empty.
pub fn command_line(service: &Service, image: &Image) -> Vec<String> {
    let entrypoint = service
        .entrypoint
        .as_ref()
        .unwrap_or(&image.config.entrypoint);
    let silenced = service
        .entrypoint
        .as_ref()
        .is_some_and(|own| !own.is_empty());
    let command = match &service.command {
        Some(command) => command.as_slice(),
        None if silenced => &[],
        None => image.config.cmd.as_slice(),
    };
    entrypoint.iter().chain(command).cloned().collect()
}

/// Where docker's PATH points when an image says nothing.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment: docker's own, the image's, the file's; a later one wins at the earlier place, one without a value
/// takes the earlier away.
pub fn environment(service: &Service, image: &Image, hostname: &str) -> Vec<String> {
    let mut env = vec![PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if service.tty {
        env.push("TERM=xterm".to_owned());
    }
    let theirs = image.config.env.iter().map(|entry| {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        (key, Some(value))
    });
    let own = service.environment.iter();
    let own = own.map(|(key, value)| (key.as_str(), value.as_deref()));
    for (key, value) in theirs.chain(own) {
        let place = env.iter().position(|e| e.split('=').next() == Some(key));
        let entry = value.map(|value| format!("{key}={value}"));
        match (place, entry) {
            (Some(place), Some(entry)) => env[place] = entry,
            (Some(place), None) => drop(env.remove(place)),
            (None, entry) => env.extend(entry),
        }
    }
    env
}

/// The health check: the file's, filled up from the image's, then from docker's defaults. Zero is as good as nothing.
pub fn health(service: &Service, image: &Image) -> Option<Health> {
    let own = service.healthcheck.clone().unwrap_or_default();
    let theirs = image.config.healthcheck.clone().unwrap_or_default();
    let command = match &own.test {
        Some(HealthTest::Disabled) => return None,
        Some(HealthTest::Native(_)) => Vec::new(),
        Some(HealthTest::Command(args)) => args.clone(),
        Some(HealthTest::Shell(text)) => shell(text),
        None => match theirs.test.split_first() {
            Some((kind, args)) if kind == "CMD" => args.to_vec(),
            Some((kind, args)) if kind == "CMD-SHELL" => shell(&args.join(" ")),
            _ => return None,
        },
    };
    let pick = |own: Option<Duration>, image: Duration, default: u64| {
        own.into_iter()
            .chain([image])
            .find(|time| !time.is_zero())
            .unwrap_or(Duration::from_secs(default))
    };
    let native = match own.test {
        Some(HealthTest::Native(test)) => Some(test.words()),
        _ => None,
    };
    Some(Health {
        command,
        native,
        interval: pick(own.interval, theirs.interval, 30),
        timeout: pick(own.timeout, theirs.timeout, 30),
        retries: own
            .retries
            .into_iter()
            .chain([theirs.retries])
            .find(|retries| *retries > 0)
            .unwrap_or(3),
        start_period: pick(own.start_period, theirs.start_period, 0),
        start_interval: pick(own.start_interval, theirs.start_interval, 5),
    })
}

fn shell(text: &str) -> Vec<String> {
    ["/bin/sh", "-c", text].map(str::to_owned).to_vec()
}

/// Who is joined, as the model says it.
pub fn peer(of: &NamespaceOf) -> Option<Peer> {
    match of {
        NamespaceOf::Host => Some(Peer::Host),
        NamespaceOf::Service(name) => Some(Peer::Service(name.to_string())),
        NamespaceOf::Container(name) => Some(Peer::Container(name.clone())),
        NamespaceOf::Private | NamespaceOf::Bare => None,
    }
}

/// Ports as the network layer takes them.
pub fn ports(service: &Service) -> Vec<PortSpec> {
    let spec = |port: &crate::compose::model::PortMapping| PortSpec {
        tcp: port.protocol == Protocol::Tcp,
        host_ip: port.host_ip,
        host_ports: match port.published {
            Publish::Random => (0, 0),
            Publish::Fixed(port) => (port, port),
            Publish::Range(first, last) => (first, last),
        },
        container_port: port.target,
    };
    service.ports.iter().map(spec).collect()
}

/// Declared ports, the file's and the image's, `80/tcp`.
pub fn exposed(service: &Service, image: &Image) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for port in service.expose.iter().chain(&image.config.exposed_ports) {
        let port = if port.contains('/') {
            port.clone()
        } else {
            format!("{port}/tcp")
        };
        if !all.contains(&port) {
            all.push(port);
        }
    }
    all
}

/// The restart rule in record form.
pub fn restart(service: &Service) -> RestartRule {
    let policy = match service.restart.policy {
        RestartPolicy::No => "no",
        RestartPolicy::Always => "always",
        RestartPolicy::UnlessStopped => "unless-stopped",
        RestartPolicy::OnFailure => "on-failure",
    };
    RestartRule {
        policy: policy.to_owned(),
        max_attempts: service.restart.max_attempts,
        delay: service.restart.delay,
        window: service.restart.window,
        unhealthy: service.life.restart_unhealthy,
    }
}

/// Dependencies in record form.
pub fn depends_on(service: &Service) -> Vec<DependsOn> {
    let record =
        |(name, dependency): (&crate::id::ServiceName, &crate::compose::model::Dependency)| {
            DependsOn {
                service: name.to_string(),
                condition: dependency.condition.word().to_owned(),
                restart: dependency.restart,
            }
        };
    service.depends_on.iter().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::model::Healthcheck;
    use crate::id::{Digest, ServiceName};
    use crate::image::{ImageConfig, ImageHealthcheck};

    fn service() -> Service {
        Service::new(ServiceName::new("a").unwrap(), "of-a-test")
    }

    fn image(config: ImageConfig) -> Image {
        let id = Digest::new(format!("sha256:{}", "0".repeat(64))).unwrap();
        Image {
            id: id.clone(),
            digest: id,
            platform: "linux/amd64".to_owned(),
            config,
            layers: Vec::new(),
            host_binds: Vec::new(),
        }
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_variable_without_a_value_takes_away_what_the_image_and_docker_set() {
        let image = image(ImageConfig {
            env: words("A=1 B=2 C=3"),
            ..ImageConfig::default()
        });
        let mut service = service();
        for (key, value) in [
            ("A", None),
            ("B", Some("two")),
            ("HOSTNAME", None),
            ("D", None),
            ("E", Some("")),
        ] {
            let value = value.map(str::to_owned);
            service.environment.insert(key.to_owned(), value);
        }
        let env = environment(&service, &image, "box");
        assert_eq!(env[1..], words("B=two C=3 E=")[..], "{}", env[0]);
    }

    #[test]
    fn an_entrypoint_silences_the_images_command_unless_it_is_empty() {
        let image = image(ImageConfig {
            entrypoint: words("enter"),
            cmd: words("serve all"),
            ..ImageConfig::default()
        });
        let line = |entrypoint: Option<&str>, command: Option<&str>| {
            let mut service = service();
            service.entrypoint = entrypoint.map(words);
            service.command = command.map(words);
            command_line(&service, &image).join(" ")
        };
        assert_eq!(line(None, None), "enter serve all");
        assert_eq!(line(None, Some("one")), "enter one");
        assert_eq!(line(Some("own"), None), "own");
        assert_eq!(line(Some("own"), Some("one")), "own one");
        assert_eq!(line(Some(""), None), "serve all");
        assert_eq!(line(Some(""), Some("one")), "one");
    }

    #[test]
    fn of_a_health_check_zero_is_inherited_and_what_nobody_says_is_dockers_default() {
        let seconds = Duration::from_secs;
        let zeros = Healthcheck {
            test: Some(HealthTest::Shell("true".to_owned())),
            interval: Some(Duration::ZERO),
            timeout: Some(Duration::ZERO),
            retries: Some(0),
            start_period: Some(Duration::ZERO),
            start_interval: Some(Duration::ZERO),
        };
        let left_out = Healthcheck {
            test: zeros.test.clone(),
            ..Healthcheck::default()
        };
        for own in [zeros, left_out] {
            let mut service = service();
            service.healthcheck = Some(own);
            let alone = health(&service, &image(ImageConfig::default())).unwrap();
            assert_eq!((alone.interval, alone.timeout), (seconds(30), seconds(30)));
            assert_eq!(
                (alone.start_period, alone.start_interval),
                (seconds(0), seconds(5))
            );
            assert_eq!(alone.retries, 3);
            let theirs = ImageHealthcheck {
                test: words("CMD false"),
                interval: seconds(1),
                timeout: seconds(2),
                start_period: seconds(3),
                start_interval: seconds(4),
                retries: 5,
            };
            let healthcheck = Some(theirs);
            let inherited = health(
                &service,
                &image(ImageConfig {
                    healthcheck,
                    ..ImageConfig::default()
                }),
            );
            let inherited = inherited.unwrap();
            assert_eq!(
                (inherited.interval, inherited.timeout),
                (seconds(1), seconds(2))
            );
            assert_eq!(
                (
                    inherited.start_period,
                    inherited.start_interval,
                    inherited.retries
                ),
                (seconds(3), seconds(4), 5)
            );
            assert_eq!(inherited.command, words("/bin/sh -c true"));
        }
    }
}
