//! Seccomp: which system calls a container may make.
//!
//! Docker's default profile is data (`default.json`, in docker's own format) and takes the same way as a profile of the
//! user: text → rules for these capabilities, this kernel and this architecture ([`profile`]) → a verdict for each
//! number → ranges of equal verdicts → a binary search in classic BPF ([`assemble`]). A few hundred numbers make a few dozen
//! ranges, so the filter is short, and the kernel's cost of loading it is by length.
//!
//! Invariants: a call of an architecture that the profile does not name kills the thread; x32 numbers get `ENOSYS`
//! whatever the profile says, as on a kernel without x32, so they cannot be a way around a rule; numbers newer than every
//! one in the profile get `ENOSYS`, so that programs fall back instead of failing (as runc does it).

mod assemble;
mod profile;
mod table;

use crate::runtime::capabilities::CapSet;
use crate::runtime::spec::Seccomp;
use crate::runtime::sys::security;
use std::sync::OnceLock;

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON, or not of docker's form.
    #[error("the seccomp profile is not in docker's JSON format")]
    Syntax(#[source] serde_json::Error),
    /// A word the profile uses that has no meaning here.
    #[error("the seccomp profile has an unknown {what} `{word}`")]
    Unknown {
        /// What the word was meant to be.
        what: &'static str,
        /// The word.
        word: String,
    },
    /// Something profiles may say that is not implemented.
    #[error("the seccomp profile uses {what}, which is not supported")]
    Unsupported {
        /// What it is.
        what: &'static str,
    },
    /// Parts of the profile contradict each other.
    #[error("the seccomp profile is contradictory: {what}")]
    Contradiction {
        /// Which parts.
        what: &'static str,
    },
    /// More instructions than the kernel takes.
    #[error("the seccomp profile needs a filter of {len} instructions; the kernel takes 4096")]
    TooLong {
        /// How many.
        len: usize,
    },
    /// The kernel refused the filter.
    #[error("cannot install the seccomp filter")]
    Install(#[source] std::io::Error),
}

/// A filter ready to be installed. Equal inputs give equal programs, so it can be kept and used again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program(Vec<security::Instruction>);

impl Program {
    /// Makes it a filter of the calling thread, for good.
    ///
    /// Without `no_new_privs` this needs `CAP_SYS_ADMIN`, so it comes before the capabilities are dropped.
    pub fn install(&self) -> Result<(), Error> {
        security::install_filter(&self.0).map_err(Error::Install)
    }

    /// Its number of instructions.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: a program at least returns.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The filter for a process with these capabilities (with or without `CAP_`); `None` if it is to run without one.
///
/// Compiling takes some 0.3 ms; the usual filter, of the default profile for the default capabilities, is kept, also for
/// the forks of a process that has once asked for it.
pub fn compile(seccomp: &Seccomp, caps: &[String]) -> Result<Option<Program>, Error> {
    static USUAL: OnceLock<Program> = OnceLock::new();
    let text = match seccomp {
        Seccomp::Unconfined => return Ok(None),
        Seccomp::Profile(text) => return fresh(text, caps).map(Some),
        Seccomp::Default => include_str!("default.json"),
    };
    if CapSet::from_names(caps).ok() != Some(CapSet::default_set()) {
        return fresh(text, caps).map(Some);
    }
    if let Some(program) = USUAL.get() {
        return Ok(Some(program.clone()));
    }
    let program = fresh(text, caps)?;
    Ok(Some(USUAL.get_or_init(|| program).clone()))
}

fn fresh(text: &str, caps: &[String]) -> Result<Program, Error> {
    let here = profile::Here::of_this_machine(caps);
    let rules = profile::resolve(text, &here)?;
    assemble::program(&rules).map(Program)
}

#[cfg(test)]
mod tests;
