//! What is mounted into a container, and in which order.

use super::{Error, Parts};
use crate::compose::model::FileContent;
use crate::compose::model::FileMount;
use crate::compose::model::FileObject;
use crate::compose::model::ImageMount;
use crate::compose::model::Mount;
use crate::compose::model::Recursion;
use crate::compose::model::VolumeMount;
use crate::compose::model::VolumesFrom;
use crate::compose::model::VolumesOf;
use crate::id::VolumeName;
use crate::runtime::spec::{MountKind, MountSpec};
use crate::scheduler::supervisor::launch::VolumeUse;
use crate::volumes::bind;
use crate::volumes::secret;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::PathBuf;

impl Parts<'_> {
    /// `/etc` files first, so that a user's mount at the same place wins; then parents before children.
    pub(super) fn mounts(&self, volumes: &mut Vec<VolumeUse>) -> Result<Vec<MountSpec>, Error> {
        let mut mounts: Vec<MountSpec> = self
            .image
            .host_binds
            .iter()
            .map(|(source, target)| MountSpec {
                target: target.clone(),
                kind: plain_bind(source.clone(), true),
                read_only: true,
            })
            .collect();
        for name in ["resolv.conf", "hostname", "hosts"] {
            let kind = plain_bind(self.paths.etc.join(name), false);
            mounts.push(MountSpec {
                target: format!("/etc/{name}"),
                kind,
                read_only: self.service.read_only,
            });
        }
        let mut own = Vec::new();
        for mount in &self.service.mounts {
            own.push(self.mount(mount, volumes)?);
        }
        for from in &self.service.volumes_from {
            self.borrow(from, &mut own, volumes)?;
        }
        for target in &self.image.config.volumes {
            if !own.iter().any(|m| same_target(&m.target, target)) {
                own.push(self.volume(None, target, false, volumes));
            }
        }
        self.files(
            "secret",
            &self.service.secrets,
            &self.project.secrets,
            &mut own,
        )?;
        self.files(
            "config",
            &self.service.configs,
            &self.project.configs,
            &mut own,
        )?;
        own.sort_by_key(|mount| {
            mount
                .target
                .split('/')
                .filter(|part| !part.is_empty())
                .count()
        });
        mounts.retain(|default| !own.iter().any(|m| same_target(&m.target, &default.target)));
        mounts.extend(own);
        Ok(mounts)
    }

    fn mount(&self, mount: &Mount, volumes: &mut Vec<VolumeUse>) -> Result<MountSpec, Error> {
        Ok(match mount {
            Mount::Volume(volume) => {
                self.volume(Some(volume), &volume.target, volume.read_only, volumes)
            }
            Mount::Bind(mount) => {
                bind::prepare(&mount.source, mount.create_host_path).map_err(|source| {
                    Error::Bind {
                        service: self.service.name.to_string(),
                        target: mount.target.clone(),
                        source,
                    }
                })?;
                MountSpec {
                    target: mount.target.clone(),
                    kind: MountKind::Bind {
                        source: mount.source.clone(),
                        subpath: None,
                        propagation: mount.propagation.clone(),
                        recursive: mount.recursive != Recursion::Disabled,
                        shallow: mount.recursive == Recursion::Writable,
                        copy_up: false,
                    },
                    read_only: mount.read_only,
                }
            }
            Mount::Image(mount) => self.image_mount(mount)?,
            Mount::Tmpfs(tmpfs) => MountSpec {
                target: tmpfs.target.clone(),
                kind: MountKind::Tmpfs {
                    size: tmpfs.size,
                    mode: tmpfs.mode,
                    options: tmpfs.options.clone(),
                },
                read_only: tmpfs.read_only,
            },
        })
    }

    /// The mounts of another container, but for those at places this one mounts something itself.
    fn borrow(
        &self,
        from: &VolumesFrom,
        own: &mut Vec<MountSpec>,
        volumes: &mut Vec<VolumeUse>,
    ) -> Result<(), Error> {
        let launch = (self.launch_of)(&from.source).ok_or_else(|| Error::NoVolumes {
            service: self.service.name.to_string(),
            of: match &from.source {
                VolumesOf::Service(name) => name.to_string(),
                VolumesOf::Container(name) => name.clone(),
            },
        })?;
        for target in &launch.shared {
            let there = own.iter().any(|mount| same_target(&mount.target, target));
            let Some(mount) = launch
                .spec
                .mounts
                .iter()
                .find(|m| m.target == *target && !there)
            else {
                continue;
            };
            let mut mount = mount.clone();
            mount.read_only |= from.read_only;
            own.push(mount);
            volumes.extend(
                launch
                    .volumes
                    .iter()
                    .filter(|v| v.target == *target)
                    .cloned(),
            );
        }
        Ok(())
    }

    fn image_mount(&self, mount: &ImageMount) -> Result<MountSpec, Error> {
        let image = (self.find_image)(&mount.source).map_err(|source| Error::Image {
            service: self.service.name.to_string(),
            image: mount.source.clone(),
            source: Box::new(source),
        })?;
        Ok(MountSpec {
            target: mount.target.clone(),
            kind: MountKind::Layers {
                lower: image.layers.clone(),
                subpath: mount.subpath.clone(),
            },
            read_only: true,
        })
    }

    /// Where its volumes and binds are: what `volumes_from` gives to others.
    pub(super) fn shared(&self) -> Vec<String> {
        let lasting = |mount: &&Mount| matches!(mount, Mount::Volume(_) | Mount::Bind(_));
        let own = self.service.mounts.iter().filter(lasting);
        let mut all: Vec<String> = own.map(|mount| mount.target().to_owned()).collect();
        all.extend(self.image.config.volumes.iter().cloned());
        for from in &self.service.volumes_from {
            let theirs = (self.launch_of)(&from.source).map(|launch| launch.shared);
            all.extend(theirs.into_iter().flatten());
        }
        all
    }

    /// The labels that anonymous volumes are made with.
    pub(super) fn volume_labels(
        &self,
        volumes: &[VolumeUse],
    ) -> BTreeMap<VolumeName, BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        for mount in &self.service.mounts {
            let Mount::Volume(mount) = mount else {
                continue;
            };
            let made = volumes
                .iter()
                .find(|v| v.anonymous && same_target(&v.target, &mount.target));
            if let Some(made) = made {
                all.insert(
                    made.name.clone(),
                    mount.labels.clone().into_iter().collect(),
                );
            }
        }
        all
    }

    /// `volume` is `None` for a path the image declares.
    fn volume(
        &self,
        volume: Option<&VolumeMount>,
        target: &str,
        read_only: bool,
        volumes: &mut Vec<VolumeUse>,
    ) -> MountSpec {
        let key = volume.and_then(|v| v.source.as_ref());
        let named = key
            .and_then(|key| self.project.volumes.get(key))
            .map(|v| v.name.clone());
        let inherited = || {
            self.inherited
                .iter()
                .find(|u| same_target(&u.target, target))
                .map(|u| u.name.clone())
        };
        let anonymous = named.is_none();
        let name = named
            .or_else(inherited)
            .unwrap_or_else(VolumeName::anonymous);
        let source = (self.volume_path)(&name);
        volumes.push(VolumeUse {
            name,
            target: target.to_owned(),
            anonymous,
        });
        MountSpec {
            target: target.to_owned(),
            kind: MountKind::Bind {
                source,
                subpath: volume.and_then(|v| v.subpath.clone()),
                propagation: None,
                recursive: true,
                shallow: false,
                copy_up: !volume.is_some_and(|v| v.nocopy || v.subpath.is_some()),
            },
            read_only,
        }
    }

    fn files(
        &self,
        kind: &'static str,
        uses: &[FileMount],
        objects: &IndexMap<String, FileObject>,
        mounts: &mut Vec<MountSpec>,
    ) -> Result<(), Error> {
        for file in uses {
            let Some(object) = objects.get(&file.source) else {
                continue;
            };
            mounts.push(MountSpec {
                target: file.target.clone(),
                kind: MountKind::File {
                    content: content(&object.content).map_err(|source| Error::File {
                        service: self.service.name.to_string(),
                        kind,
                        name: file.source.clone(),
                        source,
                    })?,
                    uid: file.uid.unwrap_or(0),
                    gid: file.gid.unwrap_or(0),
                    mode: file.mode.unwrap_or(0o444),
                },
                read_only: true,
            });
        }
        Ok(())
    }
}

/// The bytes of a secret or config.
fn content(content: &FileContent) -> Result<Vec<u8>, secret::Error> {
    match content {
        FileContent::Environment(_, value) => Ok(value.clone().into_bytes()),
        FileContent::Inline(text) => Ok(text.clone().into_bytes()),
        FileContent::File(path) => secret::read(path),
    }
}

fn plain_bind(source: PathBuf, recursive: bool) -> MountKind {
    MountKind::Bind {
        source,
        subpath: None,
        propagation: None,
        recursive,
        shallow: false,
        copy_up: false,
    }
}

fn same_target(a: &str, b: &str) -> bool {
    a.split('/')
        .filter(|p| !p.is_empty())
        .eq(b.split('/').filter(|p| !p.is_empty()))
}
