//! What a machine knows of frozen processes, and how it hands streams over.

use super::Machine;
use crate::runtime::cgroups::Cgroup;
use crate::runtime::shim::protocol::{Attachment, ShimCommand};
use crate::scheduler::supervisor::container::Phase;
use crate::state::event::What;
use tokio::sync::oneshot;

impl Machine {
    pub(super) fn is_paused(&self) -> bool {
        self.container.status.borrow().phase == Phase::Paused
    }

    /// All processes are frozen, or go on.
    pub(super) fn frozen(&self, frozen: bool) {
        let (from, to, what) = match frozen {
            true => (Phase::Running, Phase::Paused, What::Paused),
            false => (Phase::Paused, Phase::Running, What::Unpaused),
        };
        if self.container.status.borrow().phase == from {
            self.set(|s| s.phase = to);
            self.project.event(&self.container, what, "");
        }
    }

    /// Whether the kernel has the container frozen.
    pub(super) fn is_frozen(&self) -> bool {
        let path = &self.container.record.launch.spec.cgroup.path;
        Cgroup::open(path).is_ok_and(|cgroup| cgroup.is_frozen())
    }

    /// Lets the processes go on, so that they can hear a signal that ends them.
    pub(super) fn thaw(&self) {
        let path = &self.container.record.launch.spec.cgroup.path;
        // One that cannot be thawed is killed in the end, and that works on frozen processes, too.
        if Cgroup::open(path).is_ok_and(|cgroup| cgroup.thaw().is_ok()) {
            self.frozen(false);
        }
    }

    pub(super) fn hand_over(
        &mut self,
        close_stdin: bool,
        lossless: bool,
        answer: oneshot::Sender<Attachment>,
    ) {
        let attach = ShimCommand::Attach {
            close_stdin,
            lossless,
        };
        if self.link.is_some() && self.tell(&attach).is_ok() {
            self.attaching.push_back(answer);
        }
    }
}
