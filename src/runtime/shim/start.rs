//! Making the container.

use super::protocol::{ShimState, WireEvent};
use super::{Parts, Running, Shim, record};
use crate::runtime::error::{At, StartFailure, Step};
use crate::runtime::identity::Identity;
use crate::runtime::init::Init;
use crate::runtime::init::sync::{self, ParentEnd, Report};
use crate::runtime::namespaces::{self, PidNsGuard};
use crate::runtime::oci_hooks;
use crate::runtime::spec::HookStage;
use crate::runtime::sys::memory;
use crate::runtime::sys::process::{Forked, fork_into};
use rustix::fd::AsFd;
use rustix::io::DupFlags;
use rustix::process::{Signal, pidfd_send_signal};

impl Shim {
    /// Creates and starts the container, and tells how that went.
    pub(super) fn start(&mut self) {
        match self.try_start() {
            Ok(running) => {
                let (pid, start_time) = (running.pid, running.start_time);
                self.state = ShimState::Running;
                self.running = Some(running);
                self.hold_root();
                self.failure = None;
                self.tell_streams();
                self.tell(&WireEvent::Started { pid, start_time });
            }
            Err(failure) => {
                self.state = ShimState::Failed;
                self.failure = Some(failure.clone());
                self.tell(&WireEvent::Failed(failure));
            }
        }
        memory::rest();
    }

    fn try_start(&mut self) -> Result<Running, StartFailure> {
        // Its writable layer cannot be mounted twice.
        self.root = None;
        oci_hooks::prepare(&self.request.spec, &self.request.run_dir)?;
        match &mut self.parts {
            None => {
                if record::is_there(&self.request.run_dir) {
                    Parts::clear_away(&self.request);
                }
                self.parts = Some(Parts::make(&self.request)?);
            }
            Some(parts) => parts.renew(&self.request)?,
        }
        let (parent, child) = sync::pair().at(Step::Prepare, || "make a socket pair".into())?;
        let ends = self.streams.process_ends(&self.run_dir)?;
        let parts = self.parts.as_ref().expect("made above");
        let init = Init {
            spec: &self.request.spec,
            run_dir: &self.request.run_dir,
            netns: self.netns.as_ref().map(AsFd::as_fd),
            capabilities: parts.capabilities,
            seccomp: parts.seccomp.as_ref(),
            cgroup: &parts.cgroup,
            host_mounts: self.host_mounts.as_fd(),
            hooks: self.hooks,
            terminal: self.request.terminal,
            ends,
            sync: child,
        };
        let guard = PidNsGuard::enter(&self.request.spec)?;
        let flags = namespaces::clone_flags(&self.request.spec);
        let forked = fork_into(flags, parts.cgroup.v2_dir()).at(Step::Namespaces, || {
            "make the container's namespaces".into()
        })?;
        drop(guard);
        let (pid, pidfd) = match forked {
            Forked::Child => {
                // Should we be killed while it waits at the gate, nobody may take it for us.
                drop(parent);
                self.link = None;
                let _ = rustix::io::dup3(&self.run_dir, &mut self.listener, DupFlags::CLOEXEC);
                init.run()
            }
            Forked::Parent { pid, pidfd } => (pid, pidfd),
        };
        // The child's end must be closed here for its end of file to be seen.
        drop(init);
        let running = Running {
            pid,
            start_time: 0,
            pidfd,
            orphan: false,
        };
        self.accompany(&parent, running)
    }

    /// Brings the new process to its `execve`. If that fails it is killed and reaped.
    fn accompany(
        &mut self,
        parent: &ParentEnd,
        mut running: Running,
    ) -> Result<Running, StartFailure> {
        let result = self
            .let_in(parent, &mut running)
            .and_then(|()| self.listen_to(parent, running.pid));
        if result.is_err() {
            let _ = pidfd_send_signal(&running.pidfd, Signal::KILL);
            let _ = rustix::process::waitid(
                rustix::process::WaitId::PidFd(running.pidfd.as_fd()),
                rustix::process::WaitIdOptions::EXITED,
            );
            self.streams.close_terminal();
        }
        result.map(|()| running)
    }

    fn let_in(&mut self, parent: &ParentEnd, running: &mut Running) -> Result<(), StartFailure> {
        let identity =
            Identity::of(running.pid).at(Step::Prepare, || "identify the new process".into())?;
        running.start_time = identity.start_time;
        record::write_pid(self.run_dir.as_fd(), &identity)
            .at(Step::Prepare, || "write `pid.json`".into())?;
        if self.request.spec.hooks.is_empty() {
            parent.open_gate();
        }
        Ok(())
    }

    fn listen_to(&mut self, parent: &ParentEnd, pid: i32) -> Result<(), StartFailure> {
        let mut executing = false;
        loop {
            match parent.next()? {
                Report::Terminal(master) => self.streams.open_terminal(master),
                Report::Created => {
                    oci_hooks::run(&self.request.spec, HookStage::CreateRuntime, pid)?;
                    parent.open_gate();
                }
                Report::Executing => executing = true,
                Report::Failed(failure) => return Err(failure),
                Report::Closed if executing => return Ok(()),
                Report::Closed => {
                    let text = "the container's first process died while it was set up";
                    return Err(StartFailure::new(Step::Prepare, text));
                }
            }
        }
    }
}
