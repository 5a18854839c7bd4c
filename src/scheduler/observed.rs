//! What exists of a project: plain data, read from records and the kernel before planning.
//!
//! It has a text form (`Display` and [`Observed::parse`]), one thing a line, for tests, logs and bug reports:
//!
//! ```text
//! network app_default hash=3fc9 down
//! volume app_data hash=77
//! container app-web-1 service=web number=1 running healthy id=a1 config=c0ffee image=b2 networks=app_default
//! ```
//!
//! Ids and digests may leave out their trailing zeros, so that those in tests are short.

use crate::id::ContainerId;
use crate::id::Digest;
use crate::id::InvalidName;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use std::fmt;

/// Everything of one project that exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Networks of the project, and the external ones it names as far as they exist.
    pub networks: Vec<ObservedNetwork>,
    /// Named volumes of the project, and the external ones it names as far as they exist.
    pub volumes: Vec<ObservedVolume>,
    /// All containers of the project, running or not.
    pub containers: Vec<ObservedContainer>,
}

/// A network that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedNetwork {
    /// Full name.
    pub name: NetworkName,
    /// [`super::desired::DesiredNetwork::hash`] it was made with; `None` = not made by this project.
    pub hash: Option<Digest>,
    /// Whether the kernel has it: false after a boot, when only the record is left.
    pub up: bool,
}

/// A named volume that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedVolume {
    /// Full name.
    pub name: VolumeName,
    /// [`super::desired::DesiredVolume::hash`] it was made with; `None` = not made by this project.
    pub hash: Option<Digest>,
}

/// A container that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedContainer {
    /// Identity.
    pub id: ContainerId,
    /// Name.
    pub name: String,
    /// Service it was made for.
    pub service: ServiceName,
    /// Number within the service; 0 for a one-off container.
    pub number: u32,
    /// Made by `run`.
    pub one_off: bool,
    /// Fingerprint of the service it was made from.
    pub config: Digest,
    /// Id of the image it was made from.
    pub image: Digest,
    /// Life.
    pub state: State,
    /// Health; `None` = it has no health check (or does not run).
    pub health: Option<Health>,
    /// Networks it is a member of.
    pub networks: Vec<NetworkName>,
    /// Named volumes it mounts.
    pub volumes: Vec<VolumeName>,
    /// Containers of services of this project whose network, PID or IPC namespace it shares.
    pub joined: Vec<ContainerId>,
    /// Nobody is sent to it: the names and ports of its place are those of another container.
    pub apart: bool,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Never started.
    Created,
    /// Its PID 1 runs.
    Running,
    /// Frozen.
    Paused,
    /// Between two runs: the restart policy will start it again.
    Restarting,
    /// Its PID 1 ended.
    Exited {
        /// With this code.
        code: i32,
    },
    /// Cannot be started again (it was half made or half removed).
    Dead,
}

/// What the health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// No verdict yet.
    Starting,
    /// Healthy.
    Healthy,
    /// Unhealthy.
    Unhealthy,
}

impl State {
    /// Whether processes of it are alive (or about to be), so that it must be stopped before it is removed.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

impl ObservedContainer {
    /// As actions name it.
    pub fn reference(&self) -> super::action::ContainerRef {
        super::action::ContainerRef {
            id: self.id.clone(),
            name: self.name.clone(),
            service: self.service.clone(),
            number: self.number,
        }
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for network in &self.networks {
            write!(f, "network {}", network.name)?;
            write_hash(f, network.hash.as_ref())?;
            f.write_str(if network.up { "\n" } else { " down\n" })?;
        }
        for volume in &self.volumes {
            write!(f, "volume {}", volume.name)?;
            write_hash(f, volume.hash.as_ref())?;
            f.write_str("\n")?;
        }
        self.containers.iter().try_for_each(|c| writeln!(f, "{c}"))
    }
}

fn write_hash(f: &mut fmt::Formatter<'_>, hash: Option<&Digest>) -> fmt::Result {
    hash.map_or(Ok(()), |hash| write!(f, " hash={}", short(hash.hex())))
}

impl fmt::Display for ObservedContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, service, number) = (&self.name, &self.service, self.number);
        write!(f, "container {name} service={service} number={number}")?;
        f.write_str(if self.one_off { " one-off" } else { "" })?;
        write!(f, " {}", self.state)?;
        match self.health {
            Some(Health::Starting) => f.write_str(" starting")?,
            Some(Health::Healthy) => f.write_str(" healthy")?,
            Some(Health::Unhealthy) => f.write_str(" unhealthy")?,
            None => {}
        }
        f.write_str(if self.apart { " apart" } else { "" })?;
        write!(f, " id={}", short(self.id.as_str()))?;
        write!(f, " config={}", short(self.config.hex()))?;
        write!(f, " image={}", short(self.image.hex()))?;
        write_list(f, "networks", self.networks.iter().map(NetworkName::as_str))?;
        write_list(f, "volumes", self.volumes.iter().map(VolumeName::as_str))?;
        write_list(f, "joined", self.joined.iter().map(|id| short(id.as_str())))
    }
}

fn write_list<'a>(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    values: impl Iterator<Item = &'a str>,
) -> fmt::Result {
    let values: Vec<_> = values.collect();
    if values.is_empty() {
        return Ok(());
    }
    write!(f, " {key}={}", values.join(","))
}

impl fmt::Display for State {
    /// One word: `created`, `running`, `exited(0)`, ….
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("created"),
            Self::Running => f.write_str("running"),
            Self::Paused => f.write_str("paused"),
            Self::Restarting => f.write_str("restarting"),
            Self::Exited { code } => write!(f, "exited({code})"),
            Self::Dead => f.write_str("dead"),
        }
    }
}

