//! Seccomp programs, compiled as seldom as possible: the zygote knows the default one, and every fork with it.

use crate::runtime::capabilities::CapSet;
use crate::runtime::seccomp::{self, Error, Program};
use crate::runtime::spec::Seccomp;
use std::sync::OnceLock;

static DEFAULT: OnceLock<Option<Program>> = OnceLock::new();

/// The filter of one process.
#[derive(Debug)]
pub(crate) enum Filter {
    /// Docker's default for docker's default capabilities.
    Default(&'static Option<Program>),
    /// Another.
    Own(Option<Program>),
}

impl Filter {
    /// Compiles the default one (0.35 ms) before it is wanted.
    pub(crate) fn warm() {
        let _ = Self::of(&Seccomp::Default, CapSet::default_set());
    }

    /// The filter for a profile, whose rules depend on the capabilities.
    pub(crate) fn of(profile: &Seccomp, capabilities: CapSet) -> Result<Self, Error> {
        let compile = || seccomp::compile(profile, &capabilities.names());
        if *profile != Seccomp::Default || capabilities != CapSet::default_set() {
            return compile().map(Self::Own);
        }
        if let Some(known) = DEFAULT.get() {
            return Ok(Self::Default(known));
        }
        let program = compile()?;
        Ok(Self::Default(DEFAULT.get_or_init(|| program)))
    }

    /// What is to be installed.
    pub(crate) fn program(&self) -> Option<&Program> {
        match self {
            Self::Default(program) => program.as_ref(),
            Self::Own(program) => program.as_ref(),
        }
    }
}
