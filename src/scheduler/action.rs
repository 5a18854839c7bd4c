//! The steps a plan is made of: what to do to which thing, fully decided.
//!
//! An action names everything by identity (a container by its id, chosen when the plan is made), so performing it
//! takes no decision. Each creating action has an [inverse](Action::inverse); each action may be performed twice.

use crate::compose::model::Condition;
use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use std::fmt;
use std::time::Duration;

/// A container a plan deals with: one that exists, or one that the plan creates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContainerRef {
    /// Its identity.
    pub id: ContainerId,
    /// Its name, e.g. `app-web-1`.
    pub name: String,
    /// Its service.
    pub service: ServiceName,
    /// Its number within the service, from 1; 0 for a one-off container.
    pub number: u32,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make a network, or make an existing one whole again (its bridge is gone after a boot).
    CreateNetwork {
        /// Key below `networks:`.
        key: String,
        /// Full name.
        name: NetworkName,
    },
    /// Remove a network with its bridge, rules and records. No container of the project that runs is on it.
    RemoveNetwork {
        /// Full name.
        name: NetworkName,
    },
    /// Make an empty named volume.
    CreateVolume {
        /// Key below `volumes:`.
        key: String,
        /// Full name.
        name: VolumeName,
    },
    /// Remove a named volume and what is in it.
    RemoveVolume {
        /// Full name.
        name: VolumeName,
    },
    /// Make a container, not running. Takes nothing that the container it replaces still holds (its name, addresses
    /// and host ports pass on when that one is gone).
    CreateContainer {
        /// The new container.
        container: ContainerRef,
        /// The container whose place it takes; still there, and possibly running.
        replaces: Option<ContainerId>,
        /// Mount the anonymous volumes of the replaced container instead of new ones.
        keep_volumes: bool,
        /// The containers whose namespaces it shares (`network_mode: service:…` and its kin), one of each such service.
        joins: Vec<ContainerRef>,
        /// It will run beside the container it replaces, and nobody is sent to it before it [takes over](Self::TakeOver).
        apart: bool,
    },
    /// Start a container that is created or has exited; resume a paused one.
    StartContainer {
        /// Which.
        container: ContainerRef,
    },
    /// Give a container that runs the names and the host ports of its place, which others had.
    TakeOver {
        /// Which.
        container: ContainerRef,
        /// Who had them.
        from: Vec<ContainerRef>,
    },
    /// Ask a container to stop, and kill it when it takes too long.
    StopContainer {
        /// Which.
        container: ContainerRef,
        /// How long it may take; `None` = its own `stop_grace_period`.
        timeout: Option<Duration>,
    },
    /// Send a signal.
    KillContainer {
        /// Which.
        container: ContainerRef,
        /// Name or number, e.g. `SIGKILL`.
        signal: String,
    },
    /// Freeze all its processes.
    PauseContainer {
        /// Which.
        container: ContainerRef,
    },
    /// Let them go on.
    UnpauseContainer {
        /// Which.
        container: ContainerRef,
    },
    /// Remove a container that does not run, with its writable layer and its log.
    RemoveContainer {
        /// Which.
        container: ContainerRef,
        /// Also its anonymous volumes, as far as no other container mounts them.
        volumes: bool,
    },
    /// Wait until a condition holds for all of these containers. A step of its own, so that what depends on it begins
    /// the instant it holds.
    Await {
        /// The service that is waited for.
        service: ServiceName,
        /// Its containers.
        containers: Vec<ContainerRef>,
        /// What must hold.
        condition: Condition,
    },
    /// Look for a while whether a container stays up, and healthy if it can be.
    Watch {
        /// Which.
        container: ContainerRef,
        /// For how long.
        duration: Duration,
    },
    /// Count how many of the steps that this one comes directly after have failed, or were left out for that.
    Tally {
        /// The service that is updated.
        service: ServiceName,
        /// Its containers so far.
        of: u32,
        /// It fails if more of them failed.
        allowed: u32,
    },
}

/// The kind of an action, for a host that takes several of one kind at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    CreateNetwork,
    RemoveNetwork,
    CreateVolume,
    RemoveVolume,
    CreateContainer,
    StartContainer,
    StopContainer,
    KillContainer,
    PauseContainer,
    UnpauseContainer,
    RemoveContainer,
    TakeOver,
    Await,
    Watch,
    Tally,
}

