//! The flags of `docker run` as a compose file of one service.
//!
//! Each flag is the attribute that means the same, so that what a value may be, and what is said of one that may not, is
//! the compose language's to know.

mod forms;

use crate::cli::args::make::{Files, Health, Isolation, Limits, Make, Net};
use crate::cli::exit::Error;
use crate::engine::NewVolume;
use forms::Mount;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A container on its own.
#[derive(Debug)]
pub struct Solo {
    document: Map<String, Value>,
    /// Its service, which is called as its project.
    service: Section,
    /// Volumes that it mounts by name. They belong to nobody, as with `docker run`, and outlive the container.
    pub volumes: BTreeMap<String, NewVolume>,
}

impl Solo {
    /// What the flags say; `env` are the variables of `--env-file`.
    pub fn new(make: &Make, name: &str, project: &str, env: Vec<String>) -> Result<Self, Error> {
        let mut service = Section::default();
        service.put("image", Some(make.image.clone()));
        service.put("container_name", Some(name));
        process(make, env, &mut service);
        limits(&make.limits, &mut service);
        isolation(&make.isolation, &mut service);
        service.section("healthcheck", health(&make.health));
        let volumes = files(&make.files, &mut service)?;
        let networks = net(&make.net, &mut service)?;
        let mut document = Map::new();
        document.insert("name".to_owned(), json!(project));
        for (key, names) in [
            ("networks", networks),
            ("volumes", volumes.keys().cloned().collect()),
        ] {
            let external = names.into_iter().map(|it| (it, json!({"external": true})));
            let external: Map<String, Value> = external.collect();
            if !external.is_empty() {
                document.insert(key.to_owned(), Value::Object(external));
            }
        }
        Ok(Self {
            document,
            service,
            volumes,
        })
    }

    /// Publishes ports on free ones of the host.
    pub fn publish(&mut self, ports: impl IntoIterator<Item = String>) {
        let entry = self.service.0.entry("ports").or_insert_with(|| json!([]));
        if let Value::Array(list) = entry {
            list.extend(ports.into_iter().map(Value::String));
        }
    }

    /// As a file: one flag a line, for messages that show where they are.
    pub fn text(&self, project: &str) -> String {
        let mut document = self.document.clone();
        let services = json!({ project: self.service.0 });
        document.insert("services".to_owned(), services);
        format!("{:#}", Value::Object(document)).replace('$', "$$")
    }
}

/// A mapping that takes what was given.
#[derive(Debug, Default, Clone)]
struct Section(Map<String, Value>);

impl Section {
    fn put(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value.into());
        }
    }

    fn list(&mut self, key: &str, list: &[String]) {
        self.put(key, (!list.is_empty()).then(|| json!(list)));
    }

    fn switch(&mut self, key: &str, on: bool) {
        self.put(key, on.then_some(true));
    }

    fn pairs(&mut self, key: &str, pairs: &[(String, String)]) {
        let pairs = pairs.iter().cloned();
        self.section(
            key,
            Section(pairs.map(|(key, value)| (key, value.into())).collect()),
        );
    }

    fn section(&mut self, key: &str, section: Section) {
        self.put(key, (!section.0.is_empty()).then_some(section.0));
    }
}

fn process(make: &Make, mut env: Vec<String>, to: &mut Section) {
    env.extend(make.env.iter().cloned());
    let mut labels = make.label.clone();
    labels.push(format!("{}=solo", crate::engine::SOLO));
    to.list("environment", &env);
    to.list("labels", &labels);
    to.list("label_file", &make.label_file);
    to.list("annotations", &make.annotation);
    to.list("group_add", &make.group_add);
    // An entrypoint leaves the image's command out.
    if !make.command.is_empty() || make.entrypoint.is_some() {
        to.put("command", Some(make.command.clone()));
    }
    to.put("entrypoint", make.entrypoint.clone());
    to.put("user", make.user.clone());
    to.put("working_dir", make.workdir.clone());
    to.switch("init", make.init);
    to.switch("stdin_open", make.interactive);
    to.switch("tty", make.tty);
    to.put("restart", make.restart.clone());
    to.put("stop_signal", make.stop_signal.clone());
    let grace = make.stop_timeout.map(|it| format!("{}s", it.as_secs()));
    to.put("stop_grace_period", grace);
    to.put("platform", make.platform.clone());
    to.put("pull_policy", make.pull.map(|it| it.word()));
    to.put("runtime", make.runtime.clone());
    let mut logging = Section::default();
    logging.put("driver", make.log_driver.clone());
    logging.pairs("options", &make.log_opt);
    to.section("logging", logging);
}

