//! Devices: which nodes `/dev` has, and which the cgroup lets the container use.
//!
//! Invariant: nodes are made by dirfd in a `/dev` that we mounted ourselves; nothing of the image is followed.

mod nodes;

use crate::runtime::spec::DeviceSpec;
use nodes::nodes_of;
pub use nodes::populate_dev;
pub use nodes::populate_root;
use rustix::io::Errno;
use std::path::PathBuf;

/// Why a device is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host node is missing or unreadable.
    #[error("cannot look at device `{path}` of the host")]
    Source {
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The host path is no device.
    #[error("`{path}` is not a device")]
    NotADevice {
        /// Its path.
        path: PathBuf,
    },
    /// Access other than some of `rwm`.
    #[error("device `{path}`: access `{access}` must be made of `r`, `w` and `m`")]
    Access {
        /// Path of the host node.
        path: PathBuf,
        /// The text.
        access: String,
    },
    /// Not `KIND MAJOR:MINOR ACCESS`.
    #[error("device rule `{line}` is not of the form `c 1:3 rwm`")]
    Rule {
        /// As written.
        line: String,
    },
    /// The path inside is not one of a file.
    #[error("device target `{target}` must be the absolute path of a file, without `..`")]
    Target {
        /// The path.
        target: String,
    },
    /// The node or link could not be made.
    #[error("cannot create `{path}` in the container")]
    Create {
        /// Path inside.
        path: String,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
}

/// Character or block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Character.
    Char,
    /// Block.
    Block,
}

/// Read, write and mknod as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(pub u8);

impl Access {
    /// mknod.
    pub const MKNOD: Self = Self(1);
    /// Read.
    pub const READ: Self = Self(2);
    /// Write.
    pub const WRITE: Self = Self(4);
    /// All three.
    pub const ALL: Self = Self(7);

    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::ALL);
        }
        text.chars().try_fold(Self(0), |set, letter| match letter {
            'r' => Some(Self(set.0 | Self::READ.0)),
            'w' => Some(Self(set.0 | Self::WRITE.0)),
            'm' => Some(Self(set.0 | Self::MKNOD.0)),
            _ => None,
        })
    }

    /// As cgroup v1 writes it.
    pub fn letters(self) -> String {
        [(Self::READ, 'r'), (Self::WRITE, 'w'), (Self::MKNOD, 'm')]
            .into_iter()
            .filter(|(bit, _)| self.0 & bit.0 != 0)
            .map(|(_, letter)| letter)
            .collect()
    }
}

/// One line of device control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whether matching access is allowed.
    pub allow: bool,
    /// Kind of device.
    pub kind: Kind,
    /// Major number; `None` = any.
    pub major: Option<u32>,
    /// Minor number; `None` = any.
    pub minor: Option<u32>,
    /// The access it is about.
    pub access: Access,
}

/// Device control of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceRules {
    /// Everything is allowed.
    Everything,
    /// Nothing but what the rules allow; a later rule wins over an earlier one.
    Only(Vec<Rule>),
}

const fn char_rule(allow: bool, major: u32, minor: Option<u32>) -> Rule {
    Rule {
        allow,
        kind: Kind::Char,
        major: Some(major),
        minor,
        access: Access::ALL,
    }
}

const fn any_mknod(kind: Kind) -> Rule {
    Rule {
        allow: true,
        kind,
        major: None,
        minor: None,
        access: Access::MKNOD,
    }
}

/// What docker and runc allow everywhere: nodes may be made but not used, but for these.
const DEFAULT_RULES: [Rule; 13] = [
    any_mknod(Kind::Char),
    any_mknod(Kind::Block),
    char_rule(true, 1, Some(3)),     // null
    char_rule(true, 1, Some(8)),     // random
    char_rule(true, 1, Some(7)),     // full
    char_rule(true, 5, Some(0)),     // tty
    char_rule(true, 1, Some(5)),     // zero
    char_rule(true, 1, Some(9)),     // urandom
    char_rule(true, 5, Some(1)),     // console
    char_rule(true, 136, None),      // pts
    char_rule(true, 5, Some(2)),     // ptmx
    char_rule(true, 10, Some(200)),  // net/tun
    char_rule(false, 10, Some(229)), // fuse
];

