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

use crate::scheduler::observed::Health;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

const FIRST_EARLY_DELAY: Duration = Duration::from_millis(10);
/// Results that are kept, as docker does.
const KEPT: usize = 5;
/// Bytes of a probe's output that are kept, as docker does.
const KEPT_OUTPUT: usize = 4096;

/// When probes run and what their failures mean.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Of a container that was found running, with the verdict and the streak of failures it had, started so long ago: the
    /// next probe comes an interval from now.
    pub fn resume(&mut self, (health, failures): (Health, u32), now: Instant, age: Duration) {
        self.started(now);
        (self.health, self.failures) = (health, failures);
        let interval = self.interval_at(age);
        if let Phase::Up(run) = &mut self.phase {
            run.started = now.checked_sub(age).unwrap_or(now);
            run.regular = now + interval;
            run.early = run.early.filter(|_| health == Health::Starting);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A container's time, told in milliseconds since its start.
    struct Clock {
        start: Instant,
        now: u64,
        monitor: Monitor,
    }

    impl Clock {
        fn new(schedule: Schedule) -> Self {
            let mut clock = Self {
                start: Instant::now(),
                now: 0,
                monitor: Monitor::new(schedule),
            };
            clock.on(Input::Started);
            clock
        }

        fn on(&mut self, input: Input) -> Option<Health> {
            self.monitor
                .on(input, self.start + Duration::from_millis(self.now))
        }

        /// When the next probe is due.
        fn due(&self) -> Option<u64> {
            let due = self
                .monitor
                .next_probe()?
                .saturating_duration_since(self.start);
            Some(u64::try_from(due.as_millis()).unwrap())
        }

        /// Runs the next probe when it is due; it takes `took`.
        fn probe(&mut self, outcome: Outcome, took: u64) -> Option<Health> {
            self.now = self.due().expect("a probe is due").max(self.now);
            assert_eq!(self.on(Input::ProbeStarted), None);
            assert_eq!(self.due(), None, "one probe at a time");
            self.now += took;
            self.on(Input::ProbeFinished(probe(outcome)))
        }
    }

    fn probe(outcome: Outcome) -> Probe {
        Probe {
            start: 0,
            end: 0,
            outcome,
            output: String::new(),
        }
    }

    fn check(interval: u64, retries: u32) -> Schedule {
        Schedule {
            interval: Duration::from_secs(interval),
            timeout: Duration::from_secs(30),
            retries,
            start_period: Duration::ZERO,
            start_interval: Duration::from_secs(5),
        }
    }

    const FAILED: Outcome = Outcome::Failed { code: 1 };

    #[test]
    fn probes_come_an_interval_after_the_start_and_after_the_end_of_the_one_before() {
        let mut clock = Clock::new(check(10, 3));
        assert_eq!(clock.due(), Some(10_000));
        assert_eq!(clock.probe(Outcome::Ok, 300), Some(Health::Healthy));
        assert_eq!(clock.due(), Some(20_300));
        assert_eq!(clock.probe(Outcome::Ok, 0), None);
        assert_eq!(clock.due(), Some(30_300));
    }

    #[test]
    fn failures_in_a_row_make_unhealthy_and_one_success_makes_healthy() {
        let mut clock = Clock::new(check(1, 3));
        for (outcome, change) in [
            (FAILED, None),
            (Outcome::TimedOut, None),
            (Outcome::Ok, Some(Health::Healthy)),
            (FAILED, None),
            (FAILED, None),
            (Outcome::Ok, None),
            (FAILED, None),
            (FAILED, None),
            (Outcome::TimedOut, Some(Health::Unhealthy)),
            (FAILED, None),
            (Outcome::Ok, Some(Health::Healthy)),
        ] {
            assert_eq!(clock.probe(outcome, 1), change, "at {} ms", clock.now);
        }
    }

    #[test]
    fn failures_within_the_start_period_do_not_count_before_the_first_success() {
        let period = Schedule {
            start_period: Duration::from_secs(12),
            ..check(30, 1)
        };
        let mut clock = Clock::new(period);
        assert_eq!(clock.due(), Some(5_000), "the start interval");
        assert_eq!(clock.probe(FAILED, 0), None);
        assert_eq!(clock.probe(FAILED, 0), None);
        assert_eq!(clock.due(), Some(15_000));
        assert_eq!(clock.probe(FAILED, 0), Some(Health::Unhealthy));
        assert_eq!(clock.due(), Some(45_000));

        let mut clock = Clock::new(period);
        assert_eq!(clock.probe(Outcome::Ok, 0), Some(Health::Healthy));
        assert_eq!(
            clock.due(),
            Some(35_000),
            "the verdict ends the start interval"
        );
        clock.now = 6_000;
        clock.on(Input::ProbeStarted);
        let change = clock.on(Input::ProbeFinished(probe(FAILED)));
        assert_eq!(
            change,
            Some(Health::Unhealthy),
            "after a success failures count"
        );
    }

    #[test]
    fn while_somebody_waits_early_probes_run_at_once_and_then_back_off() {
        let mut clock = Clock::new(check(1, 3));
        clock.on(Input::WaiterAdded);
        let mut due = vec![];
        while clock.monitor.health() == Health::Starting && due.len() < 10 {
            due.push(clock.due().unwrap());
            clock.probe(FAILED, 0);
        }
        assert_eq!(due, [0, 10, 30, 70, 150, 310, 630, 1_000, 2_000, 3_000]);
    }

    #[test]
    fn early_failures_do_not_count_and_do_not_move_the_schedule() {
        let verdict_at = |waiter: bool| {
            let mut clock = Clock::new(check(1, 3));
            if waiter {
                clock.on(Input::WaiterAdded);
            }
            while clock.probe(FAILED, 0) != Some(Health::Unhealthy) {}
            clock.now
        };
        assert_eq!(verdict_at(false), 3_000);
        assert_eq!(verdict_at(true), verdict_at(false));
    }

    #[test]
    fn an_early_success_counts_and_ends_the_early_probes() {
        let mut clock = Clock::new(check(30, 3));
        clock.on(Input::WaiterAdded);
        assert_eq!(clock.probe(FAILED, 5), None);
        assert_eq!(clock.due(), Some(15));
        assert_eq!(clock.probe(Outcome::Ok, 5), Some(Health::Healthy));
        assert_eq!(clock.due(), Some(30_020));
        clock.on(Input::WaiterAdded);
        assert_eq!(clock.due(), Some(30_020), "there is a verdict already");
    }

    #[test]
    fn a_waiter_who_comes_late_is_served_at_once_and_one_who_leaves_leaves_the_schedule() {
        let mut clock = Clock::new(check(30, 3));
        clock.now = 7_000;
        clock.on(Input::WaiterAdded);
        assert_eq!(clock.due(), Some(7_000));
        clock.probe(FAILED, 0);
        clock.on(Input::WaitersGone);
        assert_eq!(clock.due(), Some(30_000));
    }

    #[test]
    fn a_waiter_who_comes_during_a_probe_is_served_after_it() {
        let mut clock = Clock::new(check(1, 3));
        clock.now = 1_000;
        clock.on(Input::ProbeStarted);
        clock.on(Input::WaiterAdded);
        assert_eq!(clock.due(), None);
        clock.now = 1_200;
        clock.on(Input::ProbeFinished(probe(FAILED)));
        assert_eq!(clock.due(), Some(1_210));
        assert_eq!(
            clock.monitor.failing_streak(),
            1,
            "it was due by the schedule"
        );
    }

    #[test]
    fn a_restart_begins_anew_and_forgets_the_probe_under_way() {
        let mut clock = Clock::new(check(1, 1));
        clock.probe(FAILED, 0);
        clock.on(Input::ProbeStarted);
        clock.on(Input::Exited);
        assert_eq!(clock.due(), None);
        assert_eq!(clock.on(Input::ProbeFinished(probe(Outcome::Ok))), None);
        assert_eq!(clock.monitor.health(), Health::Unhealthy);
        clock.on(Input::WaiterAdded);
        clock.now = 5_000;
        assert_eq!(clock.on(Input::Started), Some(Health::Starting));
        assert_eq!(clock.due(), Some(5_000), "somebody waits");
        let stale = clock.on(Input::ProbeFinished(probe(Outcome::Ok)));
        assert_eq!(stale, None, "a result of the run before");
    }

    #[test]
    fn five_results_are_kept_and_four_kibibytes_of_each() {
        let mut clock = Clock::new(check(1, 3));
        for n in 0..7 {
            clock.now = clock.due().unwrap();
            clock.on(Input::ProbeStarted);
            let output = format!("{n}{}", "é".repeat(4_000));
            clock.on(Input::ProbeFinished(Probe {
                output,
                ..probe(Outcome::Ok)
            }));
        }
        let results: Vec<_> = clock.monitor.results().collect();
        assert_eq!(results.len(), 5);
        assert!(results[0].output.starts_with('2'));
        assert_eq!(results[0].output.len(), 4_095, "never half a character");
    }
}
