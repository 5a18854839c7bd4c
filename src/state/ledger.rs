//! What outlives a boot of one project, as one file: a line of JSON for each change, appended with one write.
//!
//! One file instead of several a container: an operation on fifty containers costs fifty appends and one sync, and
//! taking them down leaves the file system nothing to clean up but their writable layers. Every prefix of the file is a
//! state that was true once, so a crash can only forget the newest changes, never mix two.
//!
//! Lines carry the version of their records. Fields that were added later have defaults, so older ones read well; a file
//! with a line of a newer version is refused whole, and not touched.
//!
//! Invariants: one process appends, anybody may read; a line torn by a crash is the last one and counts for nothing; a
//! line that is damaged elsewhere is passed over and told, so that nobody sweeps what it may have been about.

use super::record::{ContainerRecord, LifeRecord, ProjectRecord, VERSION};
use super::store::Error;
use crate::id::ContainerId;
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file this much longer than its content needs is written anew.
const SLACK: u64 = 256 << 10;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change<P, C> {
    /// The project itself, whole.
    Project(P),
    /// A container was made.
    Created(C),
    /// Its life went on.
    Life(ContainerId, LifeRecord),
    /// It is gone.
    Removed(ContainerId),
}

/// What all changes come to. `N`, `L`: see [`ProjectRecord`] and [`ContainerRecord`].
#[derive(Debug)]
pub struct Contents<N, L> {
    /// The project, once it was saved.
    pub project: Option<ProjectRecord<N>>,
    /// Its containers with their lives, by creation.
    pub containers: IndexMap<ContainerId, (ContainerRecord<L>, LifeRecord)>,
    /// Numbers of lines that cannot be read, from 1; a torn last line is not among them.
    pub damaged: Vec<usize>,
}

impl<N, L> Default for Contents<N, L> {
    fn default() -> Self {
        Self {
            project: None,
            containers: IndexMap::new(),
            damaged: Vec::new(),
        }
    }
}

impl<N, L> Contents<N, L> {
    fn apply(&mut self, change: Change<ProjectRecord<N>, ContainerRecord<L>>) {
        match change {
            Change::Project(project) => self.project = Some(project),
            Change::Created(record) => {
                self.containers
                    .insert(record.id.clone(), (record, LifeRecord::default()));
            }
            Change::Life(id, life) => {
                if let Some((_, known)) = self.containers.get_mut(&id) {
                    *known = life;
                }
            }
            Change::Removed(id) => {
                self.containers.shift_remove(&id);
            }
        }
    }
}

/// Reads a project's ledger, whoever writes it meanwhile; `None` if there is none.
pub fn read<N, L>(path: &Path) -> Result<Option<Contents<N, L>>, Error>
where
    N: DeserializeOwned,
    L: DeserializeOwned,
{
    match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("read", path)(e)),
        Ok(bytes) => {
            check_version(path, &bytes)?;
            Ok(Some(replay(&bytes).0))
        }
    }
}

/// The version that a line says it is of.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Versioned {
    Project { version: u32 },
    Created { version: u32 },
}

/// Refuses what a newer program has written.
fn check_version(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    for line in bytes.split(|byte| *byte == b'\n') {
        let version = match serde_json::from_slice(line) {
            Ok(Versioned::Project { version } | Versioned::Created { version }) => version,
            // A line without a version, or a damaged one.
            Err(_) => continue,
        };
        if version > VERSION {
            return Err(Error::Newer {
                path: path.to_owned(),
                version,
                known: VERSION,
            });
        }
    }
    Ok(())
}

/// What the lines come to, and how many bytes of them are whole.
fn replay<N, L>(bytes: &[u8]) -> (Contents<N, L>, usize)
where
    N: DeserializeOwned,
    L: DeserializeOwned,
{
    let mut contents = Contents::default();
    let mut whole = 0;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            // Without its line feed even a line that reads well may be the beginning of another.
            Ok(change) if line.ends_with(b"\n") => contents.apply(change),
            _ if whole + line.len() == bytes.len() => break,
            _ => contents.damaged.push(index + 1),
        }
        whole += line.len();
    }
    (contents, whole)
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { what, path, source }
}

/// The one who appends.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines in the file.
    length: u64,
    /// Bytes the file had when it held nothing superfluous.
    needed: u64,
}

