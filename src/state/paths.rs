//! Where things are kept. The state root outlives a boot; the run folder need not (it is on a tmpfs by default).

use super::aside::{self, Maker};
use super::lock::Lock;
use crate::id::ContainerId;
use crate::id::ProjectName;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// State root and run folder of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Images, volumes, records: `HOIST_ROOT`, `/var/lib/hoist`, or `$XDG_DATA_HOME/hoist` without root.
    pub root: PathBuf,
    /// Sockets, FIFOs, pids: `HOIST_RUN`, `/run/hoist`, or `$XDG_RUNTIME_DIR/hoist` without root.
    pub run: PathBuf,
}

impl Paths {
    /// Reads `HOIST_ROOT`, `HOIST_RUN` and the XDG variables from `environment`. A root of its own without a run folder
    /// of its own gets one below it, so that two installations never share sockets.
    pub fn from_environment(environment: &BTreeMap<String, String>) -> Self {
        let var = |name: &str| {
            environment
                .get(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let is_root = rustix::process::geteuid().is_root();
        let home = var("HOME").unwrap_or_else(|| PathBuf::from("/"));
        let explicit = var("HOIST_ROOT");
        let run = var("HOIST_RUN").or_else(|| explicit.as_ref().map(|root| root.join("run")));
        let root = explicit.unwrap_or_else(|| match is_root {
            true => PathBuf::from("/var/lib/hoist"),
            false => var("XDG_DATA_HOME")
                .unwrap_or_else(|| home.join(".local/share"))
                .join("hoist"),
        });
        let run = run.unwrap_or_else(|| match is_root {
            true => PathBuf::from("/run/hoist"),
            false => {
                var("XDG_RUNTIME_DIR").map_or_else(|| root.join("run"), |dir| dir.join("hoist"))
            }
        });
        Self {
            root: absolute(root),
            run: absolute(run),
        }
    }

    /// The lowest layer of all containers.
    pub fn bottom(&self) -> PathBuf {
        self.root.join("bottom")
    }

    /// Where projects tell each other who is on a network that they share.
    pub fn shared(&self) -> PathBuf {
        self.run.join(SHARED)
    }

    /// The folders of one project.
    pub fn project(&self, name: &ProjectName) -> ProjectPaths {
        ProjectPaths {
            root: self.root.join("projects").join(name.as_str()),
            run: self.run.join("projects").join(name.as_str()),
        }
    }

    /// Logs of a project's containers that `down` has kept, one folder a container.
    pub fn kept_logs(&self, name: &ProjectName) -> PathBuf {
        self.root.join("kept-logs").join(name.as_str())
    }

    /// The names of all projects that have records, sorted.
    pub fn projects(&self) -> io::Result<Vec<ProjectName>> {
        let entries = match fs::read_dir(self.root.join("projects")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names: Vec<ProjectName> = entries
            .filter_map(|e| ProjectName::new(e.ok()?.file_name().into_string().ok()?).ok())
            .collect();
        names.sort();
        Ok(names)
    }
}

/// The folders of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectPaths {
    /// What outlives a boot.
    pub root: PathBuf,
    /// What does not.
    pub run: PathBuf,
}

impl ProjectPaths {
    /// Held by the supervisor for life.
    pub fn lock(&self) -> PathBuf {
        self.run.join("lock")
    }

    /// Where the supervisor listens.
    pub fn control(&self) -> PathBuf {
        self.run.join("control.sock")
    }

    /// Where events are appended.
    pub fn journal(&self) -> PathBuf {
        self.run.join("journal")
    }

    /// What the supervisor itself says when it must not say it to a user.
    pub fn supervisor_log(&self) -> PathBuf {
        self.run.join("supervisor.log")
    }

    /// What outlives a boot of the project and its containers, but for their data.
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// What users are to be told of.
    pub fn news(&self) -> PathBuf {
        self.root.join("news")
    }

    /// Takes the records for as long as the lock is held: a supervisor has them to itself. Another that lives is not
    /// always found by its run folder: something may be mounted over that, or it was renamed, or `HOIST_RUN` is another.
    pub fn take_records(&self) -> io::Result<Option<Lock>> {
        Lock::take_within(&self.root, DYING)
    }

    /// Tells who has the records, in this boot.
    fn claimed(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Notes that this process has the records, from this run folder.
    pub fn claim(&self) {
        let mut text = format!("{} {} ", aside::boot(), std::process::id()).into_bytes();
        text.extend_from_slice(self.run.as_os_str().as_bytes());
        if fs::read(self.claimed()).ok().as_ref() != Some(&text) {
            // What cannot be noted costs a better error at another time.
            let _ = fs::write(self.claimed(), text);
        }
    }

    /// Who has had the records last, in this boot.
    pub fn claimant(&self) -> Option<Claimant> {
        let text = fs::read(self.claimed()).ok()?;
        let mut words = text.splitn(3, |byte| *byte == b' ');
        let (boot, pid, run) = (words.next()?, words.next()?, words.next()?);
        (boot == aside::boot().as_bytes()).then_some(())?;
        Some(Claimant {
            pid: str::from_utf8(pid).ok()?.parse().ok()?,
            run: PathBuf::from(OsStr::from_bytes(run)),
        })
    }

    /// Another run folder of this project in which something lives.
    pub fn lives_elsewhere(&self) -> Option<PathBuf> {
        let other = Self {
            root: self.root.clone(),
            run: self.claimant()?.run,
        };
        (other.run != self.run && other.has_life()).then_some(other.run)
    }

    fn has_life(&self) -> bool {
        let is_supervised =
            self.lock().exists() && matches!(Lock::try_take(&self.lock()), Ok(None));
        let containers = fs::read_dir(self.run.join("c")).into_iter().flatten();
        is_supervised
            || containers
                .flatten()
                .any(|c| c.path().join("shim.sock").exists())
    }

    /// The folder of all containers' data.
    pub fn containers(&self) -> PathBuf {
        self.root.join("c")
    }

    /// One container's folders.
    pub fn container(&self, id: &ContainerId) -> ContainerPaths {
        ContainerPaths {
            root: self.containers().join(id.as_str()),
            run: self.run.join("c").join(id.short()),
            etc: self.run.join("etc").join(id.short()),
        }
    }

    /// Makes both folders, 0700.
    pub fn make(&self) -> io::Result<()> {
        for dir in [self.root.join("c"), self.run.join("c")] {
            // The last project that leaves takes the folders above with it, maybe between two of our steps.
            while let Err(e) = make_private(&dir) {
                if e.kind() != io::ErrorKind::NotFound {
                    return Err(e);
                }
            }
        }
        Ok(())
    }

    /// Where folders of removed containers are until somebody has the time to empty them.
    pub fn gone(&self) -> PathBuf {
        self.root.join("gone")
    }

    /// Takes both folders out of the way of whoever makes them anew. Nothing is found at their places any more; what
    /// comes back is to be emptied by [`Self::remove_aside`].
    pub fn put_aside(&self) -> io::Result<Vec<PathBuf>> {
        let mut all = Vec::new();
        for dir in [&self.root, &self.run] {
            let aside = dir.with_file_name(aside::name(dir));
            match fs::rename(dir, &aside) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => {
                    other?;
                    all.push(aside);
                }
            }
        }
        Ok(all)
    }

    /// What was put aside by processes that were killed before they had removed it.
    pub fn aside(&self) -> Vec<PathBuf> {
        let all = self.all_aside().into_iter();
        let left = all.filter(|(_, maker)| !maker.lives());
        left.map(|(path, _)| path).collect()
    }

    /// [`Self::aside`], after whoever still has something to remove has ended, or `patience` is over.
    pub fn aside_in_the_end(&self, patience: Duration) -> Vec<PathBuf> {
        for (_, maker) in self.all_aside() {
            maker.wait(patience);
        }
        self.aside()
    }

    fn all_aside(&self) -> Vec<(PathBuf, Maker)> {
        let mut all = Vec::new();
        for dir in [&self.root, &self.run] {
            let Some(above) = dir.parent() else { continue };
            let entries = fs::read_dir(above).into_iter().flatten().flatten();
            all.extend(entries.filter_map(|entry| {
                let maker = Maker::of(dir, &entry.file_name().to_string_lossy())?;
                Some((entry.path(), maker))
            }));
        }
        all
    }

    /// Removes what was put aside, and the folders above that only held it.
    pub fn remove_aside(&self, aside: &[PathBuf]) -> io::Result<()> {
        for dir in aside {
            remove_all(dir)?;
        }
        // The state root has images and volumes; the run folder has projects only. What is not empty stays.
        let above = [self.root.parent(), self.run.parent()];
        for dir in above.into_iter().flatten() {
            let _ = fs::remove_dir(dir);
        }
        // Without projects nobody shares anything.
        let installation = self.run.parent().filter(|projects| !projects.exists());
        if let Some(run) = installation.and_then(Path::parent) {
            let _ = fs::remove_dir(run.join(SHARED));
            let _ = fs::remove_dir(run);
        }
        Ok(())
    }
}

/// A supervisor that has had a project's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant {
    /// The process.
    pub pid: u32,
    /// The project's folder in its run folder.
    pub run: PathBuf,
}

/// How long one that dies may hold the records: the kernel closes its descriptors one after the other.
const DYING: Duration = Duration::from_secs(2);

/// Name of the folder in which projects tell each other of shared networks.
const SHARED: &str = "shared";

/// The folders of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPaths {
    /// Writable layer and logs.
    pub root: PathBuf,
    /// pid.json, exit.json, FIFOs and the shim's socket. The root filesystem is mounted on it, in the container's own
    /// mount namespace: nothing that is bound into a container may be below it.
    pub run: PathBuf,
    /// `hosts`, `hostname`, `resolv.conf`: made for each start.
    pub etc: PathBuf,
}

