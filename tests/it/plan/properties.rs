//! What holds for every project, every state and every command.

use super::asking;
use super::planned;
use super::simulated::Simulated;
use super::up;
use hoist::compose::model::Condition;
use hoist::compose::model::Dependency;
use hoist::compose::model::OnFailure;
use hoist::compose::model::Update;
use hoist::id::Digest;
use hoist::id::NetworkName;
use hoist::id::ProjectName;
use hoist::id::ServiceName;
use hoist::id::VolumeName;
use hoist::scheduler::action::Action;
use hoist::scheduler::desired::Desired;
use hoist::scheduler::desired::DesiredNetwork;
use hoist::scheduler::desired::DesiredService;
use hoist::scheduler::desired::DesiredVolume;
use hoist::scheduler::graph::closure;
use hoist::scheduler::observed::Observed;
use hoist::scheduler::observed::State;
use hoist::scheduler::reconcile::Options;
use hoist::scheduler::reconcile::Recreate;
use hoist::scheduler::reconcile::Up;
use hoist::scheduler::reconcile::Verb;
use indexmap::IndexMap;
use proptest::prelude::*;
use std::time::Duration;

pub fn digest(n: u32) -> Digest {
    Digest::new(format!("sha256:{n:064x}")).unwrap()
}

fn service_name(n: usize) -> ServiceName {
    ServiceName::new(format!("s{n}")).unwrap()
}

/// (scale, configuration, image, networks, volume, dependencies, shares a namespace, health check, update)
type Drawn = (
    u32,
    u32,
    u32,
    u8,
    bool,
    Vec<(u8, bool, bool)>,
    bool,
    bool,
    Option<(u32, bool, u8, bool)>,
);

fn drawn_service() -> impl Strategy<Value = Drawn> {
    let dependency = (0..4u8, any::<bool>(), any::<bool>());
    (
        0..4u32,
        0..2u32,
        0..2u32,
        0..4u8,
        any::<bool>(),
        proptest::collection::vec(dependency, 6),
        proptest::bool::weighted(0.2),
        any::<bool>(),
        proptest::option::of((0..3u32, any::<bool>(), 0..3u8, any::<bool>())),
    )
}

fn update(drawn: (u32, bool, u8, bool)) -> Update {
    let (parallelism, start_first, action, watched) = drawn;
    Update {
        parallelism,
        start_first,
        on_failure: [OnFailure::Pause, OnFailure::Continue, OnFailure::Rollback]
            [usize::from(action)],
        delay: Duration::from_secs(u64::from(watched)),
        ..Update::default()
    }
}

fn service(n: usize, drawn: Drawn) -> DesiredService {
    let (scale, config, image, networks, volume, dependencies, joins, has_healthcheck, rolling) =
        drawn;
    let mut depends_on = IndexMap::new();
    for (other, (condition, required, restart)) in dependencies.into_iter().take(n).enumerate() {
        let condition = match condition {
            0 => continue,
            1 => Condition::Started,
            2 => Condition::Healthy,
            // A service that completes has no running replicas to be counted: rarer below.
            _ => Condition::Completed,
        };
        depends_on.insert(
            service_name(other),
            Dependency {
                condition,
                required,
                restart,
            },
        );
    }
    let mut joined = vec![];
    if joins && n > 0 {
        joined.push(service_name(n - 1));
        let started = Dependency {
            condition: Condition::Started,
            required: true,
            restart: true,
        };
        depends_on.insert(service_name(n - 1), started);
    }
    DesiredService {
        name: service_name(n),
        scale,
        separator: '-',
        container_name: None,
        // As the real fingerprint, it covers whose namespace is shared.
        config: digest(config + 16 * u32::from(!joined.is_empty())),
        image: Some(digest(image)),
        has_healthcheck,
        networks: (0..2)
            .filter(|bit| networks & (1 << bit) != 0)
            .map(network_name)
            .collect(),
        volumes: if volume {
            vec![VolumeName::new("p_data").unwrap()]
        } else {
            vec![]
        },
        depends_on,
        joins: joined,
        pre_start: vec![],
        update: rolling.map(update),
        rollback: rolling.map(update),
        fixed: volume && scale == 1,
    }
}

