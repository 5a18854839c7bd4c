//! Capabilities: which ones a container has, and taking the rest away.
//!
//! Invariant: inheritable and ambient sets are always empty, as docker leaves them.

use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use rustix::thread::CapabilitySets;
use rustix::thread::capabilities;
use rustix::thread::capability_is_in_bounding_set;
use rustix::thread::clear_ambient_capability_set;
use rustix::thread::remove_capability_from_bounding_set;
use rustix::thread::set_capabilities;
use rustix::thread::set_keep_capabilities;

/// Docker's fourteen.
pub const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// By number.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Why a set of capabilities could not be made or taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a capability of Linux.
    #[error("unknown capability `{name}`")]
    Unknown {
        /// The name as given.
        name: String,
    },
    /// Asked for, but we do not have it ourselves.
    #[error("capability `{name}` cannot be given to a container: this process does not have it")]
    NotHeld {
        /// Its name.
        name: String,
    },
    /// The kernel refused.
    #[error("cannot {step}")]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
}

impl Error {
    /// What to change.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => {
                Some("names are as in capabilities(7), e.g. `NET_ADMIN`, or `ALL`".into())
            }
            Self::NotHeld { name } => Some(format!("remove `{name}` from `cap_add`")),
            Self::Kernel { .. } => None,
        }
    }
}

fn kernel(step: &'static str) -> impl Fn(Errno) -> Error {
    move |source| Error::Kernel { step, source }
}

/// `cap_net_admin`, `NET_ADMIN`, `CAP_NET_ADMIN` → its number.
fn number(name: &str) -> Result<u32, Error> {
    let upper = name.trim().to_ascii_uppercase();
    let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
    NAMES
        .iter()
        .position(|known| *known == short)
        .map(|index| u32::try_from(index).expect("there are 41 names"))
        .ok_or_else(|| Error::Unknown { name: name.into() })
}

fn is_all(name: &str) -> bool {
    matches!(name.trim().to_ascii_uppercase().as_str(), "ALL" | "CAP_ALL")
}

/// The names a container gets, in the order of their numbers, by docker's rules: privileged is everything; `ALL` added
/// is everything but what is dropped; `ALL` dropped leaves only what is added; else the default, less, plus.
///
/// "Everything" is what this process itself has: what the user did not name is not an error.
pub fn effective_set(
    add: &[String],
    drop: &[String],
    privileged: bool,
) -> Result<Vec<String>, Error> {
    let ours = CapSet::ours()?;
    let set = decide(ours, add, drop, privileged)?;
    match set.without(ours).names().into_iter().next() {
        Some(name)
            if add
                .iter()
                .any(|asked| number(asked).is_ok_and(|n| NAMES[n as usize] == name)) =>
        {
            Err(Error::NotHeld { name })
        }
        _ => Ok(set.within(ours).names()),
    }
}

fn decide(
    ours: CapSet,
    add: &[String],
    drop: &[String],
    privileged: bool,
) -> Result<CapSet, Error> {
    let named = |names: &[String]| -> Result<CapSet, Error> {
        let single: Vec<_> = names.iter().filter(|name| !is_all(name)).cloned().collect();
        CapSet::from_names(&single)
    };
    let (added, dropped) = (named(add)?, named(drop)?);
    Ok(if privileged {
        ours
    } else if add.iter().any(|name| is_all(name)) {
        ours.without(dropped)
    } else if drop.iter().any(|name| is_all(name)) {
        added
    } else {
        CapSet::default_set().without(dropped).with(added)
    })
}

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapSet(u64);

impl CapSet {
    /// Reads names with or without `CAP_`, in any case.
    pub fn from_names<S: AsRef<str>>(names: &[S]) -> Result<Self, Error> {
        names.iter().try_fold(Self(0), |set, name| {
            Ok(Self(set.0 | 1 << number(name.as_ref())?))
        })
    }

    /// Docker's default set.
    pub fn default_set() -> Self {
        Self::from_names(&DEFAULT).expect("the default names are known ones")
    }

    /// What this process is permitted.
    pub fn ours() -> Result<Self, Error> {
        let sets = capabilities(None).map_err(kernel("read our own capabilities"))?;
        Ok(Self(sets.permitted.bits() & ((1 << NAMES.len()) - 1)))
    }

