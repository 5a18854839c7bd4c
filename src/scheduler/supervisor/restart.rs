//! When a container is started again after it ended, or after a boot. Pure: told what happened, answers what to do.
//!
//! The rules are docker's restart manager's: the time before a restart doubles from 100 ms to a minute, and a run of at
//! least ten seconds is a success that makes it forget. What `on-failure:N` limits is counted from the user's start on,
//! whatever succeeds meanwhile, unless the rule has a window of its own.

use crate::compose::model::Restart;
use crate::compose::model::RestartPolicy;
use crate::id::ContainerId;
use crate::runtime::identity;
use crate::scheduler::supervisor::container::{Container, Phase};
use crate::scheduler::supervisor::launch::RestartRule;
use crate::state::record::LifeRecord;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// A run this long counts as a success, unless the rule has a `window` of its own.
const SUCCESS: Duration = Duration::from_secs(10);

/// Verdict about a container whose PID 1 ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again after this time.
    Restart {
        /// Time to wait.
        after: Duration,
    },
    /// Leave it.
    Stay,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Exit code of PID 1.
    pub code: i32,
    /// How long PID 1 ran.
    pub ran: Duration,
    /// A user asked for the end (`stop`, `kill`, `down`).
    pub by_user: bool,
}

/// What is remembered of a container's restarts. A start by a user begins with a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restarts {
    rule: Restart,
    in_a_row: u32,
    attempts: u32,
}

impl Restarts {
    /// None yet.
    pub fn new(rule: Restart) -> Self {
        Self {
            rule,
            in_a_row: 0,
            attempts: 0,
        }
    }

    /// Goes on where an earlier supervisor was.
    pub fn resume(&mut self, in_a_row: u32, attempts: u32) {
        (self.in_a_row, self.attempts) = (in_a_row, attempts);
    }

    /// A user starts the container: whatever was before does not count.
    pub fn forget(&mut self) {
        self.resume(0, 0);
    }

    /// PID 1 ended: start it again?
    pub fn ended(&mut self, ending: Ending) -> Verdict {
        if ending.ran >= self.rule.window.unwrap_or(SUCCESS) {
            self.in_a_row = 0;
            if self.rule.window.is_some() {
                self.attempts = 0;
            }
        }
        let wanted = match self.rule.policy {
            RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure => ending.code != 0,
        };
        let exhausted = self
            .rule
            .max_attempts
            .is_some_and(|max| self.attempts >= max);
        if !wanted || ending.by_user || exhausted {
            return Verdict::Stay;
        }
        self.in_a_row += 1;
        self.attempts += 1;
        Verdict::Restart {
            after: self.pause(),
        }
    }

    /// From the last end to the start that was decided on then.
    pub fn pause(&self) -> Duration {
        let before = self.in_a_row.saturating_sub(1);
        self.rule.delay.unwrap_or_else(|| back_off(before))
    }

