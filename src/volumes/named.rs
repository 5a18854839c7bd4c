//! Named volumes: folders below the state root that live until somebody removes them by name.
//!
//! `volumes/NAME/_data` is the data, `volumes/NAME/volume.json` says where it comes from. A volume is made whole under
//! another name and renamed; it is removed by renaming it into `volumes/.trash` first. So whatever a crash leaves is
//! either a volume or trash, and trash is swept by the next [`Volumes::open`].

mod error;
mod mounted;
mod options;

use self::options::Data;
use super::tree;
use crate::id::{ContainerId, ProjectName, VolumeName};
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub use error::Error;
pub use mounted::FileSystem;

const DATA: &str = "_data";
const METADATA: &str = "volume.json";

/// What is asked of a volume when it is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `local`, or empty for it.
    pub driver: String,
    /// Options of the driver: nothing, a bind of a host folder (`o=bind`, `device=/…`, `type=none`), or a file system.
    pub driver_opts: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The project it is made for.
    pub project: Option<ProjectName>,
}

/// What is known of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// When it was made; `None` if a power failure took the record.
    #[serde(default, with = "rfc3339")]
    pub created: Option<jiff::Timestamp>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The project it was made for.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// The host folder that is its data, if it is bound.
    #[serde(default)]
    pub device: Option<PathBuf>,
    /// The file system that is its data, if it is one.
    #[serde(default)]
    pub mount: Option<FileSystem>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: VolumeName,
    /// Where its data is.
    pub path: PathBuf,
    /// What is known of it.
    pub metadata: Metadata,
}

/// The volumes below a state root. Safe to use from many processes.
#[derive(Debug, Clone)]
pub struct Volumes {
    root: PathBuf,
}

