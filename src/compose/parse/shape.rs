//! Which attributes exist where: those that are honoured, those of the specification that are not there yet, and those
//! that have no effect on one host.
//!
//! Invariant: an attribute of the specification is in exactly one list of its shape.

/// The attributes of one kind of mapping.
pub struct Shape {
    /// Honoured.
    pub known: &'static [&'static str],
    /// Of the specification, not supported yet: an error.
    pub later: &'static [&'static str],
    /// Of the specification, without effect on one host, here as in docker compose: a warning.
    pub inert: &'static [&'static str],
}

impl Shape {
    /// What may be written here, if that is few enough to list.
    pub fn hint(&self) -> String {
        if self.known.len() > 12 {
            return "attributes of your own begin with `x-`".to_owned();
        }
        let all: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
        format!("expected {}", all.join(", "))
    }
}

const fn shape(known: &'static [&'static str]) -> Shape {
    Shape {
        known,
        later: &[],
        inert: &[],
    }
}

/// The whole document.
pub const PROJECT: Shape = Shape {
    known: &[
        "name", "services", "networks", "volumes", "secrets", "configs", "version", "include",
    ],
    later: &["models"],
    inert: &[],
};

/// `services.*`
pub const SERVICE: Shape = Shape {
    known: &[
        "attach",
        "build",
        "cap_add",
        "cap_drop",
        "command",
        "configs",
        "container_name",
        "cpu_shares",
        "cpus",
        "cpuset",
        "depends_on",
        "deploy",
        "devices",
        "dns",
        "dns_opt",
        "dns_search",
        "domainname",
        "entrypoint",
        "env_file",
        "environment",
        "expose",
        "extends",
        "extra_hosts",
        "group_add",
        "healthcheck",
        "hostname",
        "image",
        "init",
        "ipc",
        "labels",
        "links",
        "mem_limit",
        "mem_reservation",
        "memswap_limit",
        "network_mode",
        "networks",
        "oom_score_adj",
        "pid",
        "pids_limit",
        "platform",
        "ports",
        "privileged",
        "profiles",
        "pull_policy",
        "read_only",
        "restart",
        "scale",
        "secrets",
        "security_opt",
        "shm_size",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "sysctls",
        "tmpfs",
        "tty",
        "ulimits",
        "user",
        "volumes",
        "working_dir",
    ],
    later: &[
        "annotations",
        "blkio_config",
        "cgroup",
        "cgroup_parent",
        "cpu_period",
        "cpu_quota",
        "cpu_rt_period",
        "cpu_rt_runtime",
        "credential_spec",
        "device_cgroup_rules",
        "external_links",
        "gpus",
        "label_file",
        "logging",
        "mac_address",
        "mem_swappiness",
        "models",
        "oom_kill_disable",
        "post_start",
        "pre_start",
        "pre_stop",
        "provider",
        "pull_refresh_after",
        "runtime",
        "storage_opt",
        "use_api_socket",
        "userns_mode",
        "uts",
        "volumes_from",
    ],
    inert: &["cpu_count", "cpu_percent", "develop", "isolation"],
};

/// `services.*.healthcheck`
pub const HEALTHCHECK: Shape = shape(&[
    "disable",
    "interval",
    "retries",
    "start_interval",
    "start_period",
    "test",
    "timeout",
]);

/// `services.*.depends_on.*`
pub const DEPENDENCY: Shape = shape(&["condition", "required", "restart"]);

/// `services.*.env_file.[]`
pub const ENV_FILE: Shape = shape(&["format", "path", "required"]);

/// `services.*.ports.[]`
pub const PORT: Shape = shape(&[
    "app_protocol",
    "host_ip",
    "mode",
    "name",
    "protocol",
    "published",
    "target",
]);

/// `services.*.volumes.[]`
pub const MOUNT: Shape = Shape {
    known: &[
        "bind",
        "consistency",
        "read_only",
        "source",
        "target",
        "tmpfs",
        "type",
        "volume",
    ],
    later: &["image"],
    inert: &[],
};

/// `services.*.volumes.[].bind`
pub const MOUNT_BIND: Shape = shape(&["create_host_path", "propagation", "recursive", "selinux"]);

/// `services.*.volumes.[].volume`
pub const MOUNT_VOLUME: Shape = Shape {
    known: &["nocopy", "subpath"],
    later: &["labels"],
    inert: &[],
};

/// `services.*.volumes.[].tmpfs`
pub const MOUNT_TMPFS: Shape = shape(&["mode", "size"]);

/// `services.*.secrets.[]` and `services.*.configs.[]`
pub const FILE_MOUNT: Shape = shape(&["gid", "mode", "source", "target", "uid"]);

/// `services.*.networks.*`
pub const SERVICE_NETWORK: Shape = Shape {
    known: &[
        "aliases",
        "gw_priority",
        "interface_name",
        "ipv4_address",
        "ipv6_address",
        "mac_address",
        "priority",
    ],
    later: &["driver_opts", "link_local_ips"],
    inert: &[],
};

/// `services.*.devices.[]`
pub const DEVICE: Shape = shape(&["permissions", "source", "target"]);

/// `services.*.ulimits.*`
pub const ULIMIT: Shape = shape(&["hard", "soft"]);

/// `services.*.deploy`
pub const DEPLOY: Shape = Shape {
    known: &["mode", "replicas", "resources", "restart_policy"],
    later: &[],
    inert: &[
        "endpoint_mode",
        "labels",
        "placement",
        "rollback_config",
        "update_config",
    ],
};

/// `services.*.deploy.resources`
pub const RESOURCES: Shape = shape(&["limits", "reservations"]);

/// `services.*.deploy.resources.limits`
pub const LIMITS: Shape = shape(&["cpus", "memory", "pids"]);

/// `services.*.deploy.resources.reservations`
pub const RESERVATIONS: Shape = Shape {
    known: &["memory"],
    later: &["devices"],
    inert: &["cpus", "generic_resources"],
};

/// `services.*.deploy.restart_policy`
pub const RESTART_POLICY: Shape = shape(&["condition", "delay", "max_attempts", "window"]);

/// `networks.*`
pub const NETWORK: Shape = Shape {
    known: &[
        "driver",
        "driver_opts",
        "enable_ipv6",
        "external",
        "internal",
        "ipam",
        "labels",
        "name",
    ],
    later: &["enable_ipv4"],
    inert: &["attachable"],
};

/// `networks.*.ipam`
pub const IPAM: Shape = shape(&["config", "driver", "options"]);

/// `networks.*.ipam.config.[]`
pub const SUBNET: Shape = shape(&["aux_addresses", "gateway", "ip_range", "subnet"]);

/// `volumes.*`
pub const VOLUME: Shape = shape(&["driver", "driver_opts", "external", "labels", "name"]);

/// `secrets.*`
pub const SECRET: Shape = Shape {
    known: &["environment", "external", "file", "name"],
    later: &["driver", "driver_opts", "template_driver"],
    inert: &["labels"],
};

/// `configs.*`
pub const CONFIG: Shape = Shape {
    known: &["content", "environment", "external", "file", "name"],
    later: &["template_driver"],
    inert: &["labels"],
};

/// The old form of `external`.
pub const EXTERNAL: Shape = shape(&["name"]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_in_one_list() {
        for shape in [
            PROJECT,
            SERVICE,
            MOUNT,
            DEPLOY,
            RESERVATIONS,
            NETWORK,
            SECRET,
            CONFIG,
        ] {
            let mut all = [shape.known, shape.later, shape.inert].concat();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }
}
