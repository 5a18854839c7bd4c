//! The verdict on a container's health. Pure: told what happened and when, answers what to do next.
//!
//! ```text
//!              a probe succeeds                  `retries` failures in a row
//!  Starting ────────────────────▶ Healthy ─────────────────────────▶ Unhealthy
//!      │                             ▲───────── a probe succeeds ───────┘ ▲
//!      └──────────── `retries` failures in a row, after `start_period` ───┘
//! ```
//!
//! The rules are docker's: the first probe comes one interval after the start, the next one an interval after the end of
//! the one before; failures within `start_period` do not count until the first success; the last five results are kept.
//!
//! One rule is added, because somebody who waits should not wait for a schedule: while there is a waiter and no verdict
//! yet, *early* probes run as well, the first at once, then 10 ms after the end of the one before, then 20 ms, doubling up
//! to the interval. A success of an early probe counts, a failure does not; the regular schedule goes on as if they were
//! not there. So a container becomes unhealthy at the same moment as under docker, and healthy as soon as it is.

use crate::compose::model::Healthcheck;
use crate::scheduler::observed::Health;
use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

const FIRST_EARLY_DELAY: Duration = Duration::from_millis(10);
/// Results that are kept, as docker does.
const KEPT: usize = 5;
/// Bytes of a probe's output that are kept, as docker does.
const KEPT_OUTPUT: usize = 4096;

/// When probes run and what their failures mean; docker's defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// From the end of a probe to the next one.
    pub interval: Duration,
    /// A probe that takes longer is killed and has failed.
    pub timeout: Duration,
    /// Failures in a row that make unhealthy.
    pub retries: u32,
    /// Failures this soon after the start do not count.
    pub start_period: Duration,
    /// Instead of `interval` while within `start_period` and without a verdict.
    pub start_interval: Duration,
}

impl Schedule {
    /// What `check` says, and docker's defaults for what it leaves out (or sets to zero, which means the same).
    pub fn new(check: &Healthcheck) -> Self {
        let or = |value: Option<Duration>, default| {
            value
                .filter(|v| !v.is_zero())
                .unwrap_or(Duration::from_secs(default))
        };
        Self {
            interval: or(check.interval, 30),
            timeout: or(check.timeout, 30),
            retries: check.retries.filter(|r| *r > 0).unwrap_or(3),
            start_period: check.start_period.unwrap_or_default(),
            start_interval: or(check.start_interval, 5),
        }
    }
}

/// Something that happened to a container, as far as its health is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// PID 1 was started (again).
    Started,
    /// PID 1 ended; a probe under way is forgotten.
    Exited,
    /// The probe that was due has begun.
    ProbeStarted,
    /// It has ended.
    ProbeFinished(Probe),
    /// Somebody waits for the verdict (from none to at least one).
    WaiterAdded,
    /// Nobody waits any longer.
    WaitersGone,
}

/// Result of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// When it began, nanoseconds since the Unix epoch.
    pub start: i64,
    /// When it ended, nanoseconds since the Unix epoch.
    pub end: i64,
    /// How.
    pub outcome: Outcome,
    /// What it wrote to stdout and stderr.
    pub output: String,
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0.
    Ok,
    /// Any other exit code.
    Failed {
        /// The code.
        code: i32,
    },
    /// It took longer than `timeout`.
    TimedOut,
}

/// Health of one container over time.
#[derive(Debug, Clone)]
pub struct Monitor {
    schedule: Schedule,
    health: Health,
    failures: u32,
    results: VecDeque<Probe>,
    waited_for: bool,
    phase: Phase,
}

/// Whether the container runs, and where in the schedule it is.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Down,
    Up(Run),
}

/// One run of PID 1.
#[derive(Debug, Clone, Copy)]
struct Run {
    started: Instant,
    /// When the next probe of the regular schedule is due.
    regular: Instant,
    /// When the next early probe is due, and the delay after it.
    early: Option<(Instant, Duration)>,
    /// The probe under way: when it began, and whether it is one of the regular schedule.
    probing: Option<(Instant, bool)>,
}