fn network_name(n: u8) -> NetworkName {
    NetworkName::new(format!("p_n{n}")).unwrap()
}

fn project() -> impl Strategy<Value = Desired> {
    let services = proptest::collection::vec(drawn_service(), 1..7);
    (services, [0..2u32, 0..2u32]).prop_map(|(drawn, hashes)| {
        let services = drawn.into_iter().enumerate();
        let mut services: IndexMap<_, _> = services
            .map(|(n, d)| (service_name(n), service(n, d)))
            .collect();
        settle(&mut services);
        let network = |n: u8| DesiredNetwork {
            key: format!("n{n}"),
            name: network_name(n),
            external: false,
            hash: digest(hashes[usize::from(n)]),
        };
        Desired {
            project: ProjectName::new("p").unwrap(),
            networks: vec![network(0), network(1)],
            volumes: vec![DesiredVolume {
                key: "data".to_owned(),
                name: VolumeName::new("p_data").unwrap(),
                external: false,
                hash: digest(1),
            }],
            services,
            disabled: vec![],
        }
    })
}

/// Makes what was drawn sensible: health is only waited for where there is a check, who owns a namespace has a container
/// and does not end, and who is waited for to complete is waited for by all in the same way.
fn settle(services: &mut IndexMap<ServiceName, DesiredService>) {
    let copy = services.clone();
    let owners: Vec<_> = copy.values().flat_map(|s| s.joins.clone()).collect();
    let completing = |name: &ServiceName| {
        let mut all = copy.values().filter_map(|s| s.depends_on.get(name));
        !owners.contains(name) && all.any(|d| d.condition == Condition::Completed)
    };
    for service in services.values_mut() {
        if owners.contains(&service.name) {
            service.scale = 1;
        }
        for (name, dependency) in &mut service.depends_on {
            dependency.condition = match dependency.condition {
                _ if completing(name) => Condition::Completed,
                Condition::Completed => Condition::Started,
                Condition::Healthy if !copy[name].has_healthcheck => Condition::Started,
                other => other,
            };
        }
    }
}

/// Services that somebody waits for to complete: every `up` starts them anew.
fn completing(desired: &Desired) -> Vec<ServiceName> {
    let all = desired.services.values().flat_map(|s| &s.depends_on);
    let completed = all.filter(|(_, d)| d.condition == Condition::Completed);
    completed.map(|(name, _)| name.clone()).collect()
}

fn up_options() -> impl Strategy<Value = Options> {
    let services = proptest::collection::vec((0..7usize).prop_map(service_name), 0..3);
    (any::<[bool; 5]>(), 0..3u8, services).prop_map(|(flags, recreate, services)| {
        let [no_deps, remove_orphans, recreate_deps, wait, renew] = flags;
        let recreate =
            [Recreate::Diverged, Recreate::Force, Recreate::Never][usize::from(recreate)];
        let up = Up {
            recreate,
            recreate_deps,
            no_start: false,
            wait,
            renew_anonymous_volumes: renew,
            renew_volumes: false,
            ignore_orphans: false,
        };
        Options {
            containers: Vec::new(),
            no_deps,
            remove_orphans,
            services,
            ..asking(Verb::Up(up))
        }
    })
}

/// How containers may have ended since: a state for each, in turn.
fn fates() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..6u8, 20)
}

fn happen(world: &mut Observed, fates: &[u8]) {
    for (container, fate) in world.containers.iter_mut().zip(fates.iter().cycle()) {
        container.state = match fate {
            0 => State::Exited { code: 1 },
            1 => State::Dead,
            2 => State::Created,
            3 => State::Paused,
            _ => continue,
        };
        if !container.state.is_alive() {
            container.health = None;
        }
    }
}

