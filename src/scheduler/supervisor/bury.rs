//! The end of containers that have lost their shims.

use super::container::Container;
use super::project::Project;
use super::watch;
use crate::runtime::Exit;
use crate::runtime::identity;
use crate::runtime::shim::record as record_of_shim;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// The kernel tells an exit status once the process was reaped; who inherited it does that at once.
const REAPED_WITHIN: Duration = Duration::from_secs(1);

/// Ends when nothing is left of the process.
async fn reaped(pidfd: &AsyncFd<OwnedFd>) -> std::io::Result<()> {
    loop {
        let mut guard = pidfd.readable().await?;
        if guard.ready().is_read_closed() {
            return Ok(());
        }
        guard.clear_ready();
    }
}

impl Project {
    /// Waits for the end of a container whose shim is dead, and cleans up after it.
    pub async fn bury(&self, container: &Container, (pid, start_time): (i32, u64)) -> Exit {
        if let Ok(Some(exit)) = record_of_shim::read_exit(&container.paths.run) {
            self.sweep_after(container);
            return exit;
        }
        let mut exit = Exit {
            code: -1,
            signal: None,
            oom: false,
            time: self.now(),
            ran: None,
        };
        if let Ok(Some(pidfd)) = identity::open_pid(pid, start_time)
            && let Ok(pidfd) = watch::readable(pidfd)
        {
            let _ = pidfd.readable().await;
            let _ = tokio::time::timeout(REAPED_WITHIN, reaped(&pidfd)).await;
            if let Some(status) = identity::exit_status(pidfd.get_ref()) {
                use std::os::unix::process::ExitStatusExt;
                exit.signal = status.signal();
                exit.code = status.code().or(exit.signal.map(|s| 128 + s)).unwrap_or(-1);
            }
            (exit.time, exit.ran) = (self.now(), Some(identity::age(start_time)));
        }
        self.sweep_after(container);
        exit
    }

    /// Removes what a container without processes has left because its shim was killed; nothing if that was not so.
    pub fn sweep_after(&self, container: &Container) {
        if !container.paths.run.join("shim.sock").exists() {
            return;
        }
        let path = &container.record.launch.spec.cgroup.path;
        if let Ok(cgroup) = crate::runtime::cgroups::Cgroup::open(path) {
            let _ = cgroup.kill();
            let _ = cgroup.remove();
        }
        record_of_shim::clear(&container.paths.run);
    }
}
