//! An `up` that fails at any of its steps: it says why, what it half made is gone, and `down` takes the rest.

use crate::stack::{SLEEP, ps};
use crate::world::{Running, World};

/// One cause: `options` of a service that depends on one that starts well; what stands at the file's end; what the error
/// must say.
struct Cause {
    name: &'static str,
    options: &'static str,
    more: &'static str,
    says: &'static [&'static str],
}

/// In the order in which an `up` meets them.
const CAUSES: &[Cause] = &[
    // Nothing has been made yet.
    cause(
        "image",
        "image: no/such:image",
        "",
        &["cannot pull image `no/such:image`", "compose.yaml:"],
    ),
    cause(
        "external network",
        "networks: [gone]",
        "networks: {gone: {external: true}}",
        &["`gone`", "external"],
    ),
    cause(
        "external volume",
        "volumes: ['gone:/x']",
        "volumes: {gone: {external: true}}",
        &["`gone`", "external"],
    ),
    cause(
        "secret",
        "secrets: [gone]",
        "secrets: {gone: {file: ./gone}}",
        &["gone"],
    ),
    // Networks and volumes.
    cause(
        "subnet",
        "networks: [default, n]",
        "networks: {n: {ipam: {config: [{subnet: 10.9.0.0/24}]}}, default: {ipam: {config: [{subnet: 10.9.0.128/25}]}}}",
        &["10.9.0."],
    ),
    cause(
        "address",
        "networks: {default: {ipv4_address: 10.1.2.3}}",
        "networks: {default: {ipam: {config: [{subnet: 10.9.0.0/24}]}}}",
        &["10.1.2.3"],
    ),
    cause(
        "volume",
        "volumes: ['v:/x']",
        "volumes: {v: {driver_opts: {type: none, o: bind, device: /no/such/folder}}}",
        &["/no/such/folder"],
    ),
    // The container is made.
    cause("user", "user: nobodyknows", "", &["`nobodyknows`"]),
    cause(
        "bind",
        "volumes: [{type: bind, source: /no/such/file, target: /x, bind: {create_host_path: false}}]",
        "",
        &["/no/such/file"],
    ),
    cause("device", "devices: [/dev/no-such]", "", &["/dev/no-such"]),
    cause(
        "container name",
        "container_name: project-ok-1",
        "",
        &["`project-ok-1`"],
    ),
    // It is connected.
    cause(
        "port",
        "ports: ['8086:80']",
        "",
        &["8086", "in use", "perl"],
    ),
    // It starts.
    cause(
        "sysctl",
        "sysctls: {net.ipv4.no_such: 1}",
        "",
        &["net.ipv4.no_such"],
    ),
    cause(
        "working folder",
        "working_dir: /etc/passwd",
        "",
        &["/etc/passwd"],
    ),
    cause("ulimit", "ulimits: {nofile: 9999999999}", "", &["nofile"]),
    cause(
        "program",
        "command: [/no/such/program]",
        "",
        &["`/no/such/program`"],
    ),
    cause("no program", "command: [/etc]", "", &["`/etc`"]),
    // It runs.
    cause(
        "health",
        "healthcheck: {test: [CMD, 'false'], interval: 50ms, retries: 2}",
        "",
        &["unhealthy"],
    ),
    cause("exit", "entrypoint: ['false']", "", &["exited (1)"]),
];

const fn cause(
    name: &'static str,
    options: &'static str,
    more: &'static str,
    says: &'static [&'static str],
) -> Cause {
    Cause {
        name,
        options,
        more,
        says,
    }
}

#[test]
fn an_up_that_fails_says_why_and_goes_without_a_trace() {
    let world = World::new("fails");
    let mut wrong = Vec::new();
    for Cause {
        name,
        options,
        more,
        says,
    } in CAUSES
    {
        world.write(
            "compose.yaml",
            &format!(
                "services:\n  ok: {{{SLEEP}, volumes: ['data:/data'], ports: ['8087:80']}}\n  \
                 bad: {{{}, depends_on: [ok]}}\n{}\n{}\n",
                merged(options),
                if more.contains("volumes:") {
                    ""
                } else {
                    "volumes: {data: }"
                },
                more.replace("volumes: {", "volumes: {data: , "),
            ),
        );
        let holder = (*name == "port").then(|| port_holder(&world));
        let up = world.hoist(&["up", "-d", "--wait"]);
        if let Some(holder) = holder {
            assert!(world.kill("-9", holder.pid));
        }
        if up.code != 1 || says.iter().any(|word| !up.stderr.contains(word)) {
            wrong.push(format!("{name}: code {}\n{}", up.code, up.stderr));
        }
        let halves = ps(&world);
        if halves
            .iter()
            .any(|c| c["Service"] == "bad" && c["State"] == "running")
            && *name != "health"
        {
            wrong.push(format!("{name}: it runs: {halves:?}"));
        }
        let down = world.hoist(&["down", "-v"]);
        if down.code != 0 {
            wrong.push(format!("{name}: down: {}", down.stderr));
        }
        let traces = world.traces();
        if !traces.is_empty() {
            wrong.push(format!("{name}: left behind\n  {}", traces.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A program of the host that has the port 8086.
fn port_holder(world: &World) -> Running {
    let holder = world.spawn(&[
        "perl",
        "-MIO::Socket::INET",
        "-e",
        "$l = IO::Socket::INET->new(LocalPort => 8086, Listen => 5) or die; $| = 1; print \"ready\\n\"; sleep 1000",
    ]);
    assert_eq!(holder.line().as_deref(), Some("ready"));
    holder
}

/// `options` with what they leave to the usual service.
fn merged(options: &str) -> String {
    let usual = [
        ("image", "image: host"),
        ("command", "command: [sleep, '1000']"),
        ("init", "init: true"),
        ("stop_grace_period", "stop_grace_period: 0s"),
    ];
    let missing = usual
        .iter()
        .filter(|(key, _)| !options.starts_with(&format!("{key}:")));
    missing
        .map(|(_, text)| format!("{text}, "))
        .collect::<String>()
        + options
}