/// A world as an earlier project left it.
fn history(earlier: &Desired, fates: &[u8]) -> Result<Observed, TestCaseError> {
    let host = Simulated::new(earlier, Observed::default());
    let plan = planned(earlier, &Observed::default(), &up()).unwrap();
    host.run(&plan)
        .map_err(|e| TestCaseError::fail(format!("{e}\n{plan}")))?;
    let mut world = host.world.into_inner();
    happen(&mut world, fates);
    Ok(world)
}

fn known(options: &mut Options, desired: &Desired) {
    options
        .services
        .retain(|name| desired.services.contains_key(name));
}

fn not_meant(options: &Options, desired: &Desired) -> Vec<ServiceName> {
    let meant = closure(&desired.edges(), &options.services);
    let named = !options.services.is_empty();
    desired
        .services
        .keys()
        .filter(|name| named && !meant.contains(*name))
        .cloned()
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_project_comes_up_from_any_state_and_then_there_is_nothing_to_do(
        earlier in project(), later in project(), fates in fates(),
    ) {
        let host = Simulated::new(&later, history(&earlier, &fates)?);
        let before = host.now();
        let plan = planned(&later, &before, &up()).unwrap();
        let result = host.run(&plan);
        prop_assert!(result.is_ok(), "{:?}\n{before}\n{plan}", result);
        for service in later.services.values() {
            let world = host.world.borrow();
            let own = world.containers.iter().filter(|c| c.service == service.name);
            prop_assert_eq!(own.count(), usize::try_from(service.scale).unwrap(), "{}", plan);
            if !completing(&later).contains(&service.name) {
                let alive = host.alive(&service.name).len();
                prop_assert_eq!(alive, usize::try_from(service.scale).unwrap(), "{}", plan);
            }
        }
        let after = host.now();
        let again = planned(&later, &after, &up()).unwrap();
        let ended = completing(&later);
        for (_, node) in again.steps() {
            let of_ended = match &node.action {
                Action::StartContainer { container } => ended.contains(&container.service),
                Action::StopContainer { .. } => true, // shares a namespace with what is started anew
                Action::Await { service, .. } => ended.contains(service),
                _ => false,
            };
            prop_assert!(of_ended || !ended.is_empty() && matches!(node.action, Action::StartContainer { .. } | Action::Await { .. }), "{}\n{}", after, again);
        }
        if ended.is_empty() {
            prop_assert!(again.is_empty(), "{}\n{}", after, again);
        }
    }

    #[test]
    fn every_up_can_be_carried_out_and_destroys_only_what_it_may(
        earlier in project(), later in project(), fates in fates(), mut options in up_options(),
    ) {
        known(&mut options, &later);
        let mut host = Simulated::new(&later, history(&earlier, &fates)?);
        host.lax = options.no_deps || matches!(options.verb, Verb::Up(Up { recreate: Recreate::Never, .. }));
        host.bystanders = not_meant(&options, &later);
        let before = host.now();
        let plan = planned(&later, &before, &options).unwrap();
        let result = host.run(&plan);
        prop_assert!(result.is_ok(), "{:?}\n{before}\n{plan}", result);
        for (_, node) in plan.steps() {
            match &node.action {
                Action::RemoveVolume { .. } => prop_assert!(false, "up removes a volume\n{}", plan),
                Action::RemoveContainer { container, .. } => {
                    let orphan = !later.services.contains_key(&container.service);
                    prop_assert!(!orphan || options.remove_orphans, "{}", plan);
                }
                _ => {}
            }
        }
        let after = host.world.borrow();
        for container in &before.containers {
            let place = |c: &&hoist::scheduler::observed::ObservedContainer| c.service == container.service;
            let scale = later.services.get(&container.service).map_or(usize::MAX, |s| usize::try_from(s.scale).unwrap());
            let had = before.containers.iter().filter(place).count();
            let have = after.containers.iter().filter(place).count();
            let removable = options.remove_orphans && !later.services.contains_key(&container.service);
            prop_assert!(removable || have >= had.min(scale), "{} lost\n{}", container.name, plan);
        }
    }

    #[test]
    fn no_recreate_replaces_only_what_cannot_start(
        earlier in project(), later in project(), fates in fates(),
    ) {
        let world = history(&earlier, &fates)?;
        let options = asking(Verb::Up(Up { recreate: Recreate::Never, ..Up::default() }));
        let plan = planned(&later, &world, &options).unwrap();
        for (_, node) in plan.steps() {
            if let Action::CreateContainer { replaces: Some(old), .. } = &node.action {
                let old = world.containers.iter().find(|c| c.id == *old).unwrap();
                prop_assert_eq!(old.state, State::Dead);
            }
        }
    }

    #[test]
    fn down_leaves_nothing_but_volumes_and_down_with_volumes_leaves_nothing(
        earlier in project(), later in project(), fates in fates(), volumes in any::<bool>(),
    ) {
        let host = Simulated::new(&later, history(&earlier, &fates)?);
        let before = host.now();
        let options = Options { remove_orphans: true, ..asking(Verb::Down { volumes }) };
        let plan = planned(&later, &before, &options).unwrap();
        prop_assert!(host.run(&plan).is_ok());
        let after = host.world.borrow();
        prop_assert!(after.containers.is_empty() && after.networks.is_empty(), "{}\n{}", after, plan);
        let kept = if volumes { 0 } else { before.volumes.len() };
        prop_assert_eq!(after.volumes.len(), kept);
    }

    #[test]
    fn stop_start_and_restart_can_be_carried_out_and_make_and_lose_nothing(
        project in project(), fates in fates(),
    ) {
        let mut fates = fates;
        fates.iter_mut().for_each(|fate| *fate = if *fate == 1 { 0 } else { *fate });
        let host = Simulated::new(&project, history(&project, &fates)?);
        let ids = |host: &Simulated<'_>| host.world.borrow().containers.iter().map(|c| c.id.clone()).collect::<Vec<_>>();
        let before = ids(&host);
        for verb in [Verb::Restart, Verb::Stop, Verb::Start { wait: true }, Verb::Restart, Verb::Stop] {
            let world = host.now();
            let plan = planned(&project, &world, &asking(verb)).unwrap();
            let result = host.run(&plan);
            prop_assert!(result.is_ok(), "{:?}\n{world}\n{plan}", result);
            prop_assert_eq!(ids(&host), before.clone());
        }
        prop_assert!(host.world.borrow().containers.iter().all(|c| !c.state.is_alive()));
    }

    #[test]
    fn the_same_input_gives_the_same_text(earlier in project(), later in project(), fates in fates()) {
        let world = history(&earlier, &fates)?;
        let once = planned(&later, &world, &up()).unwrap().to_string();
        prop_assert_eq!(once, planned(&later, &world, &up()).unwrap().to_string());
    }

    #[test]
    fn the_order_of_services_in_a_project_put_together_by_hand_makes_no_difference(
        earlier in project(), later in project(), fates in fates(),
    ) {
        let mut backwards = later.clone();
        backwards.services.reverse();
        let host = Simulated::new(&later, history(&earlier, &fates)?);
        let result = host.run(&planned(&backwards, &host.now(), &up()).unwrap());
        prop_assert!(result.is_ok(), "{:?}", result);
        let result = host.run(&planned(&backwards, &host.now(), &asking(Verb::Restart)).unwrap());
        prop_assert!(result.is_ok(), "{:?}", result);
    }

    #[test]
    fn the_text_of_what_is_observed_can_be_read_again(earlier in project(), fates in fates()) {
        let world = history(&earlier, &fates)?;
        prop_assert_eq!(Observed::parse(&world.to_string()).unwrap(), world);
    }
}
