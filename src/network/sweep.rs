//! Finding what a crash left, by name alone.

use super::bridge;
use super::bridge::Link;
use super::driver::Driver;
use super::error::Error;
use super::names;
use super::names::MAX_INTERFACES;
use super::nftables::foreign;
use super::nftables::ruleset;
use super::spec::NetworkSpec;
use super::veth;
use crate::id::ContainerId;
use std::collections::HashSet;

/// What a sweep removed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Bridges and host ends of veths.
    pub links: Vec<String>,
    /// Networks, by bridge, whose nftables table was removed.
    pub tables: Vec<String>,
    /// Port mappings of containers that are not kept, in tables that are.
    pub mappings: usize,
    /// Rules of ours in chains of others (`DOCKER-USER`).
    pub foreign_rules: usize,
}

/// See [`Driver::sweep`].
pub(super) fn sweep(
    driver: &Driver,
    networks: &[NetworkSpec],
    containers: &[ContainerId],
) -> Result<Swept, Error> {
    let kept: HashSet<&str> = networks
        .iter()
        .map(|network| network.bridge.as_str())
        .collect();
    let ours = |bridge: &str| bridge.starts_with(&driver.prefix);
    let stale_bridge = |bridge: &str| ours(bridge) && !kept.contains(bridge);
    let mut swept = Swept {
        links: sweep_links(driver, &kept, containers)?,
        ..Swept::default()
    };

    let mut netfilter = driver.netfilter();
    swept.foreign_rules = foreign::expel(&mut netfilter, stale_bridge)?;
    let known: HashSet<&str> = containers.iter().map(ContainerId::as_str).collect();
    for bridge in ruleset::bridges(&mut netfilter, &driver.prefix)? {
        if kept.contains(bridge.as_str()) {
            let wanted = |container: &str| known.contains(container);
            swept.mappings += ruleset::withdraw_unless(&mut netfilter, &bridge, wanted)?;
        } else {
            ruleset::remove(&mut netfilter, &bridge)?;
            swept.tables.push(bridge);
        }
    }
    Ok(swept)
}

/// Removes veths of unknown containers, all in one message, then bridges of unknown networks.
fn sweep_links(
    driver: &Driver,
    kept: &HashSet<&str>,
    containers: &[ContainerId],
) -> Result<Vec<String>, Error> {
    let mut route = driver.route();
    let links = bridge::list(&mut route)?;
    let alive: HashSet<String> = containers
        .iter()
        .flat_map(|id| (0..MAX_INTERFACES).map(|index| names::veth(&driver.prefix, id, index)))
        .collect();
    let of_kind = |kind: &str| {
        let start = format!("{}{kind}", driver.prefix);
        links
            .iter()
            .filter(move |link| link.name.starts_with(&start))
    };
    let stale: Vec<Link> = of_kind("v")
        .filter(|link| !alive.contains(&link.name))
        .cloned()
        .collect();
    veth::delete_together(&mut route, &stale)?;
    let mut removed: Vec<String> = stale.into_iter().map(|link| link.name.clone()).collect();
    for link in of_kind("b").filter(|link| !kept.contains(link.name.as_str())) {
        bridge::remove(&mut route, &link.name)?;
        removed.push(link.name.clone());
    }
    Ok(removed)
}
