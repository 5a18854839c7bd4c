//! Model to plan to actions, and supervision of what runs.
//!
//! Invariants: `reconcile` is pure; the executor decides nothing; one supervisor at a time writes a project's state.

pub mod action;
pub mod desired;
pub mod execute;
pub mod graph;
pub mod observed;
pub mod plan;
pub mod reconcile;
pub mod supervisor;

/// Answers a re-entry: when this process was started as a supervisor or zygote, runs it and gives its exit code.
pub fn reenter() -> Option<std::process::ExitCode> {
    let hooks = crate::runtime::Hooks {
        copy_up: |_, _| Ok(()),
        proxy: |_| std::process::exit(0),
    };
    crate::runtime::zygote::main(std::env::args_os(), hooks)
}