/// Without trailing zeros, but never empty.
fn short(hex: &str) -> &str {
    let trimmed = hex.trim_end_matches('0');
    if trimmed.is_empty() {
        &hex[..1]
    } else {
        trimmed
    }
}

/// A line of the text form that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl Observed {
    /// Reads the text form. Empty lines and lines that begin with `#` are skipped.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut observed = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |problem| ParseError {
                line: index + 1,
                problem,
            };
            observed.parse_line(line).map_err(at)?;
        }
        Ok(observed)
    }

    fn parse_line(&mut self, line: &str) -> Result<(), String> {
        let words = Words::split(line)?;
        match words.noun {
            "network" => self.networks.push(ObservedNetwork {
                name: words.name()?,
                hash: words.optional_digest("hash")?,
                up: !words.has("down"),
            }),
            "volume" => self.volumes.push(ObservedVolume {
                name: words.name()?,
                hash: words.optional_digest("hash")?,
            }),
            "container" => self.containers.push(words.container()?),
            other => return Err(format!("unknown thing `{other}`")),
        }
        Ok(())
    }
}

/// A line of the text form, cut into words.
struct Words<'a> {
    noun: &'a str,
    name: &'a str,
    flags: Vec<&'a str>,
    values: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn split(line: &'a str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let noun = words.next().unwrap_or_default();
        let name = words.next().ok_or("a name is missing")?;
        let (values, flags) = words.partition::<Vec<_>, _>(|word| word.contains('='));
        let values = values
            .into_iter()
            .filter_map(|word| word.split_once('='))
            .collect();
        Ok(Self {
            noun,
            name,
            flags,
            values,
        })
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.values.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
    }

    fn needed(&self, key: &str) -> Result<&'a str, String> {
        self.value(key)
            .ok_or_else(|| format!("`{key}=` is missing"))
    }

    fn name<T: TryFrom<String, Error = InvalidName>>(&self) -> Result<T, String> {
        checked(self.name)
    }

    fn list<T>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        self.value(key)
            .map_or(Ok(vec![]), |text| text.split(',').map(read).collect())
    }

    fn optional_digest(&self, key: &str) -> Result<Option<Digest>, String> {
        self.value(key).map(long_digest).transpose()
    }

    fn container(&self) -> Result<ObservedContainer, String> {
        let number = self.needed("number")?;
        Ok(ObservedContainer {
            id: long_id(self.needed("id")?)?,
            name: self.name.to_owned(),
            service: checked(self.needed("service")?)?,
            number: number
                .parse()
                .map_err(|e| format!("`number={number}`: {e}"))?,
            one_off: self.has("one-off"),
            config: long_digest(self.needed("config")?)?,
            image: long_digest(self.needed("image")?)?,
            state: self.state()?,
            health: self.health(),
            networks: self.list("networks", checked)?,
            volumes: self.list("volumes", checked)?,
            joined: self.list("joined", long_id)?,
            apart: self.has("apart"),
        })
    }

    fn state(&self) -> Result<State, String> {
        let state = |word: &&str| match *word {
            "created" => Some(State::Created),
            "running" => Some(State::Running),
            "paused" => Some(State::Paused),
            "restarting" => Some(State::Restarting),
            "dead" => Some(State::Dead),
            _ => {
                let code = word.strip_prefix("exited(")?.strip_suffix(')')?;
                Some(State::Exited {
                    code: code.parse().ok()?,
                })
            }
        };
        self.flags
            .iter()
            .find_map(state)
            .ok_or_else(|| "its state is missing".to_owned())
    }

    fn health(&self) -> Option<Health> {
        self.flags.iter().find_map(|word| match *word {
            "starting" => Some(Health::Starting),
            "healthy" => Some(Health::Healthy),
            "unhealthy" => Some(Health::Unhealthy),
            _ => None,
        })
    }
}

fn checked<T: TryFrom<String, Error = InvalidName>>(text: &str) -> Result<T, String> {
    T::try_from(text.to_owned()).map_err(|e| e.to_string())
}

fn long_id(hex: &str) -> Result<ContainerId, String> {
    checked(&format!("{hex:0<64}"))
}

fn long_digest(hex: &str) -> Result<Digest, String> {
    checked(&format!("sha256:{hex:0<64}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_gives_back_what_it_was_made_from() {
        let text = "\
network app_default hash=3fc9
network lan down
volume app_data hash=77
volume shared
container app-web-1 service=web number=1 running healthy id=a1 config=c0ffee image=b2 networks=app_default,lan volumes=app_data joined=d1,d2
container app-job-run-1 service=job number=0 one-off exited(-3) id=0 config=1 image=2
container app-x-2 service=x number=2 paused starting id=9 config=1 image=2
";
        let observed = Observed::parse(text).unwrap();
        assert_eq!(observed.to_string(), text);
        assert_eq!(observed.containers[1].state, State::Exited { code: -3 });
        assert!(observed.networks[0].up && !observed.networks[1].up);
    }

    #[test]
    fn lines_that_cannot_be_read_are_named() {
        for (text, problem) in [
            ("\n# fine\nnet x", "line 3: unknown thing `net`"),
            ("volume", "line 1: a name is missing"),
            (
                "container c service=s number=1 running",
                "line 1: `id=` is missing",
            ),
            (
                "container c service=s number=x running id=1",
                "line 1: `number=x`: invalid digit found in string",
            ),
            (
                "container c service=s number=1 id=1 config=1 image=1",
                "line 1: its state is missing",
            ),
        ] {
            assert_eq!(
                Observed::parse(text).unwrap_err().to_string(),
                problem,
                "{text}"
            );
        }
    }
}
