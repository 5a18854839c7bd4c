//! Networks and volumes of an `up`.

use super::Context;
use super::PlanError;
use super::Recreate;
use super::Up;
use super::members::Member;
use super::members::Members;
use super::members::selection;
use super::up::Builder;
use crate::id::NetworkName;
use crate::id::VolumeName;
use crate::scheduler::action::Action;
use crate::scheduler::desired::DesiredNetwork;
use crate::scheduler::desired::DesiredVolume;
use crate::scheduler::observed::ObservedContainer;
use crate::scheduler::plan::Cause;
use crate::scheduler::plan::Plan;
use crate::scheduler::plan::Step;
use std::collections::HashSet;

/// What exists with another configuration and is made anew, before the containers on it.
pub(super) struct Remade {
    pub networks: HashSet<NetworkName>,
    pub volumes: HashSet<VolumeName>,
}

impl Remade {
    /// What that is for an `up`.
    pub fn decide(context: &Context<'_>, up: Up, plan: &mut Plan) -> Self {
        Self {
            networks: changed_networks(context, up, plan),
            volumes: renewed_volumes(context, up),
        }
    }
}

/// Networks that exist with another configuration and can be made anew.
fn changed_networks(context: &Context<'_>, up: Up, plan: &mut Plan) -> HashSet<NetworkName> {
    let selected = selection(context);
    let services = selected.keys().map(|name| &context.desired.services[*name]);
    let used: HashSet<_> = services.flat_map(|service| &service.networks).collect();
    let mut changed = HashSet::new();
    for network in context
        .desired
        .networks
        .iter()
        .filter(|n| used.contains(&n.name))
    {
        let observed = context
            .observed
            .networks
            .iter()
            .find(|o| o.name == network.name);
        let hash = observed.and_then(|o| o.hash.as_ref());
        if network.external || hash.is_none_or(|hash| *hash == network.hash) {
            continue;
        }
        let name = &network.name;
        if up.recreate == Recreate::Never {
            plan.warnings.push(format!(
                "the configuration of network `{name}` changed; it stays as it is with `--no-recreate`"
            ));
        } else if let Some(user) = stays_on(context, name) {
            plan.warnings.push(format!(
                "the configuration of network `{name}` changed, but container `{user}` is on it and is not part of the project; it stays as it is"
            ));
        } else {
            changed.insert(name.clone());
        }
    }
    changed
}

/// Volumes that exist with another configuration and are to be made anew, with everything in them lost: only when the
/// user said so, and nothing else of the project is left on them.
fn renewed_volumes(context: &Context<'_>, up: Up) -> HashSet<VolumeName> {
    if !up.renew_volumes || up.recreate == Recreate::Never {
        return HashSet::new();
    }
    let selected = selection(context);
    let stays_on = |name: &VolumeName| {
        let mut all = context.observed.containers.iter();
        all.any(|c| c.volumes.contains(name) && !selected.contains_key(c.service.as_str()))
    };
    let changed = |volume: &&DesiredVolume| {
        let mut observed = context.observed.volumes.iter();
        let hash = observed
            .find(|o| o.name == volume.name)
            .and_then(|o| o.hash.as_ref());
        !volume.external && hash.is_some_and(|hash| *hash != volume.hash)
    };
    let volumes = context.desired.volumes.iter().filter(changed);
    volumes
        .map(|volume| volume.name.clone())
        .filter(|name| !stays_on(name))
        .collect()
}

/// A running container that keeps `network` from being made anew, because we could not replace it.
fn stays_on<'a>(context: &Context<'a>, network: &NetworkName) -> Option<&'a str> {
    let on = |c: &&ObservedContainer| c.state.is_alive() && c.networks.contains(network);
    let stays = |c: &&ObservedContainer| {
        let removed = context.options.remove_orphans && context.is_stray(c);
        !removed && (c.one_off || !context.desired.services.contains_key(&c.service))
    };
    let mut all = context.observed.containers.iter();
    all.find(|c| on(c) && stays(c)).map(|c| c.name.as_str())
}

