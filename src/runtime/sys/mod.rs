//! System calls that no safe crate wraps, made safe: the only place with `unsafe`.
//!
//! Invariants: every wrapper owns or borrows the descriptors it uses, checks what the kernel returned, and may be called
//! from safe code without further promises — but for [`process::fork`] and its kin, which are for single-threaded
//! processes of ours (zygote, shim, exec) and check that themselves.
#![allow(unsafe_code)]

pub mod bpf;
pub mod memory;
pub mod mount;
pub mod process;
pub mod security;
pub mod words;
