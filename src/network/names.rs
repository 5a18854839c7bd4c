//! Names of kernel objects, derived, so that what a crash left can be found without a record.
//!
//! A link name has at most 15 bytes: seven of the prefix, one for the kind, seven of the object.

use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::ProjectName;
use sha2::Digest;
use sha2::Sha256;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Interfaces of a container that have names of their own.
pub(super) const MAX_INTERFACES: usize = ALPHABET.len();

/// The prefix of all kernel objects of a project whose state is under `state_root`: `h` and six characters (30 bits).
pub fn prefix(state_root: &Path, project: &ProjectName) -> String {
    let mut hash = Sha256::new();
    hash.update(state_root.as_os_str().as_bytes());
    hash.update([0]);
    hash.update(project.as_str());
    format!("h{}", base32(&hash.finalize(), 6))
}

/// The bridge of a network.
pub fn bridge(prefix: &str, network: &NetworkName) -> String {
    format!("{prefix}b{}", base32(&Sha256::digest(network.as_str()), 7))
}

/// The host's end of interface number `index` of a container.
pub fn veth(prefix: &str, container: &ContainerId, index: usize) -> String {
    let suffix = char::from(ALPHABET[index % ALPHABET.len()]);
    format!(
        "{prefix}v{}{suffix}",
        base32(&Sha256::digest(container.as_str()), 6)
    )
}

/// The nftables table of a network, by its bridge.
pub fn table(bridge: &str) -> String {
    format!("hoist-{bridge}")
}

/// The first `length` base-32 digits of `bytes` (at most 12).
fn base32(bytes: &[u8], length: usize) -> String {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[..8]);
    let word = u64::from_be_bytes(word);
    (0..length)
        .map(|digit| char::from(ALPHABET[(word >> (59 - 5 * digit) & 31) as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names_fit_the_kernel_and_start_with_the_prefix() {
        let project = ProjectName::new("shop").unwrap();
        let prefix = prefix(Path::new("/var/lib/hoist"), &project);
        let network = NetworkName::new("shop_default").unwrap();
        let names = [
            bridge(&prefix, &network),
            veth(&prefix, &ContainerId::random(), 31),
        ];
        for name in names {
            assert_eq!(name.len(), 15, "{name}");
            assert!(name.starts_with(&prefix), "{name}");
        }
    }

    #[test]
    fn projects_of_another_root_have_another_prefix() {
        let project = ProjectName::new("shop").unwrap();
        assert_ne!(
            prefix(Path::new("/a"), &project),
            prefix(Path::new("/b"), &project)
        );
    }
}
