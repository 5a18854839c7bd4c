//! What exists of a project: plain data, read from records and the kernel before planning.
//!
//! It has a text form (`Display` and [`Observed::parse`]), one thing a line, for tests, logs and bug reports:
//!
//! ```text
//! network app_default hash=3fc9 down
//! volume app_data hash=77
//! container app-web-1 service=web number=1 running healthy id=a1 config=c0ffee image=b2 networks=app_default
//! ```
//!
//! Ids and digests may leave out their trailing zeros, so that those in tests are short.

use crate::id::ContainerId;
use crate::id::Digest;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::id::VolumeName;

/// Everything of one project that exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Networks of the project, and the external ones it names as far as they exist.
    pub networks: Vec<ObservedNetwork>,
    /// Named volumes of the project, and the external ones it names as far as they exist.
    pub volumes: Vec<ObservedVolume>,
    /// All containers of the project, running or not.
    pub containers: Vec<ObservedContainer>,
}

/// A network that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedNetwork {
    /// Full name.
    pub name: NetworkName,
    /// [`super::desired::DesiredNetwork::hash`] it was made with; `None` = not made by this project.
    pub hash: Option<Digest>,
    /// Whether the kernel has it: false after a boot, when only the record is left.
    pub up: bool,
}

/// A named volume that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedVolume {
    /// Full name.
    pub name: VolumeName,
    /// [`super::desired::DesiredVolume::hash`] it was made with; `None` = not made by this project.
    pub hash: Option<Digest>,
}

/// A container that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedContainer {
    /// Identity.
    pub id: ContainerId,
    /// Name.
    pub name: String,
    /// Service it was made for.
    pub service: ServiceName,
    /// Number within the service; 0 for a one-off container.
    pub number: u32,
    /// Made by `run`.
    pub one_off: bool,
    /// Fingerprint of the service it was made from.
    pub config: Digest,
    /// Id of the image it was made from.
    pub image: Digest,
    /// Life.
    pub state: State,
    /// Health; `None` = it has no health check (or does not run).
    pub health: Option<Health>,
    /// Networks it is a member of.
    pub networks: Vec<NetworkName>,
    /// Named volumes it mounts.
    pub volumes: Vec<VolumeName>,
    /// Containers whose network, PID or IPC namespace it shares.
    pub joined: Vec<ContainerId>,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Never started.
    Created,
    /// Its PID 1 runs.
    Running,
    /// Frozen.
    Paused,
    /// Between two runs: the restart policy will start it again.
    Restarting,
    /// Its PID 1 ended.
    Exited {
        /// With this code.
        code: i32,
    },
    /// Cannot be started again (it was half made or half removed).
    Dead,
}

/// What the health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// No verdict yet.
    Starting,
    /// Healthy.
    Healthy,
    /// Unhealthy.
    Unhealthy,
}

impl State {
    /// Whether processes of it are alive (or about to be), so that it must be stopped before it is removed.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

impl ObservedContainer {
    /// As actions name it.
    pub fn reference(&self) -> super::action::ContainerRef {
        super::action::ContainerRef {
            id: self.id.clone(),
            name: self.name.clone(),
            service: self.service.clone(),
            number: self.number,
        }
    }
}
