//! One service as a tree.

use super::mounts::storage;
use crate::compose::model::Condition;
use crate::compose::model::Dependency;
use crate::compose::model::HealthTest;
use crate::compose::model::Healthcheck;
use crate::compose::model::Limits;
use crate::compose::model::NamespaceOf;
use crate::compose::model::NetworkMode;
use crate::compose::model::PortMapping;
use crate::compose::model::Protocol;
use crate::compose::model::Publish;
use crate::compose::model::Restart;
use crate::compose::model::RestartPolicy;
use crate::compose::model::Service;
use crate::compose::model::ServiceNetwork;
use crate::compose::model::Ulimit;
use crate::compose::parse::values::format_duration;
use indexmap::IndexMap;
use serde_json::Map;
use serde_json::Value;

/// The fields of a map, in the order they are put.
#[derive(Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Adds a field.
    pub fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// Adds a field if there is a value.
    pub fn some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Adds a field if it is set.
    pub fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.put(key, true);
        }
    }

    /// Adds a list of texts unless it is empty.
    pub fn texts(&mut self, key: &str, texts: &[String]) {
        if !texts.is_empty() {
            self.put(key, texts.to_vec());
        }
    }

    /// Adds a map of texts unless it is empty.
    pub fn map(&mut self, key: &str, map: &IndexMap<String, String>) {
        if !map.is_empty() {
            self.put(key, labels(map));
        }
    }

    /// Adds a list unless it is empty.
    pub fn list<T>(&mut self, key: &str, items: &[T], item: impl FnMut(&T) -> Value) {
        if !items.is_empty() {
            self.put(key, items.iter().map(item).collect::<Vec<_>>());
        }
    }

    /// Adds a map unless it is empty.
    pub fn section<K: ToString, T>(
        &mut self,
        key: &str,
        map: &IndexMap<K, T>,
        value: impl Fn(&T) -> Value,
    ) {
        if !map.is_empty() {
            let entries = map
                .iter()
                .map(|(key, entry)| (key.to_string(), value(entry)));
            self.put(key, Value::Object(entries.collect()));
        }
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Value {
        Value::Object(fields.0)
    }
}

/// A map of texts.
pub fn labels(map: &IndexMap<String, String>) -> Value {
    let entries = map
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().into()));
    Value::Object(entries.collect())
}

/// The tree of a service.
pub fn service(service: &Service) -> Value {
    let mut fields = Fields::default();
    process(service, &mut fields);
    relations(service, &mut fields);
    network(service, &mut fields);
    storage(service, &mut fields);
    security(service, &mut fields);
    limits(&service.limits, service, &mut fields);
    fields.into()
}

fn process(service: &Service, fields: &mut Fields) {
    fields.put("image", service.image.as_str());
    fields.put("command", service.command.clone());
    fields.put("entrypoint", service.entrypoint.clone());
    fields.section("environment", &service.environment, |value| {
        value.as_deref().map_or(Value::Null, Value::from)
    });
    fields.some("container_name", service.container_name.as_deref());
    fields.some("user", service.user.as_deref());
    fields.texts("group_add", &service.group_add);
    fields.some("working_dir", service.working_dir.as_deref());
    fields.flag("init", service.init);
    fields.flag("tty", service.tty);
    fields.flag("stdin_open", service.stdin_open);
    fields.some("stop_signal", service.stop_signal.as_deref());
    let grace = service.stop_grace_period.map(format_duration);
    fields.some("stop_grace_period", grace);
    fields.map("labels", &service.labels);
    fields.texts("profiles", &service.profiles);
    if !service.attach {
        fields.put("attach", false);
    }
    fields.some("pull_policy", service.pull_policy.as_deref());
    fields.some("platform", service.platform.as_deref());
}

fn relations(service: &Service, fields: &mut Fields) {
    if service.scale != 1 {
        fields.put("scale", service.scale);
    }
    fields.section("depends_on", &service.depends_on, dependency);
    fields.list("links", &service.links, |(name, alias)| {
        match alias == name.as_str() {
            true => name.as_str().into(),
            false => format!("{name}:{alias}").into(),
        }
    });
    fields.some("healthcheck", service.healthcheck.as_ref().map(healthcheck));
    restart(&service.restart, fields);
}

fn dependency(dependency: &Dependency) -> Value {
    let mut fields = Fields::default();
    fields.put(
        "condition",
        match dependency.condition {
            Condition::Started => "service_started",
            Condition::Healthy => "service_healthy",
            Condition::Completed => "service_completed_successfully",
        },
    );
    fields.flag("restart", dependency.restart);
    fields.put("required", dependency.required);
    fields.into()
}

fn healthcheck(check: &Healthcheck) -> Value {
    let mut fields = Fields::default();
    match &check.test {
        Some(HealthTest::Disabled) => fields.put("disable", true),
        Some(HealthTest::Shell(text)) => {
            fields.put("test", vec!["CMD-SHELL".to_owned(), text.clone()]);
        }
        Some(HealthTest::Command(words)) => {
            let mut test = vec!["CMD".to_owned()];
            test.extend(words.iter().cloned());
            fields.put("test", test);
        }
        None => {}
    }
    fields.some("interval", check.interval.map(format_duration));
    fields.some("timeout", check.timeout.map(format_duration));
    fields.some("retries", check.retries);
    fields.some("start_period", check.start_period.map(format_duration));
    fields.some("start_interval", check.start_interval.map(format_duration));
    fields.into()
}

