//! A container's folders and records, from the model.

use super::{RealHost, blocking};
use crate::compose::model::Project;
use crate::compose::model::Service;
use crate::id::ContainerId;
use crate::id::Digest;
use crate::image::Image;
use crate::scheduler::action::ContainerRef;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::assemble;
use crate::scheduler::supervisor::container::Container;
use crate::scheduler::supervisor::container::Status;
use crate::scheduler::supervisor::control::OneOff;
use crate::scheduler::supervisor::launch::{Launch, Networking, networking};
use crate::state::record::{self, ContainerRecord, LifeRecord};
use crate::volumes::named;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

impl RealHost {
    /// Makes a container that does not run.
    pub(super) async fn create_container(
        &self,
        of: &ContainerRef,
        inherits: Option<&ContainerId>,
        joins: &[ContainerRef],
    ) -> Result<(), HostError> {
        if self.project.container(&of.id).is_some() {
            return Ok(());
        }
        let model = self.model()?;
        let missing = || HostError::new(format!("no such service: `{}`", of.service));
        let service = model.services.get(&of.service).ok_or_else(missing)?;
        let image = self.image(&service.image).map_err(|e| {
            let hint = e.hint();
            let error = HostError::because(format!("no image for service `{}`", of.service), e);
            hint.into_iter().fold(error, HostError::with_hint)
        })?;
        self.make_folders(of, &image).await?;
        // From here to the record nothing waits, so no other can take the name meanwhile.
        // One it replaces has a name of its own by now, or goes under this one until it is removed.
        let same =
            |c: &Container| c.record.name == of.name && c.record.service != of.service.as_str();
        if let Some(other) = self.project.all().iter().find(|c| same(c)) {
            return Err(HostError::new(format!(
                "cannot create a container `{}` for service `{}`: service `{}` has one of that name",
                of.name, of.service, other.record.service
            )));
        }
        let joined = joins.iter().map(|c| c.id.clone()).collect();
        let (mut launch, warnings) = self.launch_of(of, (service, &image), inherits, joined)?;
        let one_off = self.one_offs.get(&of.service);
        if let Some(one_off) = one_off {
            launch.auto_remove = one_off.auto_remove;
            launch.nameless = !one_off.use_aliases;
        }
        let record = ContainerRecord {
            version: record::VERSION,
            id: of.id.clone(),
            name: of.name.clone(),
            service: one_off.map_or(&of.service, |o| &o.of).to_string(),
            number: if one_off.is_some() { 0 } else { of.number },
            image: service.image.clone(),
            image_id: image.id.clone(),
            config_hash: self.service_hash(service)?,
            created: self.project.now(),
            labels: labels(model, (service, one_off), of, &self.service_hash(service)?),
            launch,
        };
        self.project.save_container(&record)?;
        let life = match self.starts.contains(&of.id) {
            true => self.project.intend(&record),
            false => LifeRecord::default(),
        };
        self.project.add(record, life, Status::default());
        self.warn(&of.service, warnings);
        Ok(())
    }

    /// On a thread: a file system may take its time, and what has its folders is on its way meanwhile.
    async fn make_folders(&self, of: &ContainerRef, image: &Image) -> Result<(), HostError> {
        let _turn = self.folder_turns.acquire().await;
        let paths = self.project.paths.container(&of.id);
        let top = image.layers.first().cloned();
        blocking(move || {
            paths.make()?;
            top.map_or(Ok(()), |top| like_top_layer(&paths.upper(), &top))
        })
        .await
        .map_err(|e| HostError::because(format!("cannot create container `{}`", of.name), e))
    }

    fn service_hash(&self, service: &Service) -> Result<Digest, HostError> {
        let one_off = self.one_offs.get(&service.name);
        let own = self.hashes.get(service.name.as_str());
        let hash = own
            .or_else(|| self.hashes.get(one_off?.of.as_str()))
            .cloned();
        hash.ok_or_else(|| HostError::new(format!("service `{}` has no fingerprint", service.name)))
    }

