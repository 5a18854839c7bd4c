//! A project printed and read back is the same project, whatever is in it.

use hoist::compose::LoadOptions;
use hoist::compose::load;
use hoist::compose::load_canonical;
use hoist::compose::model::*;
use hoist::compose::render;
use hoist::id::*;
use indexmap::IndexMap;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9 ./:=,_-]{0,12}",
        "[ \\t\\n\\\\'\"#&*!|>%@`{}\\[\\],:?$-]{0,6}",
        "\\PC{0,8}",
        "(yes|no|null|~|0x1|1e3|1_0|12:30|2001-01-01|\\.5|<<|---)",
        "(a\nb|a\n\nb\n|a\n b\n\n|\ta\n)",
    ]
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{1,6}"
}

fn path() -> impl Strategy<Value = String> {
    "(/[a-z0-9$ .]{1,4}[a-z]){1,3}"
}

fn map() -> impl Strategy<Value = IndexMap<String, String>> {
    vec((word(), text()), 0..3).prop_map(|pairs| pairs.into_iter().collect())
}

fn duration() -> impl Strategy<Value = Duration> {
    (0u64..100_000_000).prop_map(Duration::from_millis)
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (1u32..).prop_map(|bits| IpAddr::from(bits.to_be_bytes())),
        any::<u128>().prop_map(|bits| IpAddr::from(bits.to_be_bytes())),
    ]
}

fn healthcheck() -> impl Strategy<Value = Healthcheck> {
    let test = prop_oneof![
        Just(HealthTest::Disabled),
        text().prop_map(HealthTest::Shell),
        vec(text(), 1..3).prop_map(HealthTest::Command),
    ];
    let times = (
        option::of(duration()),
        option::of(duration()),
        option::of(duration()),
        option::of(duration()),
    );
    (option::of(test), times, option::of(any::<u32>())).prop_map(|(test, times, retries)| {
        Healthcheck {
            test,
            interval: times.0,
            timeout: times.1,
            retries,
            start_period: times.2,
            start_interval: times.3,
        }
    })
}

fn restart() -> impl Strategy<Value = Restart> {
    let policies = [
        RestartPolicy::No,
        RestartPolicy::Always,
        RestartPolicy::UnlessStopped,
        RestartPolicy::OnFailure,
    ];
    let policy = proptest::sample::select(policies.to_vec());
    (
        policy,
        option::of(1u32..),
        option::of(duration()),
        option::of(duration()),
    )
        .prop_map(|(policy, max_attempts, delay, window)| Restart {
            policy,
            max_attempts,
            delay,
            window,
        })
}

fn port() -> impl Strategy<Value = PortMapping> {
    let published = prop_oneof![
        Just(Publish::Random),
        (1u16..).prop_map(Publish::Fixed),
        (1u16..1000, 1001u16..).prop_map(|(first, last)| Publish::Range(first, last)),
    ];
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)];
    (any::<u16>(), protocol, option::of(ip()), published).prop_map(
        |(target, protocol, host_ip, published)| PortMapping {
            target,
            protocol,
            host_ip,
            published,
        },
    )
}

fn tmpfs(options: bool) -> impl Strategy<Value = Mount> {
    let options = vec(
        "(noexec|uid=[0-9]{1,4}|nosuid)",
        0..if options { 3 } else { 1 },
    );
    (
        any::<bool>(),
        option::of(1u64..1 << 60),
        option::of(0u32..0o7777),
        options,
    )
        .prop_map(|(read_only, size, mode, options)| {
            Mount::Tmpfs(TmpfsMount {
                target: String::new(),
                read_only,
                size,
                mode,
                options,
            })
        })
}