impl Action {
    /// Which kind of step this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::CreateNetwork { .. } => Kind::CreateNetwork,
            Self::RemoveNetwork { .. } => Kind::RemoveNetwork,
            Self::CreateVolume { .. } => Kind::CreateVolume,
            Self::RemoveVolume { .. } => Kind::RemoveVolume,
            Self::CreateContainer { .. } => Kind::CreateContainer,
            Self::StartContainer { .. } => Kind::StartContainer,
            Self::StopContainer { .. } => Kind::StopContainer,
            Self::KillContainer { .. } => Kind::KillContainer,
            Self::PauseContainer { .. } => Kind::PauseContainer,
            Self::UnpauseContainer { .. } => Kind::UnpauseContainer,
            Self::RemoveContainer { .. } => Kind::RemoveContainer,
            Self::TakeOver { .. } => Kind::TakeOver,
            Self::Await { .. } => Kind::Await,
            Self::Watch { .. } => Kind::Watch,
            Self::Tally { .. } => Kind::Tally,
        }
    }

    /// Whether it may destroy data a user cannot get back: the content of volumes, or of a container's own layer.
    pub fn destroys(&self) -> bool {
        matches!(
            self,
            Self::RemoveVolume { .. } | Self::RemoveContainer { .. }
        )
    }

    /// The one container it is about, if it is about one.
    pub fn container(&self) -> Option<&ContainerRef> {
        match self {
            Self::CreateContainer { container, .. }
            | Self::StartContainer { container }
            | Self::StopContainer { container, .. }
            | Self::KillContainer { container, .. }
            | Self::PauseContainer { container }
            | Self::UnpauseContainer { container }
            | Self::TakeOver { container, .. }
            | Self::Watch { container, .. }
            | Self::RemoveContainer { container, .. } => Some(container),
            _ => None,
        }
    }

    /// The step that takes back what this one made, also if this one failed half-way. `None` for a step that makes
    /// nothing. A host performs an inverse on things that may be missing already, and that is no error.
    pub fn inverse(&self) -> Option<Self> {
        match self {
            Self::CreateNetwork { name, .. } => Some(Self::RemoveNetwork { name: name.clone() }),
            Self::CreateVolume { name, .. } => Some(Self::RemoveVolume { name: name.clone() }),
            Self::CreateContainer { container, .. } => Some(Self::RemoveContainer {
                container: container.clone(),
                volumes: true,
            }),
            Self::StartContainer { container } => Some(Self::StopContainer {
                container: container.clone(),
                timeout: None,
            }),
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    /// In words, e.g. `create container app-web-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateNetwork { name, .. } => write!(f, "create network {name}"),
            Self::RemoveNetwork { name } => write!(f, "remove network {name}"),
            Self::CreateVolume { name, .. } => write!(f, "create volume {name}"),
            Self::RemoveVolume { name } => write!(f, "remove volume {name}"),
            Self::CreateContainer { container, .. } => {
                write!(f, "create container {}", container.name)
            }
            Self::StartContainer { container } => write!(f, "start container {}", container.name),
            Self::StopContainer { container, timeout } => {
                write!(f, "stop container {}", container.name)?;
                timeout.map_or(Ok(()), |t| write!(f, " within {t:?}"))
            }
            Self::PauseContainer { container } => write!(f, "pause container {}", container.name),
            Self::UnpauseContainer { container } => {
                write!(f, "unpause container {}", container.name)
            }
            Self::KillContainer { container, signal } => {
                write!(f, "send {signal} to container {}", container.name)
            }
            Self::RemoveContainer { container, volumes } => {
                write!(f, "remove container {}", container.name)?;
                f.write_str(if *volumes {
                    " with anonymous volumes"
                } else {
                    ""
                })
            }
            Self::TakeOver { container, .. } => {
                write!(f, "send clients to container {}", container.name)
            }
            Self::Await {
                service, condition, ..
            } => write!(f, "wait until {service} {}", in_words(*condition)),
            Self::Watch {
                container,
                duration,
            } => write!(f, "watch container {} for {duration:?}", container.name),
            Self::Tally {
                service,
                of,
                allowed,
            } => write!(f, "go on if at most {allowed} of {of} of {service} failed"),
        }
    }
}

/// A condition as the end of a sentence about a service: `is healthy`.
pub fn in_words(condition: Condition) -> &'static str {
    match condition {
        Condition::Started => "is running",
        Condition::Healthy => "is healthy",
        Condition::Completed => "has completed",
    }
}