impl Ledger {
    /// Opens or makes the ledger at `path`, and cuts a torn line off its end.
    pub fn open<N, L>(path: &Path) -> Result<(Self, Contents<N, L>), Error>
    where
        N: DeserializeOwned,
        L: DeserializeOwned,
    {
        let bytes = match fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(failed("read", path))?,
        };
        check_version(path, &bytes)?;
        let (contents, whole) = replay(&bytes);
        let file = appending(path).map_err(failed("open", path))?;
        let ledger = Self {
            path: path.to_owned(),
            file,
            length: whole as u64,
            needed: 0,
        };
        if whole < bytes.len() {
            ledger.cut().map_err(failed("repair", path))?;
        }
        Ok((ledger, contents))
    }

    /// Notes the project as it is now.
    pub fn project<N: Serialize>(&mut self, record: &ProjectRecord<N>) -> Result<(), Error> {
        self.append(&Change::<_, ()>::Project(record))
    }

    /// Notes a new container.
    pub fn created<L: Serialize>(&mut self, record: &ContainerRecord<L>) -> Result<(), Error> {
        self.append(&Change::<(), _>::Created(record))
    }

    /// Notes how the life of a container stands.
    pub fn life(&mut self, id: &ContainerId, life: LifeRecord) -> Result<(), Error> {
        self.append(&Change::<(), ()>::Life(id.clone(), life))
    }

    /// Notes that a container is gone.
    pub fn removed(&mut self, id: &ContainerId) -> Result<(), Error> {
        self.append(&Change::<(), ()>::Removed(id.clone()))
    }

    fn append(&mut self, change: &impl Serialize) -> Result<(), Error> {
        let line = line(change).map_err(failed("write", &self.path))?;
        if let Err(error) = self.file.write_all(&line) {
            // Half a line would garble the next one. If not even this succeeds, that one is damaged, and told to be.
            let _ = self.cut();
            return Err(failed("write", &self.path)(error));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.length)
    }

    /// Whether the file has grown far beyond what [`Self::rewrite`] would make of it.
    pub fn is_bloated(&self) -> bool {
        self.length > 2 * self.needed + SLACK
    }

    /// Writes the file anew, aside first, with what is true now.
    pub fn rewrite<'a, N, L>(
        &mut self,
        project: &ProjectRecord<N>,
        containers: impl Iterator<Item = (&'a ContainerRecord<L>, LifeRecord)>,
    ) -> Result<(), Error>
    where
        N: Serialize,
        L: Serialize + 'a,
    {
        let all = || -> io::Result<Vec<u8>> {
            let mut text = line(&Change::<_, ()>::Project(project))?;
            for (record, life) in containers {
                text.extend(line(&Change::<(), _>::Created(record))?);
                text.extend(line(&Change::<(), ()>::Life(record.id.clone(), life))?);
            }
            Ok(text)
        };
        let write = || -> io::Result<(File, u64)> {
            let text = all()?;
            let aside = self.path.with_extension("new");
            let _ = fs::remove_file(&aside);
            let mut file = appending(&aside)?;
            file.write_all(&text)?;
            file.sync_data()?;
            fs::rename(&aside, &self.path)?;
            Ok((file, text.len() as u64))
        };
        let (file, length) = write().map_err(failed("write", &self.path))?;
        self.file = file;
        self.length = length;
        self.needed = length;
        Ok(())
    }
}

fn appending(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path)
}

