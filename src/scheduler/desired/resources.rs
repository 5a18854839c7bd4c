//! Networks and volumes with their fingerprints.

use super::DesiredNetwork;
use super::DesiredVolume;
use crate::compose::model::Network;
use crate::compose::model::Volume;
use crate::id::Digest;
use indexmap::IndexMap;
use sha2::Digest as _;
use sha2::Sha256;
use std::fmt::Write as _;

/// A network, with the fingerprint of its configuration.
pub(super) fn network(key: &str, network: &Network) -> DesiredNetwork {
    let mut text = format!(
        "driver {:?}\ninternal {}\nipv6 {}\nipv4 {}\n",
        network.driver.as_deref().unwrap_or("bridge"),
        network.internal,
        network.enable_ipv6,
        network.enable_ipv4
    );
    for subnet in &network.subnets {
        let (range, gateway) = (subnet.ip_range, subnet.gateway);
        let _ = writeln!(text, "subnet {:?} {range:?} {gateway:?}", subnet.subnet);
        write_sorted(&mut text, "aux", &subnet.aux_addresses);
    }
    write_sorted(&mut text, "option", &network.driver_opts);
    write_sorted(&mut text, "label", &network.labels);
    DesiredNetwork {
        key: key.to_owned(),
        name: network.name.clone(),
        external: network.external,
        hash: digest(&text),
    }
}

/// A volume, with the fingerprint of its configuration.
pub(super) fn volume(key: &str, volume: &Volume) -> DesiredVolume {
    let mut text = format!("driver {:?}\n", volume.driver.as_deref().unwrap_or("local"));
    write_sorted(&mut text, "option", &volume.driver_opts);
    write_sorted(&mut text, "label", &volume.labels);
    DesiredVolume {
        key: key.to_owned(),
        name: volume.name.clone(),
        external: volume.external,
        hash: digest(&text),
    }
}

/// One line an entry, in the order of the keys: the order in the file makes no difference.
fn write_sorted<V: std::fmt::Debug>(text: &mut String, word: &str, map: &IndexMap<String, V>) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    for (key, value) in entries {
        let _ = writeln!(text, "{word} {key:?} {value:?}");
    }
}

fn digest(text: &str) -> Digest {
    let mut hex = String::from("sha256:");
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    Digest::new(hex).expect("sha256 gives 32 bytes")
}
