//! One container's life. A task of its own holds the link to the shim and is the only one that changes its status.
//!
//! ```text
//!            Launch            Started                 Exited, rule says stay
//!  Created ─────────▶ Starting ───────▶ Running ─────────────────────────────▶ Exited
//!     ▲                  │ Failed         ▲  │ Exited, rule says again             │ Launch
//!     └──────────────────┘                │  ▼                                     ▼
//!                                        Restarting ──── Stop ───▶ Exited       Starting
//! ```
//!
//! The shim, and with it the network namespace, stays over a restart; it is released when nothing will start again.

use super::container::{Answer, Container, Phase, Status};
use super::control::HealthState;
use super::health::{Input, Monitor, Outcome, Probe, Schedule};
use super::launch::Health;
use super::probe;
use super::project::Project;
use super::restart::{Ending, Restarts, Verdict};
use super::watch;
use crate::compose::model::Restart;
use crate::compose::model::RestartPolicy;
use crate::runtime::RuntimeError;
use crate::runtime::identity;
use crate::runtime::shim::ShimLink;
use crate::runtime::shim::protocol::{Exit, ShimCommand, ShimEvent, ShimStatus};
use crate::scheduler::execute::HostError;
use crate::scheduler::observed;
use crate::state::event::What;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How the error begins when a shim was killed before its container started: the launch can be repeated.
pub const SHIM_LOST: &str = "the shim ended before it started container";

/// What a machine is told.
pub enum Command {
    /// The shim is on its way; wait for its word.
    Launched(ShimLink, Answer),
    /// A shim found at adoption.
    Adopted(ShimLink),
    /// Adoption found a process without a shim.
    Orphaned,
    /// An orphan ended.
    Buried(Exit),
    /// Start again now, if a restart is scheduled; otherwise it is not started.
    Hurry(Answer),
    /// Stop gracefully, kill after this time (`None` = the container's own grace period).
    Stop(Option<Duration>, Answer),
    /// Send a signal to PID 1.
    Signal(i32, Answer),
    /// End the task; only for a container without processes.
    Forget,
}

/// The task's own state.
pub struct Machine {
    project: Rc<Project>,
    container: Rc<Container>,
    inbox: mpsc::UnboundedReceiver<Command>,
    waiters: tokio::sync::watch::Receiver<usize>,
    link: Option<AsyncFd<ShimLink>>,
    health: Option<Monitor>,
    restarts: Restarts,
    /// When the scheduled restart is due.
    restart_at: Option<Instant>,
    /// When a graceful stop has lasted long enough.
    kill_at: Option<Instant>,
    /// A user asked for the end of this run.
    by_user: bool,
    /// Who waits for the start.
    starting: Option<Answer>,
    /// Who waits until it is down.
    stopping: Vec<Answer>,
    probe: Option<JoinHandle<Probe>>,
}

/// What can happen next.
enum Step {
    Shim(Result<ShimEvent, RuntimeError>),
    Command(Option<Command>),
    Waiters,
    Probed(Option<Probe>),
    Timer,
}

impl Machine {
    /// Starts the task of a container.
    pub fn spawn(
        project: Rc<Project>,
        container: Rc<Container>,
        inbox: mpsc::UnboundedReceiver<Command>,
    ) {
        let waiters = container.waiters.subscribe();
        let health = container
            .record
            .launch
            .health
            .as_ref()
            .map(|h| Monitor::new(schedule(h)));
        let restarts = Restarts::new(rule(&container.record.launch.restart));
        let machine = Self {
            project,
            container,
            inbox,
            waiters,
            link: None,
            health,
            restarts,
            restart_at: None,
            kill_at: None,
            by_user: false,
            starting: None,
            stopping: Vec::new(),
            probe: None,
        };
        tokio::task::spawn_local(machine.run());
    }

    async fn run(mut self) {
        loop {
            match self.next().await {
                Step::Shim(Ok(event)) => self.heard(event),
                Step::Shim(Err(_)) => self.link_closed(),
                Step::Command(None | Some(Command::Forget)) => return,
                Step::Command(Some(command)) => self.told(command),
                Step::Waiters => self.count_waiters(),
                Step::Probed(probe) => self.probed(probe),
                Step::Timer => self.tick(),
            }
        }
    }

