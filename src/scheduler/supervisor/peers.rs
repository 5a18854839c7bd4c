//! Containers that others share something with.

use super::container::Container;
use super::launch::{Launch, Peer};
use super::project::Project;
use crate::compose::model::VolumesOf;
use crate::id::ContainerId;
use std::rc::Rc;

impl Project {
    /// The container whose namespace is meant by one that has `joined` these.
    pub fn owner(&self, joined: &[ContainerId], peer: &Peer) -> Option<Rc<Container>> {
        let fits = |container: &Container| {
            let record = &container.record;
            match peer {
                Peer::Host => false,
                Peer::Service(service) => record.service == *service && joined.contains(&record.id),
                Peer::Container(name) => {
                    record.name == *name || record.id.as_str().starts_with(name.as_str())
                }
            }
        };
        self.all().into_iter().find(|c| fits(c))
    }

    /// The container whose namespace `joiner` joins, and its process; `None` if it does not run.
    pub fn peer(&self, joiner: &Container, peer: &Peer) -> Option<(Rc<Container>, (i32, u64))> {
        let found = self.owner(&joiner.record.launch.joined, peer)?;
        let process = found.status.borrow().process?;
        Some((found, process))
    }

    /// How the container is launched whose volumes another one mounts: the first of a service, or one by name or id.
    pub fn launch_with_volumes(&self, whose: &VolumesOf) -> Option<Launch> {
        let fits = |container: &Container| {
            let record = &container.record;
            match whose {
                VolumesOf::Service(service) => record.service == service.as_str(),
                VolumesOf::Container(name) => {
                    record.name == *name || record.id.as_str().starts_with(name.as_str())
                }
            }
        };
        // In the order of their creation, whatever the clock said then.
        let found = self.all().into_iter().rfind(|c| fits(c));
        found.map(|container| container.record.launch.clone())
    }
}
