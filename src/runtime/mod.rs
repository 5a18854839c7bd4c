//! One container: from a spec to an exit code.
//!
//! The zygote forks a shim a container; the shim creates the container, is the parent of its PID 1, writes its log and
//! its `exit.json`, and keeps the descriptors it was handed (netns, DNS sockets, reserved ports) for an adopter.
//!
//! ```text
//!  supervisor ──Zygote::launch──▶ zygote ──fork──▶ shim ──clone3──▶ init (rootfs, mounts, caps, seccomp) ──exec──▶ PID 1
//!      ▲                                            │ │                                                           │
//!      └──────────────── ShimLink ──────────────────┘ └── log, pid.json, exit.json ◀── FIFOs out, err ────────────┘
//! ```
//!
//! Invariants: container and image paths are resolved below a dirfd with `RESOLVE_IN_ROOT` only; no descriptor that was
//! not asked for reaches a container; the executable that runs inside the container before `exec` cannot be written by it;
//! a container executes nothing before its `pid.json` is in place; `unsafe` is in `sys` only.

pub mod capabilities;
pub mod cgroups;
pub mod channel;
pub mod confinement;
mod console;
pub mod devices;
pub mod error;
pub mod exec;
pub mod foreign;
pub mod identity;
pub mod inheritance;
mod init;
pub mod log;
mod mounts;
mod namespaces;
mod oci_hooks;
pub mod processes;
pub mod rlimits;
pub mod rootfs;
pub mod seccomp;
pub mod shim;
pub mod signals;
pub mod spec;
pub mod stats;
mod stdio;
pub mod sys;
pub mod sysctls;
pub mod user;
pub mod zygote;

pub use error::RuntimeError;
pub use error::StartFailure;
pub use error::Step;
pub use exec::ExecHandle;
pub use exec::ExecRequest;
pub use identity::Identity;
pub use shim::ShimLink;
pub use shim::protocol::Exit;
pub use shim::protocol::LaunchFds;
pub use shim::protocol::LaunchRequest;
pub use shim::protocol::ShimCommand;
pub use shim::protocol::ShimEvent;
pub use stdio::Fifos;
pub use zygote::Hooks;
pub use zygote::Zygote;