impl<'a> Builder<'_, 'a> {
    /// Makes the networks that members use, where they are missing or changed.
    pub fn networks(
        &mut self,
        members: &Members<'a>,
        changed: &HashSet<NetworkName>,
    ) -> Result<(), PlanError> {
        let used: HashSet<_> = members.values().flat_map(|m| &m.service.networks).collect();
        let context = self.context;
        for network in context
            .desired
            .networks
            .iter()
            .filter(|n| used.contains(&n.name))
        {
            let remade = changed.contains(&network.name);
            let Some(cause) = self.network_cause(network, remade)? else {
                continue;
            };
            let removed = remade.then(|| self.remove_network(network, members));
            let action = Action::CreateNetwork {
                key: network.key.clone(),
                name: network.name.clone(),
            };
            let step = self.plan.add(action, cause, removed.as_slice());
            self.networks.insert(network.name.clone(), step);
        }
        Ok(())
    }

    /// Why `network` is made, if it is.
    fn network_cause(
        &mut self,
        network: &DesiredNetwork,
        remade: bool,
    ) -> Result<Option<Cause>, PlanError> {
        let name = &network.name;
        let observed = self
            .context
            .observed
            .networks
            .iter()
            .find(|o| o.name == *name);
        Ok(match observed {
            None if network.external => return Err(PlanError::NoExternalNetwork(name.clone())),
            None => Some(Cause::Missing),
            Some(_) if network.external => None,
            Some(_) if remade => Some(Cause::ConfigChanged),
            Some(observed) if observed.hash.is_none() => {
                self.plan.warnings.push(not_ours("network", name.as_str()));
                None
            }
            Some(observed) => (!observed.up).then_some(Cause::LostAtBoot),
        })
    }

    fn remove_network(&mut self, network: &DesiredNetwork, members: &Members<'a>) -> Step {
        let on_it = |c: &ObservedContainer| c.networks.contains(&network.name);
        let stops = members
            .values()
            .flat_map(Member::stops)
            .filter(|(c, _)| on_it(c));
        let mut after: Vec<Step> = stops
            .filter_map(|(c, _)| self.stops.get(&c.id).copied())
            .collect();
        let strays = self
            .strays
            .iter()
            .filter(|(_, on)| on.contains(&network.name));
        after.extend(strays.map(|(step, _)| *step));
        let name = network.name.clone();
        self.plan
            .add(Action::RemoveNetwork { name }, Cause::ConfigChanged, &after)
    }

    /// Makes the volumes that members use and that are missing.
    pub fn volumes(
        &mut self,
        members: &Members<'a>,
        renewed: &HashSet<VolumeName>,
    ) -> Result<(), PlanError> {
        let used: HashSet<_> = members.values().flat_map(|m| &m.service.volumes).collect();
        let context = self.context;
        for volume in context
            .desired
            .volumes
            .iter()
            .filter(|v| used.contains(&v.name))
        {
            let removed = renewed
                .contains(&volume.name)
                .then(|| self.remove_volume(volume, members));
            if removed.is_some() || self.is_missing(volume)? {
                let action = Action::CreateVolume {
                    key: volume.key.clone(),
                    name: volume.name.clone(),
                };
                let cause = match removed {
                    Some(_) => Cause::ConfigChanged,
                    None => Cause::Missing,
                };
                let step = self.plan.add(action, cause, removed.as_slice());
                self.volumes.insert(volume.name.clone(), step);
            }
        }
        Ok(())
    }

    /// After the stops of all that mount it.
    fn remove_volume(&mut self, volume: &DesiredVolume, members: &Members<'a>) -> Step {
        let stops = members.values().flat_map(Member::stops);
        let after: Vec<Step> = stops
            .filter(|(c, _)| c.volumes.contains(&volume.name))
            .filter_map(|(c, _)| self.stops.get(&c.id).copied())
            .chain(self.strays.iter().map(|(step, _)| *step))
            .collect();
        let name = volume.name.clone();
        self.plan
            .add(Action::RemoveVolume { name }, Cause::ConfigChanged, &after)
    }

    fn is_missing(&mut self, volume: &DesiredVolume) -> Result<bool, PlanError> {
        let name = &volume.name;
        let observed = self
            .context
            .observed
            .volumes
            .iter()
            .find(|o| o.name == *name);
        match observed.map(|o| o.hash.as_ref()) {
            None if volume.external => return Err(PlanError::NoExternalVolume(name.clone())),
            None => return Ok(true),
            Some(_) if volume.external => {}
            Some(None) => self.plan.warnings.push(not_ours("volume", name.as_str())),
            Some(Some(hash)) if *hash != volume.hash => self.plan.warnings.push(format!(
                "the configuration of volume `{name}` changed; it stays as it is, so that no data is lost; with `-y` it is made anew, empty"
            )),
            Some(Some(_)) => {}
        }
        Ok(false)
    }
}

fn not_ours(noun: &str, name: &str) -> String {
    format!(
        "{noun} `{name}` exists but was not created for this project; it is used as it is (say so with `external: true`)"
    )
}
