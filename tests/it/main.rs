//! All integration tests in one binary. A test's name is a claim.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on says so by panicking, and tells a story in one piece"
)]

mod adrift;
mod adversity;
mod architecture;
mod attributes;
mod cgroups;
mod cli;
mod cli_attached;
mod cli_config;
mod cli_flags;
mod clients;
mod compatibility;
mod compose_bad;
mod compose_canonical;
mod compose_limits;
mod compose_load;
mod compose_oracle;
mod compose_stages;
mod crash;
mod dash;
mod forward;
mod idle;
mod image;
mod image_kill;
mod image_verbs;
mod kill_all;
mod leaks;
mod logs;
mod network;
mod network_proxy;
mod network_rules;
mod network_world;
mod numbered;
mod plan;
mod power;
mod probe;
mod providers;
mod recovery;
mod registry;
mod runtime;
mod runtime_attacks;
mod runtime_bench;
mod runtime_exec;
mod scenarios;
mod soak;
mod stack;
mod stack_fails;
mod stack_guestbook;
mod stack_kill;
mod stack_networks;
mod stack_options;
mod stack_order;
mod terminal;
mod terminal_screens;
mod updates;
mod v2;
mod verbs;
mod verbs_files;
mod volumes;
mod watch;
mod world;
