//! What the creation of a container needs to know of its cgroup.

use super::Cgroup;
use super::Error;

impl Cgroup {
    /// Puts the calling process, which has one thread and was cloned into its v2 cgroup, into the v1 hierarchies.
    ///
    /// A thread that moves itself (`0` to `tasks`) needs no lock of all processes of the machine. A write of a PID to
    /// `cgroup.procs` does, and waits for an RCU grace period now and then: milliseconds, 13 were seen under load.
    pub fn enter_v1(&self) -> Result<(), Error> {
        self.v1
            .iter()
            .try_for_each(|(_, folder)| folder.write("tasks", "0"))
    }

    /// The hierarchies it has a folder in: the controllers of each v1 one, `None` for v2.
    pub fn hierarchies(&self) -> impl Iterator<Item = Option<&[String]>> {
        let v1 = self
            .v1
            .iter()
            .map(|(controllers, _)| Some(controllers.as_slice()));
        v1.chain(self.v2.iter().map(|_| None))
    }
}