    async fn next(&mut self) -> Step {
        let timer = self.next_timer();
        tokio::select! {
            biased;
            event = hear(&mut self.link) => Step::Shim(event),
            command = self.inbox.recv() => Step::Command(command),
            probe = finished(&mut self.probe) => Step::Probed(probe),
            Ok(()) = self.waiters.changed() => Step::Waiters,
            () = until(timer) => Step::Timer,
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let probe = match self.probe {
            Some(_) => None,
            None => self.health.as_ref().and_then(Monitor::next_probe),
        };
        [self.restart_at, self.kill_at, probe]
            .into_iter()
            .flatten()
            .min()
    }

    fn told(&mut self, command: Command) {
        match command {
            Command::Launched(link, answer) => {
                self.set(|s| s.phase = Phase::Starting);
                self.starting = Some(answer);
                self.attach(link);
            }
            Command::Adopted(link) => self.attach(link),
            Command::Hurry(answer) => {
                self.starting = Some(answer);
                self.start_again();
            }
            Command::Stop(timeout, answer) => self.stop(timeout, answer),
            Command::Signal(signal, answer) => {
                self.by_user |= signal == libc::SIGKILL
                    || signal == self.container.record.launch.spec.stop_signal;
                let _ = answer.send(self.signal(signal, false));
            }
            Command::Orphaned => self.mourn(),
            Command::Buried(exit) => {
                self.exited(&exit);
                self.is_down();
            }
            Command::Forget => {}
        }
    }

    fn attach(&mut self, link: ShimLink) {
        match watch::readable(link) {
            Ok(link) => self.link = Some(link),
            Err(e) => {
                self.failed_to_start(HostError::because("cannot watch the container's shim", e))
            }
        }
    }

    fn heard(&mut self, event: ShimEvent) {
        match event {
            ShimEvent::Started { pid, start_time } => self.started(pid, start_time),
            ShimEvent::Failed(failure) => {
                self.set(|s| s.exit_code = Some(failure.code));
                self.failed_to_start(HostError::because(
                    self.sentence("cannot start container"),
                    failure,
                ));
                self.release();
            }
            ShimEvent::Exited(exit) => self.exited(&exit),
            ShimEvent::Hello { status, keep } => self.greeted(status, keep),
            ShimEvent::Attached(_) => {}
        }
    }

    /// A shim that outlived its supervisor tells how things stand.
    fn greeted(&mut self, status: ShimStatus, keep: Vec<(String, OwnedFd)>) {
        self.project.adopt_endpoint(&self.container, keep);
        match (status.pid, status.exit) {
            (Some((pid, start_time)), _) => self.adopted(pid, start_time),
            (None, Some(exit)) => self.exited(&exit),
            (None, None) => self.release(),
        }
    }

    fn started(&mut self, pid: i32, start_time: u64) {
        let now = self.project.now();
        self.set(|s| {
            s.phase = Phase::Running;
            s.process = Some((pid, start_time));
            s.exit_code = None;
            s.started = now;
        });
        self.watch_health(Input::Started);
        self.project.event(&self.container, What::Started, "");
        self.project
            .remember_life(&self.container, self.restarts.in_a_row(), false);
        if let Some(answer) = self.starting.take() {
            let _ = answer.send(Ok(()));
        }
        if !self.stopping.is_empty() {
            self.ask_to_stop(None);
        }
    }

    /// Found running by a new supervisor: its life goes on, only our memory is new.
    fn adopted(&mut self, pid: i32, start_time: u64) {
        let life = self.project.life(&self.container);
        self.set(|s| {
            s.phase = Phase::Running;
            s.process = Some((pid, start_time));
            s.started = life.started;
        });
        if let Some(monitor) = &mut self.health {
            let verdict = match life.health.as_deref() {
                Some("healthy") => observed::Health::Healthy,
                Some("unhealthy") => observed::Health::Unhealthy,
                _ => observed::Health::Starting,
            };
            monitor.resume(verdict, Instant::now());
            self.show_health(verdict);
        }
        self.count_waiters();
    }

    fn failed_to_start(&mut self, error: HostError) {
        self.set(|s| {
            s.phase = if s.started == 0 {
                Phase::Created
            } else {
                Phase::Exited
            };
            s.process = None;
        });
        match self.starting.take() {
            Some(answer) => drop(answer.send(Err(error))),
            None => self.project.event(
                &self.container,
                What::Failed {
                    error: error.to_string(),
                },
                "",
            ),
        }
    }

    fn exited(&mut self, exit: &Exit) {
        let status = self.container.status.borrow().clone();
        let ran = Duration::from_nanos(u64::try_from(exit.time - status.started).unwrap_or(0));
        self.kill_at = None;
        self.set(|s| {
            s.process = None;
            s.exit_code = Some(exit.code);
            s.finished = exit.time;
            s.health = None;
            s.phase = Phase::Exited;
        });
        self.watch_health(Input::Exited);
        self.project.event(
            &self.container,
            What::Exited {
                code: exit.code,
                oom: exit.oom,
            },
            "",
        );
        match self.restarts.ended(Ending {
            code: exit.code,
            ran,
            by_user: self.by_user,
        }) {
            Verdict::Restart { after } => {
                self.set(|s| s.phase = Phase::Restarting);
                self.restart_at = Some(Instant::now() + after);
            }
            Verdict::Stay => self.release(),
        }
        self.project
            .remember_life(&self.container, self.restarts.in_a_row(), self.by_user);
    }

    /// Nothing will start again: the shim cleans up and ends, which closes the link.
    fn release(&mut self) {
        self.restart_at = None;
        self.by_user = false;
        if self.tell(&ShimCommand::Release).is_err() {
            self.link = None;
        }
        if self.link.is_none() {
            self.is_down();
        }
    }

    /// The shim is gone, for good or by force.
    fn link_closed(&mut self) {
        self.link = None;
        if let Some(answer) = self.starting.take() {
            let error = HostError::new(self.sentence(SHIM_LOST));
            let _ = answer.send(Err(error));
            self.set(|s| {
                s.phase = if s.started == 0 {
                    Phase::Created
                } else {
                    Phase::Exited
                }
            });
        }
        if self.container.status.borrow().process.is_some() {
            self.mourn();
        } else {
            self.is_down();
        }
    }

    /// Its shim was killed, the container lives on: wait for its end in another way.
    fn mourn(&self) {
        let (project, container) = (self.project.clone(), self.container.clone());
        let Some(process) = container.status.borrow().process else {
            return;
        };
        tokio::task::spawn_local(async move {
            let exit = project.bury(&container, process).await;
            let _ = container.commands.send(Command::Buried(exit));
        });
    }

    fn is_down(&mut self) {
        self.project.release_endpoint(&self.container);
        self.project.at_rest();
        for answer in self.stopping.drain(..) {
            let _ = answer.send(Ok(()));
        }
    }

    fn stop(&mut self, timeout: Option<Duration>, answer: Answer) {
        let phase = self.container.status.borrow().phase;
        if self.link.is_none() && phase != Phase::Running {
            let _ = answer.send(Ok(()));
            return;
        }
        self.by_user = true;
        self.stopping.push(answer);
        match phase {
            Phase::Running => self.ask_to_stop(timeout),
            Phase::Restarting => {
                self.set(|s| s.phase = Phase::Exited);
                self.project.remember_life(&self.container, 0, true);
                self.release();
            }
            Phase::Created | Phase::Starting | Phase::Exited => {}
        }
    }

    fn ask_to_stop(&mut self, timeout: Option<Duration>) {
        let launch = &self.container.record.launch;
        let grace = timeout.unwrap_or(launch.grace);
        if grace.is_zero() {
            let _ = self.signal(libc::SIGKILL, true);
            return;
        }
        let _ = self.signal(launch.spec.stop_signal, false);
        self.kill_at = Some(Instant::now() + grace);
    }

    fn signal(&self, signal: i32, all: bool) -> Result<(), HostError> {
        if !self.container.is_running() {
            return Err(HostError::new(
                self.sentence("there is no process to signal in container"),
            ));
        }
        match self.container.status.borrow().process {
            Some(process) if self.link.is_none() => self.signal_orphan(process, signal),
            _ => self.tell(&ShimCommand::Signal { signal, all }),
        }
    }

    fn signal_orphan(&self, (pid, start_time): (i32, u64), signal: i32) -> Result<(), HostError> {
        let failed = |e| HostError::because(self.sentence("cannot signal container"), e);
        let Some(pidfd) = identity::open_pid(pid, start_time).map_err(failed)? else {
            return Ok(());
        };
        let Some(signal) = rustix::process::Signal::from_named_raw(signal) else {
            return Ok(());
        };
        rustix::process::pidfd_send_signal(&pidfd, signal).map_err(|e| failed(e.into()))
    }

    fn tell(&self, command: &ShimCommand) -> Result<(), HostError> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        let sent = link.get_ref().send(command);
        sent.map_err(|e| HostError::because(self.sentence("cannot reach the shim of container"), e))
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            self.project
                .event(&self.container, What::Killing, "grace period over");
            let _ = self.signal(libc::SIGKILL, true);
        }
        if self.restart_at.is_some_and(|at| at <= now) {
            self.start_again();
        }
        if self.probe.is_none()
            && let Some(monitor) = &mut self.health
            && monitor.next_probe().is_some_and(|at| at <= now)
        {
            monitor.on(Input::ProbeStarted, now);
            let timeout = monitor.schedule().timeout;
            self.probe = Some(probe::spawn(&self.project, &self.container, timeout));
        }
    }

    fn start_again(&mut self) {
        self.restart_at = None;
        self.project.event(&self.container, What::Restarting, "");
        if let Err(error) = self.tell(&ShimCommand::Start) {
            self.failed_to_start(error);
        }
    }

    fn probed(&mut self, probe: Option<Probe>) {
        self.probe = None;
        if let Some(probe) = probe {
            let complaint = complaint(&probe);
            self.set(|s| s.complaint = complaint);
            self.watch_health(Input::ProbeFinished(probe));
        }
    }

    fn count_waiters(&mut self) {
        let input = match *self.waiters.borrow_and_update() {
            0 => Input::WaitersGone,
            _ => Input::WaiterAdded,
        };
        self.watch_health(input);
    }

    fn watch_health(&mut self, input: Input) {
        let fresh = input == Input::Started;
        let Some(monitor) = &mut self.health else {
            return;
        };
        let changed = monitor.on(input, Instant::now());
        let verdict = monitor.health();
        if self.container.status.borrow().phase != Phase::Running {
            if let Some(probe) = self.probe.take() {
                probe.abort();
            }
        } else if fresh || changed.is_some() {
            self.show_health(verdict);
        }
    }

    fn show_health(&mut self, verdict: observed::Health) {
        let (state, what) = match verdict {
            observed::Health::Starting => (HealthState::Starting, None),
            observed::Health::Healthy => (HealthState::Healthy, Some(What::Healthy)),
            observed::Health::Unhealthy => (HealthState::Unhealthy, Some(What::Unhealthy)),
        };
        let before = self.container.status.borrow().health;
        self.set(|s| s.health = Some(state));
        if let Some(what) = what
            && before != Some(state)
        {
            self.project.event(&self.container, what, "");
            self.project
                .remember_life(&self.container, self.restarts.in_a_row(), self.by_user);
        }
    }

    fn sentence(&self, words: &str) -> String {
        format!("{words} `{}`", self.container.record.name)
    }

    fn set(&self, change: impl FnOnce(&mut Status)) {
        self.container.status.send_modify(change);
    }
}

/// The next word of the shim; for ever silent without one. Dropped and called again without loss.
async fn hear(link: &mut Option<AsyncFd<ShimLink>>) -> Result<ShimEvent, RuntimeError> {
    let Some(link) = link else {
        return std::future::pending().await;
    };
    loop {
        if let Some(event) = link.get_mut().recv()? {
            return Ok(event);
        }
        let ready = link.readable().await;
        ready
            .map_err(|source| RuntimeError::Link {
                peer: "shim",
                source,
            })?
            .clear_ready();
    }
}

async fn finished(probe: &mut Option<JoinHandle<Probe>>) -> Option<Probe> {
    match probe {
        Some(handle) => handle.await.ok(),
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// What a failed probe said, in one line.
fn complaint(probe: &Probe) -> Option<String> {
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

fn schedule(health: &Health) -> Schedule {
    Schedule {
        interval: health.interval,
        timeout: health.timeout,
        retries: health.retries,
        start_period: health.start_period,
        start_interval: health.start_interval,
    }
}

fn rule(record: &super::launch::RestartRule) -> Restart {
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