    /// The bits as the kernel numbers them.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Names without `CAP_`, in the order of their numbers.
    pub fn names(self) -> Vec<String> {
        NAMES
            .iter()
            .enumerate()
            .filter(|(index, _)| self.0 >> index & 1 == 1)
            .map(|(_, name)| (*name).to_owned())
            .collect()
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Takes everything outside this set from the bounding set, also capabilities newer than this program, and
    /// asks the kernel to keep the permitted set over the coming change of user.
    pub fn apply_bounding(self) -> Result<(), Error> {
        for index in 0..64 {
            let one = CapabilitySet::from_bits_retain(1 << index);
            // EINVAL: past the last capability of this kernel.
            match capability_is_in_bounding_set(one) {
                Err(Errno::INVAL) => break,
                Ok(true) if self.0 >> index & 1 == 0 => remove_capability_from_bounding_set(one)
                    .map_err(kernel("take a capability out of the bounding set"))?,
                _ => {}
            }
        }
        set_keep_capabilities(true).map_err(kernel("keep capabilities over the change of user"))
    }

    /// To be called after the change of user: permitted and effective become this set (as far as a non-root user
    /// keeps them, below), inheritable and ambient become empty.
    ///
    /// A program run by a user other than root has no capabilities after `exec` whatever is set here: that is what
    /// docker does too, since it leaves the ambient set empty.
    pub fn apply(self) -> Result<(), Error> {
        clear_ambient_capability_set().map_err(kernel("clear the ambient capabilities"))?;
        let set = CapabilitySet::from_bits_retain(self.0);
        let sets = CapabilitySets {
            effective: set,
            permitted: set,
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, sets).map_err(kernel("set the capabilities"))?;
        set_keep_capabilities(false).map_err(kernel("reset the keep-capabilities flag"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: CapSet = CapSet((1 << 41) - 1);

    fn decided(add: &[&str], drop: &[&str], privileged: bool) -> Vec<String> {
        let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        decide(OURS, &own(add), &own(drop), privileged)
            .unwrap()
            .names()
    }

    #[test]
    fn the_default_is_dockers_mask() {
        assert_eq!(CapSet::default_set().bits(), 0xa804_25fb);
    }

    #[test]
    fn names_and_numbers_agree_with_the_kernels() {
        assert_eq!(number("CAP_SYS_ADMIN").unwrap(), 21);
        assert_eq!(number("sys_resource").unwrap(), 24);
        assert_eq!(number("Checkpoint_Restore").unwrap(), 40);
        assert_eq!(
            number("NET_ADMIN").unwrap(),
            CapabilitySet::NET_ADMIN.bits().trailing_zeros()
        );
        let error = number("CAP_FLY").unwrap_err();
        assert_eq!(error.to_string(), "unknown capability `CAP_FLY`");
    }

    #[test]
    fn add_and_drop_follow_docker() {
        let default = CapSet::default_set().names();
        assert_eq!(decided(&[], &[], false), default);
        assert_eq!(decided(&[], &["ALL"], false), Vec::<String>::new());
        assert_eq!(decided(&["NET_ADMIN"], &["all"], false), ["NET_ADMIN"]);
        assert_eq!(decided(&["ALL"], &["CAP_MKNOD"], false).len(), 40);
        // What is dropped and added is there.
        assert!(decided(&["KILL"], &["KILL"], false).contains(&"KILL".to_owned()));
        assert_eq!(decided(&[], &["KILL"], false).len(), 13);
        assert_eq!(decided(&[], &["ALL"], true).len(), 41);
    }

    #[test]
    fn everything_means_everything_we_have() {
        let ours = CapSet::ours().unwrap();
        assert_eq!(
            effective_set(&["ALL".into()], &[], false).unwrap(),
            ours.names()
        );
        assert_eq!(effective_set(&[], &[], true).unwrap(), ours.names());
    }

    #[test]
    fn a_capability_we_lack_is_an_error_only_if_it_was_named() {
        let ours = CapSet::ours().unwrap();
        let Some(lacking) = OURS.without(ours).names().into_iter().next() else {
            return;
        };
        let error = effective_set(std::slice::from_ref(&lacking), &[], false).unwrap_err();
        assert!(error.to_string().contains(&lacking), "{error}");
    }
}
