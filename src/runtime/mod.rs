//! One container: from a spec to an exit code.
//!
//! The zygote forks a shim a container; the shim creates the container, is the parent of its PID 1, writes its log and
//! its `exit.json`, and keeps the descriptors it was handed (netns, DNS sockets, reserved ports) for an adopter.
//!
//! Invariants: container and image paths are resolved below a dirfd with `RESOLVE_IN_ROOT` only; no descriptor that was
//! not asked for reaches a container; the executable that runs inside the container before `exec` cannot be written by it.

pub mod spec;
