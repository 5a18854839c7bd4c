//! Kill at every system call: whatever dies wherever, one command makes the world right again.
//!
//! Each path (start, stop, start again, restart, recreate, remove) is walked once a point: the process of one role is
//! killed at its Nth system call, of those that others can see the effects of, then one `up -d` or `down` has to heal
//! everything. `make test` walks points spread evenly over all roles and paths, `make test-crash` (`HOIST_CRASH=all`) all
//! of them. `HOIST_CRASH=3/8` walks the third of eight parts, `HOIST_CRASH=shim:57` one point of each path again.

mod effects;
mod tracer;
mod walk;

use tracer::Role;
use walk::{Path, walk};

/// Points a path, by role, in the sampled form.
const SAMPLE: [(Role, usize); 5] = [
    (Role::Supervisor, 14),
    (Role::Zygote, 4),
    (Role::Shim, 12),
    (Role::Init, 4),
    (Role::Cli, 2),
];

#[test]
fn a_start_is_healed_wherever_it_was_cut() {
    walk(Path::Start, &SAMPLE);
}

#[test]
fn a_stop_is_healed_wherever_it_was_cut() {
    walk(Path::Stop, &SAMPLE);
}

#[test]
fn a_second_start_is_healed_wherever_it_was_cut() {
    walk(Path::StartAgain, &SAMPLE);
}

#[test]
fn a_restart_is_healed_wherever_it_was_cut() {
    walk(Path::Restart, &SAMPLE);
}

#[test]
fn a_recreation_is_healed_wherever_it_was_cut() {
    walk(Path::Recreate, &SAMPLE);
}

#[test]
fn a_removal_is_healed_wherever_it_was_cut() {
    walk(Path::Remove, &SAMPLE);
}