fn restart(restart: &Restart, fields: &mut Fields) {
    let by_attempts = restart.policy == RestartPolicy::OnFailure;
    let long = restart.delay.is_some()
        || restart.window.is_some()
        || (restart.max_attempts.is_some() && !by_attempts);
    if long {
        let mut policy = Fields::default();
        policy.put(
            "condition",
            match restart.policy {
                RestartPolicy::No => "none",
                RestartPolicy::Always => "any",
                RestartPolicy::UnlessStopped => "unless-stopped",
                RestartPolicy::OnFailure => "on-failure",
            },
        );
        policy.some("delay", restart.delay.map(format_duration));
        policy.some("max_attempts", restart.max_attempts);
        policy.some("window", restart.window.map(format_duration));
        let mut deploy = Fields::default();
        deploy.put("restart_policy", Value::from(policy));
        fields.put("deploy", Value::from(deploy));
        return;
    }
    match (restart.policy, restart.max_attempts) {
        (RestartPolicy::No, _) => {}
        (RestartPolicy::Always, _) => fields.put("restart", "always"),
        (RestartPolicy::UnlessStopped, _) => fields.put("restart", "unless-stopped"),
        (RestartPolicy::OnFailure, None) => fields.put("restart", "on-failure"),
        (RestartPolicy::OnFailure, Some(n)) => fields.put("restart", format!("on-failure:{n}")),
    }
}

fn network(service: &Service, fields: &mut Fields) {
    match &service.network_mode {
        NetworkMode::Networks => {}
        NetworkMode::None => fields.put("network_mode", "none"),
        NetworkMode::Host => fields.put("network_mode", "host"),
        NetworkMode::Service(name) => fields.put("network_mode", format!("service:{name}")),
        NetworkMode::Container(name) => fields.put("network_mode", format!("container:{name}")),
    }
    fields.section("networks", &service.networks, membership);
    fields.list("ports", &service.ports, port);
    fields.texts("expose", &service.expose);
    fields.some("hostname", service.hostname.as_deref());
    fields.some("domainname", service.domainname.as_deref());
    fields.list("dns", &service.dns, |ip| ip.to_string().into());
    fields.texts("dns_search", &service.dns_search);
    fields.texts("dns_opt", &service.dns_opt);
    let hosts: Vec<String> = service
        .extra_hosts
        .iter()
        .flat_map(|(host, ips)| ips.iter().map(move |ip| format!("{host}={ip}")))
        .collect();
    fields.texts("extra_hosts", &hosts);
}

fn membership(network: &ServiceNetwork) -> Value {
    if *network == ServiceNetwork::default() {
        return Value::Null;
    }
    let mut fields = Fields::default();
    fields.texts("aliases", &network.aliases);
    let address = |ip: std::net::IpAddr| ip.to_string();
    fields.some("ipv4_address", network.ipv4_address.map(address));
    fields.some("ipv6_address", network.ipv6_address.map(address));
    fields.some("mac_address", network.mac_address.as_deref());
    let nonzero = |number: i32| Some(number).filter(|n| *n != 0);
    fields.some("priority", nonzero(network.priority));
    fields.some("gw_priority", nonzero(network.gw_priority));
    fields.some("interface_name", network.interface_name.as_deref());
    fields.into()
}

fn port(port: &PortMapping) -> Value {
    let mut fields = Fields::default();
    fields.put("mode", "ingress");
    fields.some("host_ip", port.host_ip.map(|ip| ip.to_string()));
    fields.put("target", port.target);
    match port.published {
        Publish::Random => {}
        Publish::Fixed(number) => fields.put("published", number.to_string()),
        Publish::Range(first, last) => fields.put("published", format!("{first}-{last}")),
    }
    fields.put(
        "protocol",
        match port.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        },
    );
    fields.into()
}

fn security(service: &Service, fields: &mut Fields) {
    fields.flag("read_only", service.read_only);
    fields.flag("privileged", service.privileged);
    fields.texts("cap_add", &service.cap_add);
    fields.texts("cap_drop", &service.cap_drop);
    fields.texts("security_opt", &service.security_opt);
    fields.some("pid", service.pid.as_ref().map(namespace));
    fields.some("ipc", service.ipc.as_ref().map(namespace));
    fields.map("sysctls", &service.sysctls);
    fields.list("devices", &service.devices, |text| {
        let mut parts = text.splitn(3, ':');
        let mut fields = Fields::default();
        for key in ["source", "target", "permissions"] {
            fields.some(key, parts.next());
        }
        fields.into()
    });
}

fn namespace(namespace: &NamespaceOf) -> String {
    match namespace {
        NamespaceOf::Host => "host".to_owned(),
        NamespaceOf::Private => "private".to_owned(),
        NamespaceOf::Service(name) => format!("service:{name}"),
        NamespaceOf::Container(name) => format!("container:{name}"),
    }
}

fn limits(limits: &Limits, service: &Service, fields: &mut Fields) {
    let bytes = |bytes: u64| bytes.to_string();
    fields.some("cpus", limits.cpus);
    fields.some("cpu_shares", limits.cpu_shares);
    fields.some("cpuset", limits.cpuset.as_deref());
    fields.some("mem_limit", limits.memory.map(bytes));
    fields.some("mem_reservation", limits.memory_reservation.map(bytes));
    let swap = limits.memory_swap.map(|bytes| bytes.to_string());
    fields.some("memswap_limit", swap);
    fields.some("pids_limit", limits.pids);
    fields.section("ulimits", &service.ulimits, ulimit);
    fields.some("shm_size", service.shm_size.map(bytes));
    fields.some("oom_score_adj", service.oom_score_adj);
}

fn ulimit(limit: &Ulimit) -> Value {
    if limit.soft == limit.hard {
        return limit.soft.into();
    }
    let mut fields = Fields::default();
    fields.put("soft", limit.soft);
    fields.put("hard", limit.hard);
    fields.into()
}