fn limits(limits: &Limits, to: &mut Section) {
    to.put("cpus", limits.cpus.clone());
    to.put("cpu_shares", limits.cpu_shares);
    to.put("cpu_period", limits.cpu_period);
    to.put("cpu_quota", limits.cpu_quota);
    to.put("cpu_rt_period", limits.cpu_rt_period);
    to.put("cpu_rt_runtime", limits.cpu_rt_runtime);
    to.put("cpuset", limits.cpuset_cpus.clone());
    to.put("mem_limit", limits.memory.clone());
    to.put("mem_reservation", limits.memory_reservation.clone());
    to.put("memswap_limit", limits.memory_swap.clone());
    to.put("mem_swappiness", limits.memory_swappiness);
    to.switch("oom_kill_disable", limits.oom_kill_disable);
    to.put("oom_score_adj", limits.oom_score_adj);
    to.put("pids_limit", limits.pids_limit);
    to.put("cgroup_parent", limits.cgroup_parent.clone());
    let ulimits = limits.ulimit.iter().map(|(name, soft, hard)| {
        let both = json!({ "soft": soft, "hard": hard });
        (name.clone(), both)
    });
    to.section("ulimits", Section(ulimits.collect()));
    let mut disks = Section::default();
    disks.put("weight", limits.blkio_weight);
    for (key, word, list) in [
        ("weight_device", "weight", &limits.blkio_weight_device),
        ("device_read_bps", "rate", &limits.device_read_bps),
        ("device_read_iops", "rate", &limits.device_read_iops),
        ("device_write_bps", "rate", &limits.device_write_bps),
        ("device_write_iops", "rate", &limits.device_write_iops),
    ] {
        let list = list
            .iter()
            .map(|(path, value)| json!({ "path": path, word: value }));
        let list: Vec<Value> = list.collect();
        disks.put(key, (!list.is_empty()).then_some(list));
    }
    to.section("blkio_config", disks);
}

fn isolation(isolation: &Isolation, to: &mut Section) {
    to.switch("privileged", isolation.privileged);
    to.list("cap_add", &isolation.cap_add);
    to.list("cap_drop", &isolation.cap_drop);
    to.list("security_opt", &isolation.security_opt);
    to.put("pid", isolation.pid.clone());
    to.put("ipc", isolation.ipc.clone());
    to.put("uts", isolation.uts.clone());
    to.put("userns_mode", isolation.userns.clone());
    to.put("cgroup", isolation.cgroupns.clone());
    to.list("sysctls", &isolation.sysctl);
}

fn health(health: &Health) -> Section {
    let mut to = Section::default();
    to.put("test", health.health_cmd.clone());
    to.put("interval", health.health_interval.clone());
    to.put("retries", health.health_retries);
    to.put("start_period", health.health_start_period.clone());
    to.put("start_interval", health.health_start_interval.clone());
    to.put("timeout", health.health_timeout.clone());
    to.switch("disable", health.no_healthcheck);
    to
}

/// Files and devices; the volumes that are mounted by name.
fn files(files: &Files, to: &mut Section) -> Result<BTreeMap<String, NewVolume>, Error> {
    let short = files.volume.iter().filter_map(|it| it.split_once(':'));
    let named = short
        .map(|(source, _)| source)
        .filter(|source| !source.starts_with(['/', '.', '~']));
    let mut volumes: BTreeMap<String, NewVolume> = named
        .map(|source| (source.to_owned(), NewVolume::default()))
        .collect();
    let mut mounts: Vec<Value> = files.volume.iter().map(|it| json!(it)).collect();
    for text in &files.mount {
        let Mount { entry, volume } = forms::mount(text)?;
        mounts.push(entry);
        volumes.extend(volume);
    }
    to.put("volumes", (!mounts.is_empty()).then_some(mounts));
    let from = files.volumes_from.iter();
    let from: Vec<String> = from.map(|it| format!("container:{it}")).collect();
    to.list("volumes_from", &from);
    to.list("tmpfs", &files.tmpfs);
    to.switch("read_only", files.read_only);
    to.put("shm_size", files.shm_size.clone());
    to.pairs("storage_opt", &files.storage_opt);
    to.list("devices", &files.device);
    to.list("device_cgroup_rules", &files.device_cgroup_rule);
    let gpus = files.gpus.as_deref().map(forms::gpus).transpose()?;
    to.put("gpus", gpus);
    Ok(volumes)
}

/// Networks; those that must be there.
fn net(net: &Net, to: &mut Section) -> Result<Vec<String>, Error> {
    to.list("ports", &net.publish);
    to.list("expose", &net.expose);
    to.put("hostname", net.hostname.clone());
    to.put("domainname", net.domainname.clone());
    to.list("extra_hosts", &net.add_host);
    to.list("dns", &net.dns);
    to.list("dns_opt", &net.dns_option);
    to.list("dns_search", &net.dns_search);
    to.list("external_links", &net.link);
    let mut first = Section::default();
    first.list("aliases", &net.network_alias);
    first.put("ipv4_address", net.ip.clone());
    first.put("ipv6_address", net.ip6.clone());
    first.list("link_local_ips", &net.link_local_ip);
    first.put("mac_address", net.mac_address.clone());
    let own = "default".to_owned();
    let mut names = net.network.iter().map(|text| forms::network(text));
    let (name, more) = names
        .next()
        .unwrap_or_else(|| Ok((own.clone(), Map::new())))?;
    if name == "host" || name == "none" || name.starts_with("container:") {
        if !first.0.is_empty() || net.network.len() > 1 {
            return Err(Error::usage(
                format!(
                    "network `{name}` is the only one there can be, and has no names or addresses"
                ),
                Some("leave it out, or the flags that say more of it".to_owned()),
            ));
        }
        to.put("network_mode", Some(name));
        return Ok(Vec::new());
    }
    first.0.extend(more);
    let mut all = Section::default();
    if net.network.is_empty() && first.0.is_empty() {
        return Ok(Vec::new());
    }
    all.put(if name == "bridge" { &own } else { &name }, Some(first.0));
    for network in names {
        let (name, more) = network?;
        all.put(&name, Some(more));
    }
    let external = all.0.keys().filter(|it| **it != own).cloned().collect();
    to.section("networks", all);
    Ok(external)
}

#[cfg(test)]
mod tests;