impl Monitor {
    /// Of a container that does not run yet.
    pub fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            health: Health::Starting,
            failures: 0,
            results: VecDeque::new(),
            waited_for: false,
            phase: Phase::Down,
        }
    }

    /// The verdict.
    pub fn health(&self) -> Health {
        self.health
    }

    /// When probes run.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Counted failures in a row.
    pub fn failing_streak(&self) -> u32 {
        self.failures
    }

    /// The last results, oldest first, at most five.
    pub fn results(&self) -> impl Iterator<Item = &Probe> {
        self.results.iter()
    }

    /// When the next probe is to begin; `None` while one is under way or the container does not run.
    pub fn next_probe(&self) -> Option<Instant> {
        match self.phase {
            Phase::Up(run) if run.probing.is_none() => {
                Some(run.early.map_or(run.regular, |(at, _)| at.min(run.regular)))
            }
            _ => None,
        }
    }

    /// Takes in what happened at `now`. Gives the new verdict if it changed.
    pub fn on(&mut self, input: Input, now: Instant) -> Option<Health> {
        let before = self.health;
        match input {
            Input::Started => self.started(now),
            Input::Exited => self.phase = Phase::Down,
            Input::ProbeStarted => self.probe_started(now),
            Input::ProbeFinished(probe) => self.probe_finished(probe, now),
            Input::WaiterAdded => {
                self.waited_for = true;
                self.begin_early(now);
            }
            Input::WaitersGone => {
                self.waited_for = false;
                if let Phase::Up(run) = &mut self.phase {
                    run.early = None;
                }
            }
        }
        (self.health != before).then_some(self.health)
    }

    fn started(&mut self, now: Instant) {
        self.health = Health::Starting;
        self.failures = 0;
        self.phase = Phase::Up(Run {
            started: now,
            regular: now + self.interval_at(Duration::ZERO),
            early: None,
            probing: None,
        });
        self.begin_early(now);
    }

    /// Somebody waits: probe at once, if there is no verdict yet.
    fn begin_early(&mut self, now: Instant) {
        if let Phase::Up(run) = &mut self.phase
            && self.waited_for
            && self.health == Health::Starting
            && run.early.is_none()
        {
            run.early = Some((now, FIRST_EARLY_DELAY));
        }
    }

    fn probe_started(&mut self, now: Instant) {
        if let Phase::Up(run) = &mut self.phase {
            run.probing = Some((now, now >= run.regular));
        }
    }

    fn probe_finished(&mut self, probe: Probe, now: Instant) {
        let Phase::Up(mut run) = self.phase else {
            return; // of a run that is over
        };
        let Some((began, regular)) = run.probing.take() else {
            return;
        };
        let age = began.saturating_duration_since(run.started);
        match probe.outcome {
            Outcome::Ok => {
                self.failures = 0;
                self.health = Health::Healthy;
            }
            Outcome::Failed { .. } | Outcome::TimedOut => self.failed(age, regular),
        }
        self.keep(probe);
        let interval = self.interval_at(now.saturating_duration_since(run.started));
        if regular || self.health == Health::Healthy {
            run.regular = now + interval;
        }
        run.early = match run.early {
            Some((_, delay)) if self.health == Health::Starting => {
                Some((now + delay, (delay * 2).min(interval)))
            }
            _ => None,
        };
        self.phase = Phase::Up(run);
    }

    fn failed(&mut self, age: Duration, regular: bool) {
        let starting = self.health == Health::Starting;
        if starting && (!regular || age < self.schedule.start_period) {
            return;
        }
        self.failures += 1;
        if self.failures >= self.schedule.retries {
            self.health = Health::Unhealthy;
        }
    }

    fn interval_at(&self, age: Duration) -> Duration {
        if self.health == Health::Starting && age < self.schedule.start_period {
            self.schedule.start_interval
        } else {
            self.schedule.interval
        }
    }

    fn keep(&mut self, mut probe: Probe) {
        let mut end = KEPT_OUTPUT.min(probe.output.len());
        while !probe.output.is_char_boundary(end) {
            end -= 1;
        }
        probe.output.truncate(end);
        if self.results.len() == KEPT {
            self.results.pop_front();
        }
        self.results.push_back(probe);
    }
}