impl ContainerPaths {
    /// Writable layer.
    pub fn upper(&self) -> PathBuf {
        self.root.join("upper")
    }

    /// overlay's work folder.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// Log segments.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Makes the folders that outlive a boot, 0700 (the writable layer 0755: it becomes `/`).
    pub fn make(&self) -> io::Result<()> {
        make_private(&self.root)?;
        for dir in [self.work(), self.log()] {
            fs::DirBuilder::new().mode(0o700).create(dir)?;
        }
        fs::DirBuilder::new().mode(0o755).create(self.upper())
    }

    /// Makes the folders of a run, 0700, unless they are there.
    pub fn make_run(&self) -> io::Result<()> {
        make_private(&self.run)?;
        make_private(&self.etc)
    }

    /// Removes the folders of a run, and takes the others aside to `gone`: to empty them may take a while.
    pub fn put_aside(&self, gone: &Path) -> io::Result<()> {
        remove_all(&self.etc)?;
        remove_all(&self.run)?;
        make_private(gone)?;
        match fs::rename(
            &self.root,
            gone.join(self.root.file_name().unwrap_or_default()),
        ) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes all folders.
    pub fn remove(&self) -> io::Result<()> {
        remove_all(&self.root)?;
        remove_all(&self.etc)?;
        remove_all(&self.run)
    }
}

/// Makes a folder and its parents, those it makes 0700.
pub fn make_private(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(dir)
}

/// Removes a tree; one that is not there is fine. `std` walks it by descriptors and follows no link.
fn remove_all(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(vars: &[(&str, &str)]) -> Paths {
        Paths::from_environment(
            &vars
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
        )
    }

    #[test]
    fn a_root_of_its_own_has_a_run_folder_of_its_own() {
        assert_eq!(paths(&[("HOIST_ROOT", "/x")]).run, Path::new("/x/run"));
        assert_eq!(
            paths(&[("HOIST_ROOT", "/x"), ("HOIST_RUN", "/y")]).run,
            Path::new("/y")
        );
    }

    #[test]
    fn folders_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths {
            root: dir.path().join("r"),
            run: dir.path().join("s"),
        };
        let project = paths.project(&ProjectName::new("p").unwrap());
        project.make().unwrap();
        let container = project.container(&ContainerId::random());
        container.make().unwrap();
        container.make_run().unwrap();
        for made in [
            &paths.root,
            &paths.run,
            &project.root,
            &container.root,
            &container.run,
        ] {
            assert_eq!(
                fs::metadata(made).unwrap().permissions().mode() & 0o777,
                0o700,
                "{made:?}"
            );
        }
        container.put_aside(&project.gone()).unwrap();
        container.put_aside(&project.gone()).unwrap();
        assert!(!container.root.exists() && !container.run.exists());
        let aside = project.put_aside().unwrap();
        assert!(!project.root.exists() && !project.run.exists());
        assert!(project.put_aside().unwrap().is_empty());
        project.remove_aside(&aside).unwrap();
        assert!(!paths.root.join("projects").exists() && !paths.run.exists());
    }

    #[test]
    fn what_a_dead_process_put_aside_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths {
            root: dir.path().join("r"),
            run: dir.path().join("s"),
        };
        let project = paths.project(&ProjectName::new("p").unwrap());
        project.make().unwrap();
        let own = project.put_aside().unwrap();
        assert!(project.aside().is_empty(), "its process lives");
        let dead = own[0].with_file_name(".p.99999999");
        fs::rename(&own[0], &dead).unwrap();
        assert_eq!(project.aside(), [dead]);
    }
}
