//! Resource limits of a process.

use crate::runtime::spec::RlimitSpec;
use rustix::io::Errno;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;

/// Why a limit was not set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not one of the sixteen names of Linux.
    #[error("unknown resource limit `{name}`")]
    Unknown {
        /// The name as given.
        name: String,
    },
    /// The soft limit is above the hard one.
    #[error("resource limit `{name}`: the soft limit {soft} is above the hard limit {hard}")]
    SoftAboveHard {
        /// Which limit.
        name: String,
        /// Soft limit asked for.
        soft: u64,
        /// Hard limit asked for.
        hard: u64,
    },
    /// Above the hard limit we have, without the right to raise it.
    #[error(
        "resource limit `{name}` cannot be raised to {wanted}: the hard limit here is {current}"
    )]
    NotPermitted {
        /// Which limit.
        name: String,
        /// Hard limit asked for.
        wanted: String,
        /// Hard limit we have.
        current: String,
    },
    /// Any other refusal of the kernel.
    #[error("cannot set resource limit `{name}`")]
    Kernel {
        /// Which limit.
        name: String,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
}

impl Error {
    /// What to change.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotPermitted { name, current, .. } => Some(format!(
                "lower `ulimits.{name}` to {current}, or run with CAP_SYS_RESOURCE"
            )),
            Self::Unknown { .. } => {
                let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
                Some(format!("known limits: {}", names.join(", ")))
            }
            _ => None,
        }
    }
}

const NAMES: [(&str, Resource); 16] = [
    ("as", Resource::As),
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

/// Sets the limits of the calling process.
pub fn apply(limits: &[RlimitSpec]) -> Result<(), Error> {
    limits.iter().try_for_each(set)
}

fn set(limit: &RlimitSpec) -> Result<(), Error> {
    let name = || limit.name.clone();
    let resource = NAMES
        .iter()
        .find(|(known, _)| *known == limit.name)
        .map(|(_, resource)| *resource)
        .ok_or_else(|| Error::Unknown { name: name() })?;
    if limit.soft > limit.hard {
        return Err(Error::SoftAboveHard {
            name: name(),
            soft: limit.soft,
            hard: limit.hard,
        });
    }
    let value = |number: u64| (number != u64::MAX).then_some(number);
    let wanted = Rlimit {
        current: value(limit.soft),
        maximum: value(limit.hard),
    };
    match setrlimit(resource, wanted) {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => Err(Error::NotPermitted {
            name: name(),
            wanted: words(wanted.maximum),
            current: words(getrlimit(resource).maximum),
        }),
        Err(source) => Err(Error::Kernel {
            name: name(),
            source,
        }),
    }
}

const MIB: u64 = 1 << 20;

/// What systemd gives a service, and the unit of docker its containers: soft and hard, `None` = unlimited.
const STANDARD: [(Resource, Option<u64>, Option<u64>); 15] = [
    (Resource::As, None, None),
    (Resource::Core, None, None),
    (Resource::Cpu, None, None),
    (Resource::Data, None, None),
    (Resource::Fsize, None, None),
    (Resource::Locks, None, None),
    (Resource::Memlock, Some(8 * MIB), Some(8 * MIB)),
    (Resource::Msgqueue, Some(819_200), Some(819_200)),
    (Resource::Nice, Some(0), Some(0)),
    (Resource::Nofile, Some(1024), Some(524_288)),
    (Resource::Nproc, None, None),
    (Resource::Rss, None, None),
    (Resource::Rtprio, Some(0), Some(0)),
    (Resource::Rttime, None, None),
    (Resource::Stack, Some(8 * MIB), None),
];

/// Gives this process the standard limits, whatever those of who started it; without CAP_SYS_RESOURCE no hard limit above
/// the one it has.
pub fn set_standard() {
    for (resource, soft, hard) in STANDARD {
        let wanted = Rlimit {
            current: soft,
            maximum: hard,
        };
        if setrlimit(resource, wanted) == Err(Errno::PERM) {
            let most = getrlimit(resource).maximum;
            let below = |limit: Option<u64>| limit.into_iter().chain(most).min();
            let possible = Rlimit {
                current: below(soft),
                maximum: below(hard),
            };
            let _ = setrlimit(resource, possible);
        }
    }
}

/// Lets this process have as many descriptors as it may: the soft limit is for programs that use `select`.
pub fn raise_descriptors() {
    let most = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: most,
        maximum: most,
    };
    let _ = setrlimit(Resource::Nofile, all);
}

fn words(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".into(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(name: &str, soft: u64, hard: u64) -> RlimitSpec {
        RlimitSpec {
            name: name.into(),
            soft,
            hard,
        }
    }

    #[test]
    fn an_unknown_name_is_named_with_the_known_ones() {
        let error = apply(&[limit("nofiles", 1, 1)]).unwrap_err();
        assert_eq!(error.to_string(), "unknown resource limit `nofiles`");
        assert!(error.hint().unwrap().contains("nofile,"));
    }

    #[test]
    fn soft_above_hard_is_refused_before_the_kernel_is_asked() {
        let error = apply(&[limit("nofile", 2, 1)]).unwrap_err();
        assert!(matches!(error, Error::SoftAboveHard { .. }), "{error}");
    }

    #[test]
    fn the_limits_we_have_can_be_set_again() {
        let now = getrlimit(Resource::Core);
        let number = |n: Option<u64>| n.unwrap_or(u64::MAX);
        apply(&[limit("core", number(now.current), number(now.maximum))]).unwrap();
        assert_eq!(getrlimit(Resource::Core).maximum, now.maximum);
    }

    #[test]
    fn a_limit_beyond_our_rights_names_itself_and_what_we_have() {
        let nr_open = std::fs::read_to_string("/proc/sys/fs/nr_open").unwrap();
        let beyond = nr_open.trim().parse::<u64>().unwrap() + 1;
        // Above fs.nr_open even a process with CAP_SYS_RESOURCE gets EPERM.
        let error = apply(&[limit("nofile", 1024, beyond)]).unwrap_err();
        assert!(matches!(error, Error::NotPermitted { .. }), "{error}");
        assert!(error.to_string().contains("`nofile`"), "{error}");
        assert!(error.hint().unwrap().contains("ulimits.nofile"));
    }
}
