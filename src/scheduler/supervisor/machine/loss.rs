//! What a machine does when the shim of its container was killed.
//!
//! We hold copies of what the shim held open, so another one goes on in its place: the container runs on, its ports
//! stay ours, clients in the backlog of a proxied port are served.

use super::life::at_rest;
use super::{Command, Machine, SHIM_LOST};
use crate::runtime::ShimLink;
use crate::runtime::identity;
use crate::runtime::shim::kept;
use crate::runtime::shim::protocol::ShimCommand;
use crate::runtime::shim::record;
use crate::scheduler::execute::{HostError, chain};
use crate::scheduler::host::RealHost;
use crate::scheduler::supervisor::adopt;
use crate::scheduler::supervisor::container::Phase;
use crate::state::event::What;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How many shims in a row a container is given.
const TRIES: u32 = 20;
/// A shim that served for so long was none of those.
const LASTING: Duration = Duration::from_secs(10);

/// Shims that ended soon after they were given, one after the other.
#[derive(Debug, Default)]
pub(super) struct InVain {
    count: u32,
    last: Option<Instant>,
}

impl InVain {
    /// Counts one that is given at `now` because the one before has ended.
    fn one_more(&mut self, now: Instant) -> u32 {
        if self.last.is_some_and(|last| now - last >= LASTING) {
            self.count = 0;
        }
        self.last = Some(now);
        self.count += 1;
        self.count
    }
}

impl Machine {
    /// The shim is gone, for good or by force.
    pub(super) fn link_closed(&mut self) {
        self.link = None;
        self.attaching.clear();
        let (phase, process, lingered) = {
            let status = self.container.status.borrow();
            (status.phase, status.process, status.lingers)
        };
        if lingered {
            return self.set(|s| s.lingers = false);
        }
        if process.is_some() {
            return self.mourn();
        }
        if let Some(process) = self.born_unheard() {
            return self.give_another(process);
        }
        if phase == Phase::Starting && self.starting.is_none() {
            // It had not said how its container was.
            return adopt::reconnect(&self.project, &self.container);
        }
        if phase == Phase::Restarting && self.starting.is_none() {
            return self.wait_with_another();
        }
        if let Some(answer) = self.starting.take() {
            if !self.from_scratch {
                self.set(|s| s.phase = at_rest(s));
            }
            let _ = answer.send(Err(HostError::new(self.sentence(SHIM_LOST))));
        }
        self.project.sweep_after(&self.container);
        self.is_down();
    }

    /// Its shim was killed, the container lives on (or ended meanwhile): it gets another one.
    pub(super) fn mourn(&mut self) {
        let process = self.container.status.borrow().process;
        if let Some(process) = process {
            self.give_another(process);
        }
    }

    /// A container that runs, though its shim was killed before it could say so. Should it end in this moment, before it
    /// executes anything, only who holds its pidfd learns how.
    fn born_unheard(&mut self) -> Option<(i32, u64)> {
        let recorded = record::read_pid(&self.container.paths.run).ok().flatten()?;
        let pidfd = recorded.open().ok().flatten()?;
        if identity::has_exited(&pidfd) {
            return None;
        }
        self.pidfd = Some(pidfd);
        Some((recorded.pid, recorded.start_time))
    }

    /// Gives the container another shim. Failing that, its end is waited for in another way.
    fn give_another(&mut self, process: (i32, u64)) {
        let (project, container) = (self.project.clone(), self.container.clone());
        if let Some(pidfd) = self.pidfd.as_ref().and_then(|fd| fd.try_clone().ok()) {
            let mut kept = container.kept.borrow_mut();
            kept.take(kept::PROCESS);
            kept.keep.push((kept::PROCESS.to_owned(), pidfd));
        }
        let host = RealHost::new(project.clone(), None, HashMap::new());
        let tries_on = self.has_another_try();
        // One that our predecessor has sent may have come meanwhile.
        let link = ShimLink::connect(&container.paths.run).ok();
        let another = || host.adopt(&container, process).ok();
        if tries_on && let Some(link) = link.or_else(another) {
            self.attach(link);
            return;
        }
        if !tries_on {
            self.tell_given_up();
        }
        tokio::task::spawn_local(async move {
            let exit = project.bury(&container, process).await;
            let _ = container.commands.send(Command::Buried(exit));
        });
    }

    /// Whether the container is given one more shim.
    fn has_another_try(&mut self) -> bool {
        self.in_vain.one_more(Instant::now()) < TRIES
    }

    /// Says that the container runs on without a shim.
    fn tell_given_up(&self) {
        let name = &self.container.record.name;
        let text = format!(
            "container `{name}` is given no more shims, as {TRIES} in a row ended: nobody takes its output"
        );
        self.project
            .event(&self.container, What::Warning { text }, "");
    }

    /// Between two runs of the container: the next shim waits for the restart, with the same network.
    fn wait_with_another(&mut self) {
        let host = RealHost::new(self.project.clone(), None, HashMap::new());
        // If the start was ordered already, the order was lost.
        self.restart_at.get_or_insert_with(Instant::now);
        if self.has_another_try()
            && let Ok(link) = host.hold(&self.container)
        {
            self.attach(link);
        }
        // Without one, the restart begins from scratch.
    }

    /// A shim found that the container has to be started again: it takes the order at once.
    pub(super) fn start_anew(&mut self) {
        if let Err(error) = self.tell(&ShimCommand::Start) {
            self.failed_to_start(error);
        }
    }

    /// A restart without a shim: network and all. Until it is over, the container counts as one that is restarted.
    pub(super) fn start_from_scratch(&mut self) {
        self.from_scratch = true;
        // Processes that are cloned into a cgroup that was killed once may be killed, too (Linux 6.18).
        self.project.sweep_after(&self.container);
        let host = RealHost::new(self.project.clone(), None, HashMap::new());
        let container = self.container.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = host.start_again(&container).await {
                let _ = container.commands.send(Command::Unstarted(error));
            }
        });
    }

    /// What a restart from scratch ends with that nobody can make.
    pub(super) fn unstarted(&mut self, error: &HostError) {
        self.from_scratch = false;
        self.failed_to_start(HostError::new(chain(error)));
        self.remember();
        for answer in self.hurrying.drain(..) {
            let _ = answer.send(Err(HostError::new(chain(error))));
        }
        self.is_down();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shims_that_end_soon_are_counted_until_one_lasts() {
        let (mut in_vain, start) = (InVain::default(), Instant::now());
        let mut after = |seconds| in_vain.one_more(start + Duration::from_secs(seconds));
        assert_eq!([after(0), after(1), after(9)], [1, 2, 3]);
        assert_eq!(
            [after(19), after(20)],
            [1, 2],
            "one has served for ten seconds"
        );
    }
}
