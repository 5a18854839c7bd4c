//! Kernel parameters that a container may have: those of its own namespaces, and of these only what is really theirs.
//!
//! Invariant: what would change the machine is refused before anything is written.

use super::spec::{ContainerSpec, Namespace, NetworkNs};

/// A parameter that is not of the container.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {why}")]
pub struct Refused {
    /// The parameter.
    pub key: String,
    /// Whose it is.
    pub why: &'static str,
}

/// The namespaces that have parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Network,
    Ipc,
    Uts,
}

const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// Where a parameter is below `/proc/sys`: `net.ipv4.ip_forward` or, for names with dots in them,
/// `net/ipv4/conf/eth0.1/forwarding`.
pub fn path(key: &str) -> String {
    match key.contains('/') {
        true => key.to_owned(),
        false => key.replace('.', "/"),
    }
}

/// Fails at the first parameter of a container that is not its own.
pub fn check(spec: &ContainerSpec) -> Result<(), Refused> {
    for (key, _) in &spec.sysctls {
        let refused = |why| {
            Err(Refused {
                key: key.clone(),
                why,
            })
        };
        let host = match owner(&path(key)) {
            None if key == "kernel.hostname" => return refused("is what `hostname` sets"),
            None => return refused("is of the whole machine, not of a container"),
            Some(Owner::Network) => spec.network == NetworkNs::Host,
            Some(Owner::Ipc) => spec.ipc_ns == Namespace::Host,
            Some(Owner::Uts) => spec.host_uts,
        };
        if host {
            return refused("is of a namespace that the container shares with the machine");
        }
    }
    Ok(())
}

fn owner(path: &str) -> Option<Owner> {
    let mut parts = path.split('/');
    if parts.clone().any(|part| matches!(part, "" | "." | "..")) {
        return None;
    }
    match parts.next()? {
        "net" => Some(Owner::Network),
        "fs" if parts.next() == Some("mqueue") => Some(Owner::Ipc),
        _ if IPC.contains(&path) => Some(Owner::Ipc),
        _ if path == "kernel/domainname" => Some(Owner::Uts),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_namespace_has_is_a_container_s() {
        for (key, expected) in [
            ("net.core.somaxconn", Some(Owner::Network)),
            ("net/ipv4/conf/eth0.1/forwarding", Some(Owner::Network)),
            ("kernel.msgmax", Some(Owner::Ipc)),
            ("fs.mqueue.msg_max", Some(Owner::Ipc)),
            ("kernel.domainname", Some(Owner::Uts)),
            ("kernel.panic", None),
            ("kernel.core_pattern", None),
            ("vm.overcommit_memory", None),
            ("fs.file-max", None),
            ("net/../kernel/panic", None),
            ("net//../kernel/panic", None),
            ("", None),
        ] {
            assert_eq!(owner(&path(key)), expected, "{key}");
        }
    }
}
