//! What a machine knows of its container's health.

use super::Machine;
use crate::scheduler::observed;
use crate::scheduler::supervisor::container::Phase;
use crate::scheduler::supervisor::control::HealthState;
use crate::scheduler::supervisor::health::{Input, Outcome, Probe, Schedule};
use crate::scheduler::supervisor::launch::Health;
use crate::state::event::What;
use crate::state::paths::ContainerPaths;
use crate::state::store;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Instant;

/// Results that are kept, as docker does.
const PROBES: usize = 5;

impl Machine {
    pub(super) fn probed(&mut self, probe: Option<Probe>) {
        self.probe = None;
        if let Some(probe) = probe {
            let complaint = complaint(&probe);
            self.set(|s| {
                s.complaint = complaint;
                s.probes.push_back(probe.clone());
                if s.probes.len() > PROBES {
                    s.probes.pop_front();
                }
            });
            self.watch_health(Input::ProbeFinished(probe));
            self.keep_health();
        }
    }

    /// Notes what a successor has to know. In the run folder: no boot outlives it. What a full one does not take is a
    /// streak that begins again.
    fn keep_health(&self) {
        let status = self.container.status.borrow();
        if let Some((_, of)) = status.process {
            let kept = Kept {
                of,
                failing: status.failing,
                probes: status.probes.clone(),
            };
            let _ = store::write(&Kept::path(&self.container.paths), &kept);
        }
    }

    pub(super) fn count_waiters(&mut self) {
        let input = match *self.waiters.borrow_and_update() {
            0 => Input::WaitersGone,
            _ => Input::WaiterAdded,
        };
        self.watch_health(input);
    }

    pub(super) fn watch_health(&mut self, input: Input) {
        let fresh = input == Input::Started;
        let Some(monitor) = &mut self.health else {
            return;
        };
        let changed = monitor.on(input, Instant::now());
        let (verdict, failing) = (monitor.health(), monitor.failing_streak());
        self.container.status.send_if_modified(|s| {
            s.failing = failing;
            false // nobody waits for that
        });
        if self.container.status.borrow().phase != Phase::Running {
            if let Some(probe) = self.probe.take() {
                probe.abort();
            }
        } else if fresh || changed.is_some() {
            self.show_health(verdict);
        }
    }

    pub(super) fn show_health(&mut self, verdict: observed::Health) {
        let state = health_state(verdict);
        let what = match state {
            HealthState::Starting => None,
            HealthState::Healthy => Some(What::Healthy),
            HealthState::Unhealthy => Some(What::Unhealthy),
        };
        let before = self.container.status.borrow().health;
        self.set(|s| s.health = Some(state));
        if let Some(what) = what
            && before != Some(state)
        {
            self.project.event(&self.container, what, "");
            self.remember();
            self.replace_ailing();
        }
    }

    /// Stops an unhealthy container that is to be started again then, unless a user stops it already.
    pub(super) fn replace_ailing(&mut self) {
        let unhealthy = self.container.status.borrow().health == Some(HealthState::Unhealthy);
        if unhealthy && self.container.record.launch.restart.unhealthy && !self.by_user {
            self.ailing = true;
            let cause = "it is unhealthy";
            self.project.event(&self.container, What::Stopping, cause);
            self.ask_to_stop(None);
        }
    }
}

/// What is kept of a container's health beside the verdict.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Start time of its PID 1: of another run nothing counts.
    pub of: u64,
    /// Failures in a row.
    pub failing: u32,
    /// The last probes, oldest first.
    pub probes: VecDeque<Probe>,
}

impl Kept {
    fn path(paths: &ContainerPaths) -> PathBuf {
        paths.run.join("health.json")
    }

    pub fn read(paths: &ContainerPaths) -> Option<Self> {
        store::read(&Self::path(paths)).ok().flatten()
    }
}

/// In the words of the control socket.
pub(super) fn health_state(verdict: observed::Health) -> HealthState {
    match verdict {
        observed::Health::Starting => HealthState::Starting,
        observed::Health::Healthy => HealthState::Healthy,
        observed::Health::Unhealthy => HealthState::Unhealthy,
    }
}

/// What a failed probe said, in one line.
pub(super) fn complaint(probe: &Probe) -> Option<String> {
    let how = match probe.outcome {
        Outcome::Ok => return None,
        Outcome::Failed { code } => format!("the probe ended with code {code}"),
        Outcome::TimedOut => "the probe took too long".to_owned(),
    };
    match probe.output.trim().lines().last() {
        Some(line) if !line.is_empty() => Some(format!("{how}: {line}")),
        _ => Some(how),
    }
}

/// When probes run.
pub fn schedule(health: &Health) -> Schedule {
    Schedule {
        interval: health.interval,
        timeout: health.timeout,
        retries: health.retries,
        start_period: health.start_period,
        start_interval: health.start_interval,
    }
}
