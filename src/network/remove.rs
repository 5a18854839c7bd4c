//! Taking a network down.
//!
//! Every link that goes alone waits for RCU, and the namespaces of ended containers are cleared away by one worker, a few
//! at a time. So the host's ends of those containers go in one message together with their bridge, and the rules meanwhile.

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
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// How long the kernel may take to clear away what is not ours to remove.
const CLEARING: Duration = Duration::from_secs(3);
const CLEARING_STEP: Duration = Duration::from_millis(2);

/// See [`Driver::remove_network`].
pub(super) fn remove(
    driver: &Driver,
    network: &NetworkSpec,
    ended: &[ContainerId],
) -> Result<(), Error> {
    let links = alone(driver, network, ended)?;
    // Nobody is on it any more, so it does no harm that the rules may go first.
    thread::scope(|scope| {
        let rules = scope.spawn(|| remove_rules(driver, network));
        let removed = veth::delete_together(&mut driver.route(), &links);
        rules.join().expect("it does not panic").and(removed)
    })
}

fn remove_rules(driver: &Driver, network: &NetworkSpec) -> Result<(), Error> {
    let mut netfilter = driver.netfilter();
    foreign::expel(&mut netfilter, |bridge| bridge == network.bridge)?;
    ruleset::remove(&mut netfilter, &network.bridge)
}

/// The bridge, if it is there, and those of its ports that belong to `ended`: once it has no others.
fn alone(
    driver: &Driver,
    network: &NetworkSpec,
    ended: &[ContainerId],
) -> Result<Vec<Link>, Error> {
    let names: HashSet<String> = ended
        .iter()
        .flat_map(|id| (0..MAX_INTERFACES).map(|index| names::veth(&driver.prefix, id, index)))
        .collect();
    let deadline = Instant::now() + CLEARING;
    loop {
        let links = bridge::list(&mut driver.route())?;
        let Some(index) = links
            .iter()
            .find(|link| link.name == network.bridge)
            .map(|link| link.index)
        else {
            return Ok(Vec::new());
        };
        let (ours, others): (Vec<Link>, Vec<Link>) = links
            .into_iter()
            .filter(|link| link.master == Some(index) || link.index == index)
            .partition(|link| link.index == index || names.contains(&link.name));
        if others.is_empty() {
            return Ok(ours);
        }
        if Instant::now() >= deadline {
            return Err(Error::NetworkInUse {
                name: network.name.to_string(),
                members: others.len(),
            });
        }
        thread::sleep(CLEARING_STEP);
    }
}
