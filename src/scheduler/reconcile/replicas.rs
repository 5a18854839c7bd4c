//! Which containers of a service stay, are replaced, are new, and are too many.

use super::Context;
use super::Recreate;
use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use crate::scheduler::action::ContainerRef;
use crate::scheduler::desired::DesiredService;
use crate::scheduler::observed::ObservedContainer;
use crate::scheduler::observed::State;
use crate::scheduler::plan::Cause;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

/// A container that exists and has to go.
pub(super) struct Leaving<'a> {
    pub container: &'a ObservedContainer,
    pub cause: Cause,
}

/// One place in a service, and who has it when the plan is done.
pub(super) struct Replica<'a> {
    /// Who shall have it.
    pub container: ContainerRef,
    /// That container, if it exists already.
    pub existing: Option<&'a ObservedContainer>,
    /// Why it is created, if it does not exist.
    pub create: Option<Cause>,
    /// Whose place it is now.
    pub leaving: Vec<Leaving<'a>>,
}

/// All places of a service.
#[derive(Default)]
pub(super) struct Replicas<'a> {
    pub places: Vec<Replica<'a>>,
    /// Beyond the scale.
    pub surplus: Vec<Leaving<'a>>,
}

/// How much of a service's containers is up for change.
pub(super) enum Part {
    /// The service is meant: its scale and its configuration apply.
    Whole(Recreate),
    /// It is not meant; its containers are only replaced where what they stand on is.
    Bystander {
        /// Whether running containers follow those whose namespaces they share.
        follow: bool,
    },
}

/// What has been decided so far and matters for further services.
pub(super) struct Ground<'p> {
    /// Networks that are made anew.
    pub networks: &'p HashSet<NetworkName>,
    /// Volumes that are made anew.
    pub volumes: &'p HashSet<VolumeName>,
    /// Services whose containers are replaced.
    pub replaced: &'p HashSet<&'p str>,
    /// Containers that leave, with their services.
    pub leaving: &'p HashMap<&'p ContainerId, &'p ServiceName>,
    /// Services whose containers are started.
    pub starting: &'p HashSet<&'p str>,
}

impl<'a> Replicas<'a> {
    /// Decides for `service`.
    pub fn decide(
        context: &Context<'a>,
        service: &DesiredService,
        part: &Part,
        ground: &Ground<'_>,
        new_id: &mut dyn FnMut() -> ContainerId,
    ) -> Self {
        let places = places(context, service, part, ground);
        let existing = u32::try_from(places.len()).unwrap_or(u32::MAX);
        let scale = match part {
            Part::Whole(_) => service.scale,
            Part::Bystander { .. } => existing,
        };
        let next = places
            .iter()
            .map(|place| place.number + 1)
            .max()
            .unwrap_or(1);
        let mut replicas = Self::default();
        let change = Cause::Scale {
            from: existing,
            to: scale,
        };
        let mut reference = |number| ContainerRef {
            id: new_id(),
            name: service.container_name(&context.desired.project, number),
            service: service.name.clone(),
            number,
        };
        let (staying, surplus) = split(places, scale);
        replicas.surplus = surplus
            .into_iter()
            .flat_map(|place| place.all_leave(&change))
            .collect();
        replicas.places = staying
            .into_iter()
            .map(|p| p.settle(&mut reference))
            .collect();
        for number in next..next + scale.saturating_sub(existing) {
            let cause = if existing == 0 {
                Cause::Missing
            } else {
                change.clone()
            };
            replicas.places.push(Replica {
                container: reference(number),
                existing: None,
                create: Some(cause),
                leaving: vec![],
            });
        }
        replicas
    }

    /// The containers that leave.
    pub fn leaving(&self) -> impl Iterator<Item = &'a ObservedContainer> {
        let places = self.places.iter().flat_map(|place| &place.leaving);
        places.chain(&self.surplus).map(|leaving| leaving.container)
    }

    /// Whether a container that exists makes room for a new one.
    pub fn replaces(&self) -> bool {
        self.places.iter().any(|place| !place.leaving.is_empty())
    }
}

/// The containers that have one number; more than one after a crash in the middle of a replacement.
struct Place<'a> {
    number: u32,
    best: &'a ObservedContainer,
    /// Why the best has to be replaced.
    divergence: Option<Cause>,
    others: Vec<&'a ObservedContainer>,
}

impl<'a> Place<'a> {
    fn settle(self, reference: &mut dyn FnMut(u32) -> ContainerRef) -> Replica<'a> {
        let others = self.others.into_iter();
        let mut leaving: Vec<_> = others
            .map(|container| Leaving {
                container,
                cause: Cause::Superseded,
            })
            .collect();
        match self.divergence {
            None => Replica {
                container: self.best.reference(),
                existing: Some(self.best),
                create: None,
                leaving,
            },
            Some(cause) => {
                leaving.insert(
                    0,
                    Leaving {
                        container: self.best,
                        cause: cause.clone(),
                    },
                );
                Replica {
                    container: reference(self.number),
                    existing: None,
                    create: Some(cause),
                    leaving,
                }
            }
        }
    }

    fn all_leave(self, cause: &Cause) -> Vec<Leaving<'a>> {
        let all = [self.best].into_iter().chain(self.others);
        all.map(|container| Leaving {
            container,
            cause: cause.clone(),
        })
        .collect()
    }
}

