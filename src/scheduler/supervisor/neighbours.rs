//! Containers of other projects on networks that several projects use.
//!
//! ```text
//!  <run>/shared/<network>/<project>.json     who of that project is on the network, and by which names
//! ```
//! A network's folder appears when a project uses it as external; from then on every project with containers on it keeps
//! its file true, and inotify tells the others.
//!
//! Invariants: a file of another boot is not believed; one that cannot be written or read costs names of neighbours, never
//! a container; nobody waits for another project.

use super::project::Project;
use super::watch;
use crate::id::{ContainerId, NetworkName, ProjectName};
use crate::network::dns::{Entry, Membership};
use crate::runtime::identity;
use crate::state::{paths, store};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a project tells of its containers on a network.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    boot: String,
    containers: Vec<Neighbour>,
}

/// A container as others on its network see it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Neighbour {
    id: ContainerId,
    name: String,
    ipv4: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
    names: Vec<String>,
}

/// One project's place among the others.
pub struct Neighbours {
    folder: PathBuf,
    /// `<project>.json`
    file: String,
    changes: OwnedFd,
    /// What the others were told last.
    told: RefCell<BTreeMap<NetworkName, Told>>,
}

impl Neighbours {
    /// Of the project `name`; `folder` is the installation's for all shared networks.
    pub fn new(folder: PathBuf, name: &ProjectName) -> io::Result<Self> {
        paths::make_private(&folder)?;
        let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&changes, &folder, WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
        Ok(Self {
            file: format!("{name}.json"),
            folder,
            changes,
            told: RefCell::default(),
        })
    }

    /// Tells the others who is on `network`, if it is shared. `is_external` = it is, by us.
    pub fn tell(&self, network: &NetworkName, is_external: bool, ours: &[Entry]) {
        let folder = self.folder.join(network.as_str());
        if is_external {
            let _ = paths::make_private(&folder);
        }
        let what = WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        if inotify::add_watch(&self.changes, &folder, what).is_err() {
            self.told.borrow_mut().remove(network);
            return;
        }
        let now = Told::of(network, ours);
        let mut told = self.told.borrow_mut();
        if told.get(network) == Some(&now) {
            return;
        }
        let path = folder.join(&self.file);
        let done = match now.containers.is_empty() {
            false => store::write(&path, &now).is_ok(),
            true => {
                let _ = fs::remove_file(&path);
                // The last one takes the folder away.
                let _ = fs::remove_dir(&folder);
                true
            }
        };
        if done {
            told.insert(network.clone(), now);
        }
    }

    /// The containers of other projects on `network`.
    pub fn on(&self, network: &NetworkName) -> Vec<Entry> {
        let files = fs::read_dir(self.folder.join(network.as_str()));
        let others = files.into_iter().flatten().flatten().filter(|file| {
            let name = file.file_name();
            name != *self.file && Path::new(&name).extension().is_some_and(|e| e == "json")
        });
        let told = others.filter_map(|file| store::read::<Told>(&file.path()).ok().flatten());
        let boot = identity::boot_id().unwrap_or_default();
        told.filter(|told| told.boot == boot)
            .flat_map(|told| told.containers)
            .map(|neighbour| neighbour.entry(network))
            .collect()
    }

    /// Reads what inotify has; whether another project has told something.
    fn heard(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(self.changes.as_fd(), &mut buffer);
        let mut others = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_bytes());
                    others |= name.is_some_and(|name| name != self.file.as_bytes());
                }
                Err(Errno::INTR) => {}
                Err(_) => return others,
            }
        }
    }
}

/// Has the names of `project` follow those of its neighbours, for as long as it is polled.
pub async fn listen(project: Rc<Project>) -> io::Result<()> {
    let changes = watch::readable(project.neighbours.changes.as_fd())?;
    loop {
        changes.readable().await?.clear_ready();
        if project.neighbours.heard() {
            project.names_changed();
        }
    }
}

impl Told {
    fn of(network: &NetworkName, entries: &[Entry]) -> Self {
        let containers = entries.iter().filter_map(|entry| {
            let here = entry.networks.iter().find(|m| m.network == *network)?;
            Some(Neighbour {
                id: entry.container.clone(),
                name: entry.name.clone(),
                ipv4: here.ipv4,
                ipv6: here.ipv6,
                names: here.names.clone(),
            })
        });
        Self {
            boot: identity::boot_id().unwrap_or_default(),
            containers: containers.collect(),
        }
    }
}

impl Neighbour {
    fn entry(self, network: &NetworkName) -> Entry {
        Entry {
            container: self.id,
            name: self.name,
            networks: vec![Membership {
                network: network.clone(),
                ipv4: self.ipv4,
                ipv6: self.ipv6,
                names: self.names,
                internal: false,
            }],
            links: Vec::new(),
            dns: Vec::new(),
        }
    }
}
