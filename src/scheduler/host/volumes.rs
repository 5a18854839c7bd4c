//! Volumes: made, mounted while containers use them, removed.

use super::{RealHost, blocking};
use crate::id::VolumeName;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::container::Container;
use crate::volumes::named;

impl RealHost {
    pub(super) fn create_volume(&self, key: &str, name: &VolumeName) -> Result<(), HostError> {
        let failed = |e: named::Error| {
            let hint = e.hint();
            let error = HostError::because(format!("cannot create volume `{name}`"), e);
            hint.into_iter().fold(error, HostError::with_hint)
        };
        let wanted = self.model()?.volumes.get(key);
        let mut labels = wanted.map(|v| sorted(&v.labels)).unwrap_or_default();
        labels.extend(self.own_labels(("volume", key), name.as_str()));
        let request = named::Request {
            driver: wanted.and_then(|v| v.driver.clone()).unwrap_or_default(),
            driver_opts: wanted.map(|v| sorted(&v.driver_opts)).unwrap_or_default(),
            labels,
            project: Some(self.project.name.clone()),
        };
        let created = self.project.volumes.create(name, &request);
        if created.map_err(failed)? {
            self.volumes_made.borrow_mut().push(name.clone());
        }
        Ok(())
    }

    pub(super) fn has_made(&self, name: &VolumeName) -> bool {
        self.volumes_made.borrow().contains(name)
    }

    pub(super) fn remove_volume(&self, name: &VolumeName) -> Result<(), HostError> {
        let failed = |e| HostError::because(format!("cannot remove volume `{name}`"), e);
        self.project.volumes.remove(name).map_err(failed)
    }

    /// Anonymous volumes that no other container mounts.
    pub(super) fn remove_anonymous(&self, gone: &Container) -> Result<(), HostError> {
        let in_use = |name: &VolumeName| self.mounts(name);
        for volume in gone
            .record
            .launch
            .volumes
            .iter()
            .filter(|v| v.anonymous && !in_use(&v.name))
        {
            match self.project.volumes.remove(&volume.name) {
                // The container that was made in place of this one has just been removed, too.
                Ok(()) | Err(named::Error::NotFound(_)) => {}
                Err(e) => {
                    let text = format!("cannot remove volume `{}`", volume.name);
                    return Err(HostError::because(text, e));
                }
            }
        }
        Ok(())
    }

    /// Mounts the file systems that are volumes. On a thread: a server of files may take its time.
    pub(super) async fn mount_volumes(&self, container: &Container) -> Result<(), HostError> {
        let all = container.record.launch.volumes.iter();
        for volume in all.filter(|v| self.project.volumes.is_file_system(&v.name)) {
            let (volumes, name) = (self.project.volumes.clone(), volume.name.clone());
            blocking(move || volumes.mount(&name)).await.map_err(|e| {
                let hint = e.hint();
                let error = HostError::because(format!("cannot use volume `{}`", volume.name), e);
                hint.into_iter().fold(error, HostError::with_hint)
            })?;
        }
        Ok(())
    }

    /// Whether a container of the project mounts a volume.
    fn mounts(&self, name: &VolumeName) -> bool {
        let all = self.project.all();
        all.iter()
            .any(|c| c.record.launch.volumes.iter().any(|v| v.name == *name))
    }

    /// File systems that were mounted for volumes which no container mounts any more.
    pub(super) fn unmount_volumes(&self, gone: &Container) -> Result<(), HostError> {
        let volumes = gone.record.launch.volumes.iter();
        for volume in volumes.filter(|v| !v.anonymous && !self.mounts(&v.name)) {
            let failed =
                |e| HostError::because(format!("cannot unmount volume `{}`", volume.name), e);
            self.project.volumes.unmount(&volume.name).map_err(failed)?;
        }
        Ok(())
    }
}

fn sorted(map: &indexmap::IndexMap<String, String>) -> std::collections::BTreeMap<String, String> {
    map.clone().into_iter().collect()
}
