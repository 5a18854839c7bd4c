//! Waiting for what a condition says of containers.

use super::RealHost;
use crate::compose::model::Condition;
use crate::runtime::identity;
use crate::scheduler::action::ContainerRef;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::container::{Container, Phase, Status, Waiting};
use crate::scheduler::supervisor::control::HealthState;
use crate::scheduler::supervisor::logs::{Line, LogLines};
use std::time::Duration;

/// Lines of its log that are shown of a container that failed.
const LAST_WORDS: usize = 5;

/// A program that cannot run as it was told has ended by now.
const SETTLED: Duration = Duration::from_millis(100);

/// One whose policy starts it again and again has failed if so many runs end this soon: within some three seconds.
const TRIES: u32 = 5;

impl RealHost {
    /// Ends when the condition holds of a container; with the reason if it cannot any more.
    pub(super) async fn wait_for(
        &self,
        of: &ContainerRef,
        condition: Condition,
    ) -> Result<Option<String>, HostError> {
        let container = self.container(of)?;
        match condition {
            Condition::Started => Ok(settles(&container).await),
            Condition::Healthy => self.wait_for_health(&container).await,
            Condition::Completed => {
                let status = container.until(has_ended).await;
                let whose = match container.is_one_off() {
                    true => format!("container {}", of.name),
                    false => format!("service \"{}\"", container.record.service),
                };
                Ok((status.exit_code != Some(0)).then(|| {
                    format!(
                        "{whose} didn't complete successfully: exit {}{}",
                        code_of(&status),
                        last_words(&container)
                    )
                }))
            }
        }
    }

    /// Watches a container for so long; the reason if it ends or becomes unhealthy.
    pub(super) async fn stays_up(
        &self,
        of: &ContainerRef,
        duration: Duration,
    ) -> Result<Option<String>, HostError> {
        let container = self.container(of)?;
        let bad = |s: &Status| {
            let down = matches!(s.phase, Phase::Exited | Phase::Restarting);
            down || s.health == Some(HealthState::Unhealthy)
        };
        let Ok(status) = tokio::time::timeout(duration, container.until(bad)).await else {
            return Ok(None);
        };
        let what = match status.health {
            Some(HealthState::Unhealthy) => "became unhealthy".to_owned(),
            _ => format!("exited ({})", code_of(&status)),
        };
        let (name, words) = (&of.name, last_words(&container));
        Ok(Some(format!(
            "container {name} {what} after it had come up{words}"
        )))
    }

    async fn wait_for_health(&self, container: &Container) -> Result<Option<String>, HostError> {
        let name = &container.record.name;
        if container.record.launch.health.is_none() {
            return Ok(Some(format!(
                "container {name} has no healthcheck configured"
            )));
        }
        let _waiting = Waiting::for_health_of(container);
        let verdict = |s: &Status| {
            matches!(
                s.health,
                Some(HealthState::Healthy | HealthState::Unhealthy)
            )
        };
        let status = container.until(|s| verdict(s) || has_ended(s)).await;
        Ok(match status.health {
            Some(HealthState::Healthy) => None,
            Some(_) => {
                let why = status.complaint.map_or(String::new(), |c| format!(": {c}"));
                let words = last_words(container);
                Some(format!("container {name} is unhealthy{why}{words}"))
            }
            None => {
                let words = last_words(container);
                Some(format!(
                    "container {name} exited ({}){words}",
                    code_of(&status)
                ))
            }
        })
    }
}

/// Ends when a container has run for a moment, or has ended for good; the reason if that was no success. Without a health
/// check, to live on is the only sign of health there is.
async fn settles(container: &Container) -> Option<String> {
    let mut failures = (0, 0);
    let is_down = |s: &Status| matches!(s.phase, Phase::Exited | Phase::Restarting);
    loop {
        let (tries, last) = failures;
        // Of a short run, only its end may be seen.
        let is_news = |s: &Status| {
            let fell = s.phase == Phase::Restarting && s.started > last;
            fell || has_ended(s) || matches!(s.phase, Phase::Running | Phase::Paused)
        };
        let process = container.until(is_news).await.process;
        let age = process.map_or(SETTLED, |(_, start_time)| identity::age(start_time));
        let rest = SETTLED.saturating_sub(age);
        let fallen = tokio::time::timeout(rest, container.until(is_down)).await;
        let Ok(status) = fallen else { return None };
        failures = (tries + 1, status.started);
        if status.phase == Phase::Exited || failures.0 == TRIES {
            // What has done its work is as good as what is at it.
            return (status.exit_code != Some(0)).then(|| {
                let (name, code) = (&container.record.name, code_of(&status));
                let again = match status.phase {
                    Phase::Restarting => " again and again",
                    _ => "",
                };
                let words = last_words(container);
                format!("container {name} exited ({code}){again}{words}")
            });
        }
    }
}

/// Why a condition does not hold yet; `None` if it does.
pub(super) fn unmet(container: &Container, condition: Condition) -> Option<String> {
    let status = container.status.borrow().clone();
    let lives = matches!(status.phase, Phase::Running | Phase::Paused);
    let what = match condition {
        Condition::Healthy if status.health == Some(HealthState::Healthy) => return None,
        Condition::Started if lives => return None,
        Condition::Completed if has_ended(&status) => return None,
        Condition::Healthy if lives => "is not healthy yet".to_owned(),
        Condition::Completed if lives => "has not ended yet".to_owned(),
        _ if has_ended(&status) => format!("has exited ({})", code_of(&status)),
        _ if status.phase == Phase::Restarting => "is about to be restarted".to_owned(),
        _ => "does not run yet".to_owned(),
    };
    let complaint = status.complaint.map_or(String::new(), |c| format!(": {c}"));
    let (name, words) = (&container.record.name, last_words(container));
    Some(format!("container {name} {what}{complaint}{words}"))
}

fn has_ended(status: &Status) -> bool {
    status.phase == Phase::Exited && status.started > 0
}

fn code_of(status: &Status) -> String {
    let code = status.exit_code;
    code.map_or("unknown".to_owned(), |code| code.to_string())
}

/// The end of what a container that failed has written, below the reason.
fn last_words(container: &Container) -> String {
    let mut text = String::new();
    let lines = LogLines::open(&container.paths.log(), Some(LAST_WORDS));
    let Ok(mut lines) = lines.and_then(LogLines::bounded) else {
        return text;
    };
    let mut say = |line: &Line| {
        let words: String = String::from_utf8_lossy(&line.bytes)
            .chars()
            .take(200)
            .collect();
        text.push_str(&format!(
            "\n    {} | {}",
            container.record.name,
            words.escape_debug()
        ));
    };
    while let Ok(Some(line)) = lines.next_line() {
        say(&line);
    }
    lines.rest().iter().for_each(say);
    text
}