    /// The container whose network one of `service` uses, of those that it has `joined`.
    fn network_owner(
        &self,
        model: &Project,
        service: &Service,
        joined: &[ContainerId],
    ) -> Option<Rc<Container>> {
        match networking(model, service) {
            Networking::Of(peer) => self.project.owner(joined, &peer),
            _ => None,
        }
    }

    /// `inherits`: the container whose anonymous volumes it takes over.
    fn launch_of(
        &self,
        of: &ContainerRef,
        (service, image): (&Service, &Image),
        inherits: Option<&ContainerId>,
        joined: Vec<ContainerId>,
    ) -> Result<(Launch, Vec<String>), HostError> {
        let replaced = inherits.and_then(|id| self.project.container(id));
        let inherited: Vec<_> = replaced
            .iter()
            .flat_map(|old| {
                let volumes = old.record.launch.volumes.iter();
                volumes.filter(|v| v.anonymous).cloned()
            })
            .collect();
        let model = self.model()?;
        let owner = self.network_owner(model, service, &joined);
        let parts = assemble::Parts {
            project: model,
            service,
            image,
            id: &of.id,
            paths: &self.project.paths.container(&of.id),
            cgroup: &self.project.record.borrow().cgroup.clone(),
            bottom: self.project.installation.bottom(),
            volume_path: &|name| self.project.volumes.path(name),
            inherited: &inherited,
            joined,
            network_owner: owner.as_ref().map(|owner| &owner.record.launch.spec),
            find_image: &|name| self.image(name),
            launch_of: &|whose| self.project.launch_with_volumes(whose),
        };
        let assembled = parts.assemble().map_err(|e| {
            let hint = e.hint();
            let error = HostError::because(format!("cannot create container `{}`", of.name), e);
            hint.into_iter().fold(error, HostError::with_hint)
        })?;
        let launch = assembled.launch;
        for volume in launch.volumes.iter().filter(|v| v.anonymous) {
            let mut labels = assembled
                .volume_labels
                .get(&volume.name)
                .cloned()
                .unwrap_or_default();
            labels.insert("com.docker.volume.anonymous".to_owned(), String::new());
            let request = named::Request {
                labels,
                project: Some(self.project.name.clone()),
                ..named::Request::default()
            };
            let failed =
                |e| HostError::because(format!("cannot create volume `{}`", volume.name), e);
            self.project
                .volumes
                .create(&volume.name, &request)
                .map_err(failed)?;
        }
        Ok((launch, assembled.warnings))
    }
}

/// Gives the writable layer the owner and mode of the image's `/`: overlayfs shows those of its topmost folder.
fn like_top_layer(upper: &Path, top: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let root = std::fs::metadata(top)?;
    std::fs::set_permissions(upper, root.permissions())?;
    chown(upper, Some(root.uid()), Some(root.gid()))
}

/// The service's labels and compose's own set.
fn labels(
    model: &Project,
    (service, one_off): (&Service, Option<&OneOff>),
    of: &ContainerRef,
    hash: &Digest,
) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = service
        .labels
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let files: Vec<_> = model
        .files
        .iter()
        .map(|f| f.display().to_string())
        .collect();
    let depends: Vec<_> = crate::scheduler::supervisor::launch::depends_on(service)
        .into_iter()
        .map(|d| format!("{}:{}:{}", d.service, d.condition, d.restart))
        .collect();
    let own = [
        ("project", model.name.to_string()),
        (
            "service",
            one_off.map_or(&service.name, |o| &o.of).to_string(),
        ),
        ("container-number", of.number.to_string()),
        (
            "oneoff",
            if one_off.is_some() { "True" } else { "False" }.to_owned(),
        ),
        ("config-hash", hash.hex().to_owned()),
        ("project.working_dir", model.directory.display().to_string()),
        ("project.config_files", files.join(",")),
        ("depends_on", depends.join(",")),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    labels.extend(own.map(|(key, value)| (format!("com.docker.compose.{key}"), value)));
    labels
}