fn mount() -> impl Strategy<Value = Mount> {
    let propagation = option::of("(rprivate|private|rshared|shared|rslave|slave)");
    prop_oneof![
        (
            option::of(Just("data".to_owned())),
            any::<bool>(),
            any::<bool>(),
            option::of(word())
        )
            .prop_map(|(source, read_only, nocopy, subpath)| {
                Mount::Volume(VolumeMount {
                    source,
                    target: String::new(),
                    read_only,
                    nocopy,
                    subpath,
                })
            }),
        (
            path(),
            any::<bool>(),
            propagation,
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(
                |(source, read_only, propagation, create_host_path, recursive)| {
                    Mount::Bind(BindMount {
                        source: PathBuf::from(source),
                        target: String::new(),
                        read_only,
                        propagation,
                        create_host_path,
                        recursive,
                    })
                }
            ),
        tmpfs(false),
    ]
}

/// Mounts with targets of their own; those of `tmpfs`, which may have options, last.
fn mounts() -> impl Strategy<Value = Vec<Mount>> {
    (vec(mount(), 0..4), vec(tmpfs(true), 0..2)).prop_map(|(mut mounts, tmpfs)| {
        mounts.extend(tmpfs);
        for (index, mount) in mounts.iter_mut().enumerate() {
            let target = format!("/m{index}");
            match mount {
                Mount::Volume(mount) => mount.target = target,
                Mount::Bind(mount) => mount.target = target,
                Mount::Tmpfs(mount) => mount.target = target,
            }
        }
        mounts
    })
}

fn file_mount(source: &'static str) -> impl Strategy<Value = FileMount> {
    (
        path(),
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        option::of(0u32..0o7777),
    )
        .prop_map(move |(target, uid, gid, mode)| FileMount {
            source: source.to_owned(),
            target: format!("/f{target}"),
            uid,
            gid,
            mode,
        })
}

fn limits() -> impl Strategy<Value = Limits> {
    let bytes = || option::of(1u64..1 << 62);
    let swap = option::of(prop_oneof![Just(-1), 1i64..]);
    (
        option::of(0.01f64..1000.0),
        option::of(0u64..1 << 40),
        option::of("[0-9]{1,2}(-9999)?"),
        bytes(),
        bytes(),
        swap,
        option::of(-1i64..1 << 40),
    )
        .prop_map(
            |(cpus, cpu_shares, cpuset, memory, memory_reservation, memory_swap, pids)| Limits {
                cpus,
                cpu_shares,
                cpuset,
                memory,
                memory_reservation,
                memory_swap,
                pids,
            },
        )
}

fn process(service: Service) -> impl Strategy<Value = Service> {
    let environment = vec((word(), option::of(text())), 0..4);
    let flags = vec(any::<bool>(), 7);
    (
        option::of(vec(text(), 0..4)),
        option::of(vec(text(), 0..3)),
        environment,
        option::of(healthcheck()),
        restart(),
        flags,
        option::of(duration()),
        map(),
        (
            option::of(text()),
            option::of(path()),
            0u32..4,
            option::of(word()),
        ),
    )
        .prop_map(
            move |(
                command,
                entrypoint,
                environment,
                healthcheck,
                restart,
                flags,
                grace,
                labels,
                more,
            )| Service {
                command,
                entrypoint,
                environment: environment
                    .into_iter()
                    .map(|(k, v)| (format!("E_{k}"), v))
                    .collect(),
                healthcheck,
                restart,
                init: flags[0],
                tty: flags[1],
                stdin_open: flags[2],
                read_only: flags[3],
                privileged: flags[4],
                attach: flags[5],
                stop_grace_period: grace,
                labels,
                user: more.0,
                working_dir: more.1,
                scale: more.2,
                hostname: more.3,
                ..service.clone()
            },
        )
}

fn surroundings(service: Service) -> impl Strategy<Value = Service> {
    let ulimit = prop_oneof![
        (0i64..1000, 1000i64..).prop_map(|(soft, hard)| Ulimit { soft, hard }),
        Just(Ulimit { soft: -1, hard: -1 }),
    ];
    (
        vec(port(), 0..4),
        mounts(),
        (
            option::of(file_mount("secret")),
            option::of(file_mount("config")),
        ),
        limits(),
        vec(("[a-z]{2,6}", ulimit), 0..3),
        vec(ip(), 0..3),
        vec((word(), ip()), 0..3),
        (map(), vec("/dev/[a-z]{1,3}:/dev/[a-z]{4,6}:r?wm", 0..2)),
        (option::of(word()), any::<i32>(), vec(word(), 0..3)),
    )
        .prop_map(
            move |(mut ports, mounts, files, limits, ulimits, dns, hosts, rest, network)| {
                let mut service = service.clone();
                let mut seen = std::collections::HashSet::new();
                ports.retain(|port| seen.insert(port.clone()));
                service.ports = ports;
                service.mounts = mounts;
                service.secrets = files.0.into_iter().collect();
                service.configs = files.1.into_iter().collect();
                service
                    .configs
                    .iter_mut()
                    .for_each(|config| config.target.insert_str(0, "/c"));
                service.limits = limits;
                service.ulimits = ulimits.into_iter().collect();
                service.dns = dns;
                service.extra_hosts = hosts
                    .into_iter()
                    .map(|(host, ip)| (host, vec![ip.to_string()]))
                    .collect();
                service.sysctls = rest.0;
                service.devices = rest.1;
                let membership = ServiceNetwork {
                    interface_name: network.0,
                    priority: network.1,
                    aliases: network.2,
                    ..ServiceNetwork::default()
                };
                service.networks = [("net".to_owned(), membership)].into_iter().collect();
                unique(&mut service);
                service
            },
        )
}

/// Lists whose repetitions are dropped when they are read.
fn unique(service: &mut Service) {
    for membership in service.networks.values_mut() {
        let all: indexmap::IndexSet<String> = membership.aliases.drain(..).collect();
        membership.aliases = all.into_iter().collect();
    }
    let mut seen = std::collections::HashSet::new();
    service.dns.retain(|ip| seen.insert(*ip));
    let mut seen = std::collections::HashSet::new();
    service
        .devices
        .retain(|device| seen.insert(device.split(':').nth(1).unwrap().to_owned()));
}

fn project() -> impl Strategy<Value = Project> {
    let service = |index: usize| {
        let name = ServiceName::new(format!("s{index}")).unwrap();
        let service = Service::new(name, "image:1");
        process(service).prop_flat_map(surroundings)
    };
    (
        service(0),
        service(1),
        text(),
        text(),
        map(),
        option::of(ip()),
    )
        .prop_map(|(first, mut second, inline, value, labels, gateway)| {
            let dependency = Dependency {
                condition: Condition::Healthy,
                required: true,
                restart: false,
            };
            second.depends_on.insert(first.name.clone(), dependency);
            second.links.push((first.name.clone(), "alias".to_owned()));
            assembled(vec![first, second], inline, value, labels, gateway)
        })
}

fn assembled(
    services: Vec<Service>,
    inline: String,
    value: String,
    labels: IndexMap<String, String>,
    gateway: Option<IpAddr>,
) -> Project {
    let used = |test: &dyn Fn(&Service) -> bool| services.iter().any(test);
    let subnet = Subnet {
        subnet: Some((IpAddr::from([10, 0, 0, 0]), 8)),
        ip_range: None,
        gateway,
        aux_addresses: IndexMap::new(),
    };
    let network = Network {
        name: NetworkName::new("p_net").unwrap(),
        external: false,
        driver: None,
        driver_opts: labels.clone(),
        internal: true,
        enable_ipv6: false,
        subnets: vec![subnet],
        labels: labels.clone(),
    };
    let volume = Volume {
        name: VolumeName::new("p_data").unwrap(),
        external: false,
        driver: None,
        driver_opts: IndexMap::new(),
        labels,
    };
    let is_data = |mount: &Mount| {
        matches!(
            mount,
            Mount::Volume(VolumeMount {
                source: Some(_),
                ..
            })
        )
    };
    let object = |name: &str, content| {
        (
            name.to_owned(),
            FileObject {
                name: format!("p_{name}"),
                content,
            },
        )
    };
    let secret = object(
        "secret",
        FileContent::Environment("SECRET".to_owned(), value),
    );
    let config = object("config", FileContent::Inline(inline));
    Project {
        name: ProjectName::new("p").unwrap(),
        directory: PathBuf::from("/somewhere"),
        files: vec![PathBuf::from("/somewhere/compose.yaml")],
        disabled: Vec::new(),
        networks: [("net".to_owned(), network)].into_iter().collect(),
        volumes: used(&|s| s.mounts.iter().any(is_data))
            .then_some(("data".to_owned(), volume))
            .into_iter()
            .collect(),
        secrets: used(&|s| !s.secrets.is_empty())
            .then_some(secret)
            .into_iter()
            .collect(),
        configs: used(&|s| !s.configs.is_empty())
            .then_some(config)
            .into_iter()
            .collect(),
        services: services.into_iter().map(|s| (s.name.clone(), s)).collect(),
    }
}

/// What a person gets who saves the output of `config` and uses it as a compose file.
fn reloaded(project: &Project, text: &str, folder: &Path) -> Project {
    let file = folder.join("compose.yaml");
    std::fs::write(&file, text).unwrap();
    let secret = project
        .secrets
        .get("secret")
        .map(|secret| match &secret.content {
            FileContent::Environment(name, value) => (name.clone(), value.clone()),
            _ => unreachable!(),
        });
    let options = LoadOptions::new(folder.to_owned(), secret.into_iter().collect());
    let mut loaded = load(&options)
        .map_err(|d| format!("{d}\n{text}"))
        .unwrap()
        .project;
    loaded.directory = project.directory.clone();
    loaded.files = project.files.clone();
    loaded
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn canonical_text_reads_back_as_the_same_project(project in project()) {
        let text = render::canonical(&project);
        prop_assert_eq!(load_canonical(&text).unwrap(), project);
    }

    #[test]
    fn config_output_reads_back_as_the_same_project(project in project()) {
        let folder = tempfile::tempdir().unwrap();
        let mut project = project;
        // Replicas cannot share the fixed things the generator gives out.
        project.services.values_mut().for_each(|s| s.depends_on.values_mut().for_each(|d| d.restart = true));
        prop_assert_eq!(&reloaded(&project, &render::yaml(&project), folder.path()), &project);
        prop_assert_eq!(&reloaded(&project, &render::json(&project), folder.path()), &project);
    }
}