fn line(change: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(change)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Digest, ProjectName};
    use crate::state::record::VERSION;
    use std::collections::BTreeMap;

    type Known = Contents<(), u32>;

    fn container(number: u32) -> ContainerRecord<u32> {
        let digest = Digest::new(format!("sha256:{:064x}", 7)).unwrap();
        ContainerRecord {
            version: VERSION,
            id: ContainerId::new(format!("{number:064x}")).unwrap(),
            name: format!("p-s-{number}"),
            service: "s".to_owned(),
            number,
            image: "i".to_owned(),
            image_id: digest.clone(),
            config_hash: digest,
            created: 1,
            labels: BTreeMap::new(),
            launch: number,
        }
    }

    fn project() -> ProjectRecord<()> {
        ProjectRecord {
            version: VERSION,
            name: ProjectName::new("p").unwrap(),
            directory: PathBuf::from("/"),
            files: Vec::new(),
            networks: Vec::new(),
            cgroup: "c".to_owned(),
            made_from: BTreeMap::new(),
        }
    }

    fn life(restarts: u32) -> LifeRecord {
        LifeRecord {
            restarts,
            ..LifeRecord::default()
        }
    }

    fn numbers(contents: &Known) -> Vec<(u32, u32)> {
        let all = contents.containers.values();
        all.map(|(record, life)| (record.number, life.restarts))
            .collect()
    }

    /// Two containers made, one restarted, the other removed.
    fn history(path: &Path) -> Ledger {
        let (mut ledger, _): (_, Known) = Ledger::open(path).unwrap();
        ledger.project(&project()).unwrap();
        ledger.created(&container(1)).unwrap();
        ledger.created(&container(2)).unwrap();
        ledger.life(&container(1).id, life(3)).unwrap();
        ledger.removed(&container(2).id).unwrap();
        ledger
    }

    #[test]
    fn what_was_noted_is_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        assert!(read::<(), u32>(&path).unwrap().is_none());
        drop(history(&path));
        let (_, contents): (_, Known) = Ledger::open(&path).unwrap();
        assert_eq!(contents.project, Some(project()));
        assert_eq!(numbers(&contents), [(1, 3)]);
        assert!(contents.damaged.is_empty());
    }

    #[test]
    fn each_prefix_is_a_state_that_was_true_and_can_be_gone_on_from() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        drop(history(&path));
        let bytes = fs::read(&path).unwrap();
        let states = [
            vec![],
            vec![],
            vec![(1, 0)],
            vec![(1, 0), (2, 0)],
            vec![(1, 3), (2, 0)],
            vec![(1, 3)],
        ];
        for end in 0..=bytes.len() {
            let lines = bytes[..end].iter().filter(|b| **b == b'\n').count();
            fs::write(&path, &bytes[..end]).unwrap();
            let (mut ledger, contents): (_, Known) = Ledger::open(&path).unwrap();
            assert_eq!(numbers(&contents), states[lines], "the first {end} bytes");
            ledger.created(&container(9)).unwrap();
            let after: Known = read(&path).unwrap().unwrap();
            assert!(after.damaged.is_empty() && after.containers.len() == states[lines].len() + 1);
        }
    }

    #[test]
    fn a_damaged_line_is_told_and_the_others_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        drop(history(&path));
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let garbled = [lines[0], "\0\0\0", lines[2], lines[3]].join("\n") + "\n";
        fs::write(&path, garbled).unwrap();
        let contents: Known = read(&path).unwrap().unwrap();
        assert_eq!(contents.damaged, [2]);
        assert_eq!(numbers(&contents), [(2, 0)]);
    }

    #[test]
    fn what_a_newer_program_has_written_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        drop(history(&path));
        let text = fs::read_to_string(&path).unwrap();
        for line in 0..3 {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let newer = format!("\"version\":{},\"unheard_of\":[1],", VERSION + 1);
            lines[line] = lines[line].replace(&format!("\"version\":{VERSION},"), &newer);
            let newer = lines.join("\n") + "\n";
            fs::write(&path, &newer).unwrap();
            let refused = [
                Ledger::open::<(), u32>(&path).map(drop),
                read::<(), u32>(&path).map(drop),
            ];
            for result in refused {
                let error = result.unwrap_err().to_string();
                assert!(error.contains("ledger` is of version 2"), "{error}");
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), newer);
        }
    }

    #[test]
    fn a_ledger_is_written_anew_when_it_is_mostly_past() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let mut ledger = history(&path);
        for restarts in 0.. {
            ledger.life(&container(1).id, life(restarts)).unwrap();
            if ledger.is_bloated() {
                break;
            }
        }
        let one = container(1);
        let alive = [(&one, life(7))];
        ledger.rewrite(&project(), alive.into_iter()).unwrap();
        assert!(!ledger.is_bloated() && fs::metadata(&path).unwrap().len() < 2048);
        ledger.created(&container(5)).unwrap();
        let contents: Known = read(&path).unwrap().unwrap();
        assert_eq!(numbers(&contents), [(1, 7), (5, 0)]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