    /// Restarts since a user started it.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Restarts in a row without a run long enough to count as a success.
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

/// Whether a container that has run before and does not run now is started after a boot. Here `always` and
/// `unless-stopped` differ.
pub fn after_boot(rule: &Restart, life: &LifeRecord) -> bool {
    let stopped = life.stopped_by_user && !life.halted;
    let attempts_left = || rule.max_attempts.is_none_or(|max| life.attempts < max);
    match rule.policy {
        _ if life.started == 0 => false,
        RestartPolicy::Always => true,
        RestartPolicy::UnlessStopped => !stopped,
        // One that was done stays done.
        RestartPolicy::OnFailure => {
            !stopped && (life.halted || life.exit_code != Some(0)) && attempts_left()
        }
        RestartPolicy::No => false,
    }
}

/// Which of a project's containers a boot starts: of those that were last run in an earlier one, or stopped for the end of
/// this one, those of [`after_boot`]; and new ones that a command had made and not started yet, unless what they were to
/// replace is there and starts.
pub fn due_after_boot(all: &[Rc<Container>]) -> Vec<ContainerId> {
    let rest = |c: &&Rc<Container>| {
        let life = c.life.borrow();
        let this_boot = !life.halted && identity::boot_id().is_ok_and(|boot| boot == life.boot);
        !this_boot && matches!(c.status.borrow().phase, Phase::Exited | Phase::Created)
    };
    let ran = |c: &&Rc<Container>| {
        let rule = rule(&c.record.launch.restart);
        after_boot(&rule, &c.life.borrow())
    };
    let (mut due, others): (Vec<_>, Vec<_>) = all.iter().filter(rest).partition(ran);
    let names: HashSet<&str> = due.iter().map(|c| c.record.name.as_str()).collect();
    let is_meant = |c: &&Rc<Container>| {
        let replaces = names.contains(c.record.name.as_str());
        c.life.borrow().meant && !replaces
    };
    due.extend(others.into_iter().filter(is_meant));
    due.into_iter().map(|c| c.record.id.clone()).collect()
}

/// Whether a container of this rule may be started by a boot.
pub fn outlives_a_boot(record: &RestartRule) -> bool {
    rule(record).policy != RestartPolicy::No
}

/// A container's rule, as its record has it.
pub fn rule(record: &RestartRule) -> Restart {
    let policy = match record.policy.as_str() {
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => RestartPolicy::OnFailure,
        _ => RestartPolicy::No,
    };
    Restart {
        policy,
        max_attempts: record.max_attempts,
        delay: record.delay,
        window: record.window,
    }
}

fn back_off(restarts: u32) -> Duration {
    FIRST_DELAY
        .saturating_mul(2u32.saturating_pow(restarts))
        .min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn rule(policy: RestartPolicy) -> Restart {
        Restart {
            policy,
            ..Restart::default()
        }
    }

    fn ended(code: i32, ran: Duration) -> Ending {
        Ending {
            code,
            ran,
            by_user: false,
        }
    }

    #[test]
    fn each_policy_restarts_after_the_exits_it_names() {
        use RestartPolicy::*;
        for (policy, after_zero, after_failure) in [
            (No, false, false),
            (Always, true, true),
            (UnlessStopped, true, true),
            (OnFailure, false, true),
        ] {
            for (code, restarts) in [(0, after_zero), (1, after_failure), (137, after_failure)] {
                let verdict = Restarts::new(rule(policy)).ended(ended(code, MS));
                assert_eq!(
                    verdict != Verdict::Stay,
                    restarts,
                    "{policy:?} after {code}"
                );
            }
        }
    }

    #[test]
    fn what_a_user_stopped_stays_stopped_under_every_policy() {
        use RestartPolicy::*;
        for policy in [No, Always, UnlessStopped, OnFailure] {
            let ending = Ending {
                by_user: true,
                ..ended(143, MS)
            };
            assert_eq!(
                Restarts::new(rule(policy)).ended(ending),
                Verdict::Stay,
                "{policy:?}"
            );
        }
    }

    #[test]
    fn the_delay_doubles_from_100_ms_to_a_minute() {
        let mut restarts = Restarts::new(rule(RestartPolicy::Always));
        let delays: Vec<_> = (0..40)
            .map(|_| match restarts.ended(ended(0, MS)) {
                Verdict::Restart { after } => after.as_millis(),
                Verdict::Stay => unreachable!(),
            })
            .collect();
        assert_eq!(delays[..4], [100, 200, 400, 800]);
        assert_eq!(delays[9..12], [51_200, 60_000, 60_000]);
        assert_eq!(delays[39], 60_000);
    }

    #[test]
    fn a_long_run_makes_it_forget() {
        let mut restarts = Restarts::new(rule(RestartPolicy::Always));
        for _ in 0..5 {
            restarts.ended(ended(1, MS));
        }
        let almost = restarts.ended(ended(1, SUCCESS - MS));
        assert_eq!(almost, Verdict::Restart { after: 3200 * MS });
        let long = restarts.ended(ended(1, SUCCESS));
        assert_eq!(long, Verdict::Restart { after: 100 * MS });
        assert_eq!(restarts.in_a_row(), 1);
    }

    #[test]
    fn attempts_are_limited_since_the_users_start() {
        let limited = Restart {
            max_attempts: Some(2),
            ..rule(RestartPolicy::OnFailure)
        };
        let mut restarts = Restarts::new(limited);
        assert_ne!(restarts.ended(ended(1, MS)), Verdict::Stay);
        assert_ne!(restarts.ended(ended(1, MS)), Verdict::Stay);
        assert_eq!(restarts.ended(ended(1, MS)), Verdict::Stay);
        assert_eq!(
            restarts.ended(ended(1, SUCCESS)),
            Verdict::Stay,
            "a success in between does not make them more"
        );
        restarts.forget();
        assert_ne!(
            restarts.ended(ended(1, MS)),
            Verdict::Stay,
            "a user's start does"
        );
    }

    #[test]
    fn a_rule_with_its_own_delay_and_window_uses_them() {
        let own = Restart {
            delay: Some(7 * MS),
            window: Some(50 * MS),
            max_attempts: Some(1),
            policy: RestartPolicy::Always,
        };
        let mut restarts = Restarts::new(own);
        assert_eq!(
            restarts.ended(ended(0, MS)),
            Verdict::Restart { after: 7 * MS }
        );
        assert_eq!(restarts.ended(ended(0, 49 * MS)), Verdict::Stay);
        assert_eq!(
            restarts.ended(ended(0, 50 * MS)),
            Verdict::Restart { after: 7 * MS }
        );
    }

    #[test]
    fn after_a_boot_runs_what_ran_and_what_always_runs() {
        use RestartPolicy::*;
        let ran = LifeRecord {
            started: 1,
            exit_code: Some(-1),
            ..LifeRecord::default()
        };
        let stopped = LifeRecord {
            stopped_by_user: true,
            exit_code: Some(0),
            ..ran.clone()
        };
        let halted = LifeRecord {
            halted: true,
            ..stopped.clone()
        };
        let done = LifeRecord {
            exit_code: Some(0),
            ..ran.clone()
        };
        let never = LifeRecord::default();
        let lives = [&ran, &stopped, &halted, &done, &never];
        for (policy, expected) in [
            (Always, [true, true, true, true, false]),
            (UnlessStopped, [true, false, true, true, false]),
            (OnFailure, [true, false, true, false, false]),
            (No, [false; 5]),
        ] {
            let found = lives.map(|life| after_boot(&rule(policy), life));
            assert_eq!(found, expected, "{policy:?}");
        }
        let exhausted = LifeRecord { attempts: 2, ..ran };
        let limited = Restart {
            max_attempts: Some(2),
            ..rule(OnFailure)
        };
        assert!(!after_boot(&limited, &exhausted));
    }
}