impl Volumes {
    /// Opens the volumes below `state_root`, and sweeps what crashed removals left.
    pub fn open(state_root: &Path) -> Result<Self, Error> {
        let volumes = Self {
            root: state_root.join("volumes"),
        };
        let trash = volumes.trash();
        if !trash.is_dir() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder
                .create(&trash)
                .map_err(Error::io("make folder", &trash))?;
        }
        volumes.sweep()?;
        Ok(volumes)
    }

    /// Makes the volume if it does not exist; `true` if it was made. An existing one keeps its labels, as docker's does,
    /// but must have its data where `request` wants it.
    pub fn create(&self, name: &VolumeName, request: &Request) -> Result<bool, Error> {
        let (device, mount) = match options::data(request)? {
            Data::Own => (None, None),
            Data::Folder(device) => (Some(device), None),
            Data::Mounted(mount) => (None, Some(mount)),
        };
        let metadata = Metadata {
            created: Some(jiff::Timestamp::now()),
            labels: request.labels.clone(),
            project: request.project.clone(),
            device,
            mount,
        };
        if self.exists(name) {
            let known = self.metadata(name);
            if known.created.is_none() {
                self.restore(name, &metadata)?;
            } else if (&known.device, &known.mount) != (&metadata.device, &metadata.mount) {
                let (name, path) = (name.clone(), self.path(name));
                return Err(Error::Different { name, path });
            }
            return Ok(false);
        }
        // Made in the trash: a crash before the rename leaves it for the sweep.
        let made = self
            .trash()
            .join(format!("new-{}", ContainerId::random().short()));
        make(&made, &metadata)?;
        let target = self.folder(name);
        let renamed = rustix::fs::renameat_with(
            rustix::fs::CWD,
            &made,
            rustix::fs::CWD,
            &target,
            RenameFlags::NOREPLACE,
        );
        match renamed {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => {
                self.discard(&made)?;
                self.create(name, request)
            }
            Err(errno) => Err(Error::io("make", &target)(errno)),
        }
    }

    /// Where the data of a volume is: `…/volumes/NAME/_data`, or the host folder it binds.
    pub fn path(&self, name: &VolumeName) -> PathBuf {
        let data = self.folder(name).join(DATA);
        self.metadata(name).device.unwrap_or(data)
    }

    /// Whether there is a volume of that name.
    pub fn exists(&self, name: &VolumeName) -> bool {
        self.folder(name).is_dir()
    }

    /// All volumes, by name.
    pub fn list(&self) -> Result<Vec<Volume>, Error> {
        let entries = fs::read_dir(&self.root).map_err(Error::io("read", &self.root))?;
        let mut volumes = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io("read", &self.root))?;
            let name = entry
                .file_name()
                .into_string()
                .ok()
                .and_then(|name| VolumeName::new(name).ok());
            volumes.extend(
                name.filter(|name| self.exists(name))
                    .map(|name| self.volume(name)),
            );
        }
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(volumes)
    }

    /// One volume.
    pub fn get(&self, name: &VolumeName) -> Result<Volume, Error> {
        if self.exists(name) {
            Ok(self.volume(name.clone()))
        } else {
            Err(Error::NotFound(name.clone()))
        }
    }

    /// Removes a volume and its data; of a bound one only the name. The only call that does.
    pub fn remove(&self, name: &VolumeName) -> Result<(), Error> {
        let folder = self.folder(name);
        self.unmount_if_there(name)?;
        let doomed = self
            .trash()
            .join(format!("gone-{}", ContainerId::random().short()));
        match fs::rename(&folder, &doomed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotFound(name.clone()));
            }
            done => done.map_err(Error::io("remove", &folder))?,
        }
        self.discard(&doomed)
    }

    /// What is mounted must not be emptied with the rest.
    fn unmount_if_there(&self, name: &VolumeName) -> Result<(), Error> {
        match self.exists(name) {
            true => self.unmount(name),
            false => Ok(()),
        }
    }

    fn volume(&self, name: VolumeName) -> Volume {
        Volume {
            path: self.path(&name),
            metadata: self.metadata(&name),
            name,
        }
    }

    /// Writes the record of a volume that has lost it (a power failure). Data that is in it stays what it is, wherever
    /// the request wants it.
    fn restore(&self, name: &VolumeName, metadata: &Metadata) -> Result<(), Error> {
        let data = self.folder(name).join(DATA);
        let has_data = fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some());
        if has_data && metadata.device.is_some() {
            let name = name.clone();
            return Err(Error::Different { name, path: data });
        }
        let record = self.folder(name).join(METADATA);
        let aside = record.with_extension("new");
        fs::write(&aside, json(metadata))
            .and_then(|()| fs::rename(&aside, &record))
            .map_err(Error::io("write", &record))
    }

    /// A record that is missing or cut short costs the labels, never the data.
    fn metadata(&self, name: &VolumeName) -> Metadata {
        let read = fs::read(self.folder(name).join(METADATA)).ok();
        let parsed = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        parsed.unwrap_or(Metadata {
            created: None,
            labels: BTreeMap::new(),
            project: None,
            device: None,
            mount: None,
        })
    }

    fn folder(&self, name: &VolumeName) -> PathBuf {
        // A name has no slash and does not begin with a dot, see `id`.
        self.root.join(name.as_str())
    }

    fn trash(&self) -> PathBuf {
        self.root.join(".trash")
    }

    /// Removes what is in the trash, unless its maker is at work on it.
    fn sweep(&self) -> Result<(), Error> {
        let trash = self.trash();
        for entry in fs::read_dir(&trash).map_err(Error::io("read", &trash))? {
            let entry = entry.map_err(Error::io("read", &trash))?;
            let name = entry.file_name();
            let fresh = name.to_string_lossy().starts_with("new-") && is_recent(&entry);
            if !fresh {
                self.discard(&entry.path())?;
            }
        }
        Ok(())
    }

    fn discard(&self, path: &Path) -> Result<(), Error> {
        let trash = open(&self.trash())?;
        let name = path.file_name().expect("trash is below a folder");
        let fail = |source| Error::io("remove", path)(source);
        match tree::open_folder(trash.as_fd(), name.as_encoded_bytes()) {
            Ok(folder) => tree::empty(folder.as_fd()).map_err(fail)?,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(fail(errno.into())),
        }
        match fs::remove_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fail(error)),
            _ => Ok(()),
        }
    }
}

/// Making a volume takes a millisecond; one that is a minute old has no maker.
fn is_recent(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|found| found.modified());
    // One from the future was made before the clock was set back.
    modified.is_ok_and(|at| at.elapsed().map_or(true, |age| age.as_secs() < 60))
}

fn make(folder: &Path, metadata: &Metadata) -> Result<(), Error> {
    let data = folder.join(DATA);
    let record = folder.join(METADATA);
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .map_err(Error::io("make folder", folder))?;
    fs::create_dir(&data)
        .and_then(|()| fs::set_permissions(&data, Permissions::from_mode(0o755)))
        .map_err(Error::io("make folder", &data))?;
    fs::write(&record, json(metadata)).map_err(Error::io("write", &record))
}

fn json(metadata: &Metadata) -> Vec<u8> {
    serde_json::to_vec_pretty(metadata).expect("maps with string keys serialise")
}

fn open(folder: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, Mode::empty()).map_err(Error::io("open", folder))
}

/// Times in the record are text.
mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Option<jiff::Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<jiff::Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.and_then(|text| text.parse().ok()))
    }
}

#[cfg(test)]
mod tests;
