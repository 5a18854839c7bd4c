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
//!
//! Invariants: nobody else writes a container's status; every command is answered, also when the shim dies before it can.

mod health;
mod life;
mod loss;
mod pause;
mod stop;

use self::health::schedule;
use self::loss::InVain;

use crate::runtime::Fifos;
use crate::runtime::LaunchFds;
use crate::runtime::RuntimeError;
use crate::runtime::shim::ShimLink;
use crate::runtime::shim::orphan::UNBORN;
use crate::runtime::shim::protocol::{Attachment, Exit, ShimCommand, ShimEvent};
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::container::{Answer, Container, Status};
use crate::scheduler::supervisor::health::{Input, Monitor, Probe};
use crate::scheduler::supervisor::probe;
use crate::scheduler::supervisor::project::Project;
use crate::scheduler::supervisor::restart::{self, Restarts};
use crate::scheduler::supervisor::watch;
use crate::state::event::What;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// How the error begins when a shim was killed before its container started: the launch can be repeated.
pub const SHIM_LOST: &str = "the shim ended before it started container";

/// What a machine is told.
pub enum Command {
    /// The shim is on its way; wait for its word.
    Launched(ShimLink, Answer),
    /// A shim found at adoption.
    Adopted(ShimLink),
    /// Adoption found a process without a shim: PID 1 and its start time.
    Orphaned((i32, u64)),
    /// It ended, and no shim is there to tell.
    Buried(Exit),
    /// It is gone, and nobody knows how it ended.
    Crashed {
        /// As everything of an earlier boot.
        with_machine: bool,
    },
    /// Adoption found that its next start is due, and no shim.
    Due,
    /// The start from scratch has come to nothing.
    Unstarted(HostError),
    /// Start again now, if a restart is scheduled; otherwise it is not started.
    Hurry(Answer),
    /// Stop gracefully, kill after this time (`None` = the container's own grace period).
    Stop(Option<Duration>, Answer),
    /// If it is being stopped, let that take no longer than this from now on.
    Hasten(Duration),
    /// Send a signal to PID 1.
    Signal(i32, Answer),
    /// Hand over its streams; unanswered if there are none.
    Attach {
        /// The end of the client's input is the end of the container's.
        close_stdin: bool,
        /// The container waits for a client that does not keep up.
        lossless: bool,
        /// Where they go.
        answer: oneshot::Sender<Attachment>,
    },
    /// Start what was held back.
    Begin,
    /// Another size of its terminal: rows, columns.
    Resize(u16, u16),
    /// These are its published ports from now on.
    Ports(LaunchFds, Answer),
    /// All its processes are frozen, or go on.
    Frozen(bool, Answer),
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
    /// That was for a shutdown of the machine.
    halted: bool,
    /// It is being stopped because it is unhealthy, to be started again.
    ailing: bool,
    /// Who waits for the start.
    starting: Option<Answer>,
    /// It is being started without a shim from before, network and all.
    from_scratch: bool,
    /// Who else waits for that.
    hurrying: Vec<Answer>,
    /// Who waits until it is down.
    stopping: Vec<Answer>,
    /// How long its stop may take, should it be starting now (`None` = its own grace period).
    patience: Option<Duration>,
    probe: Option<JoinHandle<Probe>>,
    /// Pidfd of PID 1: it tells the exit status when its shim cannot.
    pidfd: Option<OwnedFd>,
    /// The container's FIFOs while it runs: should it end with its shim, what it wrote last waits in them.
    fifos: Option<Fifos>,
    /// Who waits to be attached, in the order of their asking.
    attaching: VecDeque<oneshot::Sender<Attachment>>,
    /// Shims that were given to the container in vain.
    in_vain: InVain,
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
        let restarts = Restarts::new(restart::rule(&container.record.launch.restart));
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
            halted: false,
            ailing: false,
            starting: None,
            from_scratch: false,
            hurrying: Vec::new(),
            stopping: Vec::new(),
            patience: None,
            probe: None,
            pidfd: None,
            fifos: None,
            attaching: VecDeque::new(),
            in_vain: InVain::default(),
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
            None if self.is_paused() => None,
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
                self.launched();
                self.starting = Some(answer);
                self.attach(link);
            }
            Command::Adopted(link) => self.attach(link),
            Command::Unstarted(error) => self.unstarted(&error),
            Command::Hurry(answer) if self.from_scratch => self.hurrying.push(answer),
            Command::Hurry(answer) => {
                self.starting = Some(answer);
                self.start_again();
            }
            Command::Stop(timeout, answer) => self.stop(timeout, answer),
            Command::Hasten(limit) => self.hasten(limit),
            Command::Signal(signal, answer) => self.signal_of_user(signal, answer),
            Command::Attach {
                close_stdin,
                lossless,
                answer,
            } => self.hand_over(close_stdin, lossless, answer),
            Command::Begin => {
                // A shim that cannot be told is gone, and its link says so.
                let _ = self.tell(&ShimCommand::Start);
            }
            Command::Resize(rows, cols) => {
                let _ = self.tell(&ShimCommand::Resize { rows, cols });
            }
            Command::Ports(ports, answer) => {
                let _ = answer.send(self.replace_ports(ports));
            }
            Command::Frozen(frozen, answer) => {
                self.frozen(frozen);
                let _ = answer.send(Ok(()));
            }
            Command::Orphaned((pid, start_time)) => {
                self.adopted(pid, start_time);
                self.mourn();
            }
            Command::Crashed { with_machine } => self.crashed(with_machine),
            Command::Buried(exit) => self.exited(&exit),
            Command::Due => self.due(),
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
            ShimEvent::Failed(failure) if failure.message == UNBORN => self.start_anew(),
            ShimEvent::Failed(failure) => {
                self.set(|s| s.exit_code = Some(failure.code));
                self.failed_to_start(HostError::because(
                    self.sentence("cannot start container"),
                    failure,
                ));
                self.release();
            }
            ShimEvent::Exited(exit) => self.exited(&exit),
            ShimEvent::Released => {
                self.set(|s| s.lingers = true);
                self.is_down();
            }
            ShimEvent::Hello { status, kept } => self.greeted(status, kept),
            ShimEvent::Streams(fds) => self.container.kept.borrow_mut().replace_streams(fds),
            ShimEvent::Attached(attachment) => {
                if let Some(answer) = self.attaching.pop_front() {
                    let _ = answer.send(attachment);
                }
            }
        }
    }

    fn tell(&self, command: &ShimCommand) -> Result<(), HostError> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        let sent = link.get_ref().send(command);
        sent.map_err(|e| HostError::because(self.sentence("cannot reach the shim of container"), e))
    }

    fn replace_ports(&self, ports: LaunchFds) -> Result<(), HostError> {
        let sent = match &self.link {
            Some(link) => link.get_ref().send_ports(&ports),
            None => Ok(()),
        };
        self.container.kept.borrow_mut().replace_ports(ports);
        sent.map_err(|e| HostError::because(self.sentence("cannot reach the shim of container"), e))
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            self.project
                .event(&self.container, What::Killing, "grace period over");
            let _ = self.signal(libc::SIGKILL);
        }
        if self.restart_at.is_some_and(|at| at <= now) {
            self.start_again();
        }
        if self.probe.is_none()
            && !self.is_paused()
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
        if self.link.is_none() {
            return self.start_from_scratch();
        }
        if let Err(error) = self.tell(&ShimCommand::Start) {
            self.failed_to_start(error);
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