/// The device control for a container with these extra devices and `device_cgroup_rules`.
pub fn rules(
    extra: &[DeviceSpec],
    further: &[String],
    privileged: bool,
) -> Result<DeviceRules, Error> {
    if privileged {
        return Ok(DeviceRules::Everything);
    }
    let mut rules = DEFAULT_RULES.to_vec();
    for spec in extra {
        let access = Access::parse(&spec.access).ok_or_else(|| Error::Access {
            path: spec.source.clone(),
            access: spec.access.clone(),
        })?;
        rules.extend(nodes_of(spec)?.into_iter().map(|node| Rule {
            allow: true,
            kind: node.kind,
            major: Some(rustix::fs::major(node.device)),
            minor: Some(rustix::fs::minor(node.device)),
            access,
        }));
    }
    for line in further {
        rules.extend(parse_rule(line)?);
    }
    Ok(DeviceRules::Only(rules))
}

/// `c 1:3 mr`, `b *:* rwm`, `a *:* rwm`: the rules that one line of `device_cgroup_rules` stands for.
pub fn parse_rule(line: &str) -> Result<Vec<Rule>, Error> {
    let malformed = || Error::Rule { line: line.into() };
    let mut words = line.split(' ');
    let (Some(kind), Some(numbers), Some(access), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(malformed());
    };
    let kinds: &[Kind] = match kind {
        "c" => &[Kind::Char],
        "b" => &[Kind::Block],
        "a" => &[Kind::Char, Kind::Block],
        _ => return Err(malformed()),
    };
    let number = |text: &str| match text {
        "*" => Ok(None),
        text => text.parse().map(Some).map_err(|_| malformed()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(malformed)?;
    let (major, minor) = (number(major)?, number(minor)?);
    let access = Access::parse(access)
        .filter(|_| (1..=3).contains(&access.len()))
        .ok_or_else(malformed)?;
    let rule = |kind: &Kind| Rule {
        allow: true,
        kind: *kind,
        major,
        minor,
        access,
    };
    Ok(kinds.iter().map(rule).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(source: &str, target: &str, access: &str) -> DeviceSpec {
        DeviceSpec {
            source: source.into(),
            target: target.into(),
            access: access.into(),
        }
    }

    #[test]
    fn extra_devices_become_rules_of_their_numbers() {
        let DeviceRules::Only(rules) =
            rules(&[spec("/dev/null", "/dev/x", "rw")], &[], false).unwrap()
        else {
            panic!("not privileged");
        };
        let last = rules.last().unwrap();
        assert_eq!(
            (last.major, last.minor, last.access.letters().as_str()),
            (Some(1), Some(3), "rw")
        );
        assert_eq!(
            super::rules(&[], &[], true).unwrap(),
            DeviceRules::Everything
        );
    }

    #[test]
    fn senseless_devices_are_refused_by_name() {
        for (source, target, access) in [
            ("/dev/nonesuch", "/dev/x", "rwm"),
            ("/etc/hostname", "/dev/x", "rwm"),
            ("/dev/null", "/dev/x", "rx"),
            ("/dev/null", "etc/x", "r"),
            ("/dev/null", "/dev", "r"),
            ("/dev/null", "/dev/../etc/x", "r"),
            ("/dev/null", "/dev/", "r"),
        ] {
            let error = rules(&[spec(source, target, access)], &[], false)
                .unwrap_err()
                .to_string();
            assert!(error.contains(source) || error.contains(target), "{error}");
        }
    }

    #[test]
    fn written_rules_are_read_as_docker_reads_them() {
        let rules = parse_rule("a 10:* rm").unwrap();
        assert_eq!(rules.len(), 2);
        assert_eq!((rules[0].major, rules[0].minor), (Some(10), None));
        assert_eq!(rules[1].kind, Kind::Block);
        assert_eq!(parse_rule("c *:* w").unwrap()[0].access, Access::WRITE);
        for bad in [
            "",
            "c 1:3",
            "x 1:3 r",
            "c 1 r",
            "c 1:3 rx",
            "c 1:3  r",
            "c 1:3 rwmr",
        ] {
            let error = parse_rule(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")), "{error}");
        }
    }
}