/// The first `scale` places stay: up-to-date ones rather than others, then low numbers rather than high ones.
fn split(mut places: Vec<Place<'_>>, scale: u32) -> (Vec<Place<'_>>, Vec<Place<'_>>) {
    places.sort_by_key(|place| (place.divergence.is_some(), place.number));
    let scale = usize::try_from(scale).unwrap_or(usize::MAX);
    let mut surplus = places.split_off(scale.min(places.len()));
    places.sort_by_key(|place| place.number);
    surplus.sort_by_key(|place| place.number);
    (places, surplus)
}

fn places<'a>(
    context: &Context<'a>,
    service: &DesiredService,
    part: &Part,
    ground: &Ground<'_>,
) -> Vec<Place<'a>> {
    let mut by_number: BTreeMap<u32, Vec<(Option<Cause>, &'a ObservedContainer)>> = BTreeMap::new();
    for container in context.containers_of(&service.name) {
        let divergence = divergence(context, service, container, part, ground);
        by_number
            .entry(container.number)
            .or_default()
            .push((divergence, container));
    }
    let place = |(number, mut all): (u32, Vec<(Option<Cause>, &'a ObservedContainer)>)| {
        all.sort_by_key(|(divergence, c)| (divergence.is_some(), !c.state.is_alive()));
        let (divergence, best) = all.remove(0);
        let others = all.into_iter().map(|(_, container)| container).collect();
        Place {
            number,
            best,
            divergence,
            others,
        }
    };
    by_number.into_iter().map(place).collect()
}

/// Why `container` has to be replaced, if it has to.
fn divergence(
    context: &Context<'_>,
    service: &DesiredService,
    container: &ObservedContainer,
    part: &Part,
    ground: &Ground<'_>,
) -> Option<Cause> {
    let recreate = match part {
        Part::Bystander { follow } => {
            let follow = (*follow).then(|| followed(context, service, container, ground));
            return resource_recreated(container, ground).or(follow.flatten());
        }
        Part::Whole(recreate) => recreate,
    };
    if container.state == State::Dead {
        return Some(Cause::Dead);
    }
    match recreate {
        Recreate::Never => None,
        Recreate::Force => Some(Cause::Forced),
        Recreate::Diverged => namespace_replaced(service, ground.replaced)
            .or_else(|| namespace_lost(context, service, container))
            .or_else(|| differs(service, container))
            .or_else(|| resource_recreated(container, ground))
            .or_else(|| unconnected(service, container)),
    }
}

fn differs(service: &DesiredService, container: &ObservedContainer) -> Option<Cause> {
    if container.config != service.config {
        return Some(Cause::ConfigChanged);
    }
    let other_image = service
        .image
        .as_ref()
        .is_some_and(|image| *image != container.image);
    other_image.then_some(Cause::ImageChanged)
}

fn resource_recreated(container: &ObservedContainer, ground: &Ground<'_>) -> Option<Cause> {
    let mut networks = container.networks.iter();
    let network = networks.find(|name| ground.networks.contains(*name));
    if let Some(network) = network {
        return Some(Cause::NetworkRecreated(network.clone()));
    }
    let mut volumes = container.volumes.iter();
    let volume = volumes.find(|name| ground.volumes.contains(*name))?;
    Some(Cause::VolumeRecreated(volume.clone()))
}

fn unconnected(service: &DesiredService, container: &ObservedContainer) -> Option<Cause> {
    let network = service
        .networks
        .iter()
        .find(|name| !container.networks.contains(name));
    let volume = service
        .volumes
        .iter()
        .find(|name| !container.volumes.contains(name));
    network
        .map(|name| Cause::NotOnNetwork(name.clone()))
        .or_else(|| volume.map(|name| Cause::NotOnVolume(name.clone())))
}

fn namespace_replaced(service: &DesiredService, replaced: &HashSet<&str>) -> Option<Cause> {
    let parent = service
        .joins
        .iter()
        .find(|name| replaced.contains(name.as_str()))?;
    Some(Cause::NamespaceReplaced(parent.clone()))
}

/// It runs in the namespace of a container that is replaced, or was, and the new owner of the namespace is started.
fn followed(
    context: &Context<'_>,
    service: &DesiredService,
    container: &ObservedContainer,
    ground: &Ground<'_>,
) -> Option<Cause> {
    if !container.state.is_alive() {
        return None;
    }
    let starting = |owner: &ServiceName| ground.starting.contains(owner.as_str());
    let mut left = container
        .joined
        .iter()
        .filter_map(|id| ground.leaving.get(id));
    if let Some(owner) = left.find(|owner| starting(owner)) {
        return Some(Cause::NamespaceReplaced((*owner).clone()));
    }
    let owner = service.joins.iter().find(|owner| starting(owner))?;
    if ground.replaced.contains(owner.as_str()) {
        return Some(Cause::NamespaceReplaced(owner.clone()));
    }
    namespace_lost(context, service, container)
}

/// It shares the namespace of a container that is not there any more: an earlier replacement was cut short.
fn namespace_lost(
    context: &Context<'_>,
    service: &DesiredService,
    container: &ObservedContainer,
) -> Option<Cause> {
    let parent = service.joins.first()?;
    let exists = |id: &ContainerId| context.observed.containers.iter().any(|c| c.id == *id);
    let lost = container.joined.iter().any(|id| !exists(id));
    lost.then(|| Cause::NamespaceReplaced(parent.clone()))
}
