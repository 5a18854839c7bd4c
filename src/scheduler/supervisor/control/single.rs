//! What is said about one container: running it, attaching to it, looking into it.

use super::Up;
use crate::id::ServiceName;
use serde::{Deserialize, Serialize};

pub use crate::runtime::processes::Process;

/// `run`, and every `up` of one service whose container is attached to from its first byte on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// How to bring it up; `up.services` names the one service.
    pub up: Up,
    /// It stands outside its service's replicas.
    pub one_off: Option<OneOff>,
    /// Attach to it; `None` = leave it in the background.
    pub attach: Option<Attach>,
}

/// A container that `run` makes: of a service of its own in the request's project, but to be known as one of `of`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneOff {
    /// The service it belongs to.
    pub of: ServiceName,
    /// Remove it, with its anonymous volumes, when it has ended.
    pub auto_remove: bool,
    /// It answers to the service's names.
    pub use_aliases: bool,
}

/// `attach`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attach {
    /// Which container; not looked at in a [`Run`].
    pub place: Place,
    /// Hand over stdin, too; its end is the container's end of input.
    pub stdin: bool,
    /// Miss nothing: the container waits for who is attached.
    pub lossless: bool,
    /// Size of the terminal at its start (rows, columns).
    pub terminal: Option<(u16, u16)>,
}

/// Which container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// Its service.
    pub service: String,
    /// Replica number; `None` = the lowest.
    pub index: Option<u32>,
    /// This one instead, by full id.
    pub container: Option<String>,
}

/// Somebody is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Full id of the container.
    pub container: String,
    /// Its name.
    pub name: String,
    /// It has a terminal: one socket, both ways.
    pub terminal: bool,
    /// The first descriptor is stdin.
    pub stdin: bool,
    /// Everything it writes comes, until the end of each stream.
    pub lossless: bool,
}

/// The end of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitFor {
    /// Full id.
    pub container: String,
}

/// A signal for PID 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Full id.
    pub container: String,
    /// Number.
    pub signal: i32,
}

/// A new size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Full id.
    pub container: String,
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
}

/// What a container uses now. Counters only grow; what the machine does not count is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Full id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Its service.
    pub service: String,
    /// When it was looked at, nanoseconds since the epoch.
    pub time: i64,
    /// CPU time, ns.
    pub cpu: Option<u64>,
    /// Memory, bytes.
    pub memory: Option<u64>,
    /// Its limit; without one the machine's memory.
    pub memory_limit: Option<u64>,
    /// Bytes received and sent on all interfaces but `lo`; `None` with the host's network.
    pub network: Option<(u64, u64)>,
    /// Bytes read from and written to disks.
    pub block: Option<(u64, u64)>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// What runs in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// Name of the container.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Its number.
    pub number: u32,
    /// Its processes, by number.
    pub processes: Vec<Process>,
}

/// The file system of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Full id.
    pub container: String,
    /// Its name.
    pub name: String,
    /// What is mounted in a container that does not run (a running one's root shows it all), and whether it is read-only.
    pub mounts: Vec<(String, bool)>,
    /// Nothing may be written but to mounts.
    pub read_only: bool,
}
