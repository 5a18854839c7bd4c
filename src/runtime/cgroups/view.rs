//! What the creation of a container needs to know of its cgroup.

use super::Cgroup;
use super::Error;

impl Cgroup {
    /// Puts a process into the v1 hierarchies only: it was cloned into its v2 cgroup, which may be one below ours.
    pub fn attach_v1(&self, pid: i32) -> Result<(), Error> {
        let value = pid.to_string();
        self.v1
            .iter()
            .try_for_each(|(_, folder)| folder.write("cgroup.procs", &value))
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
