//! What to do about a problem, where the stage that found it has no better idea: how the attribute is written, or what the
//! kind of problem means.

use super::diagnostic::Diagnostic;

/// How attributes are written, by the end of their path without indices; `*` is a name of the user's choice. Longer ends
/// come first.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "healthcheck.test",
        "`test: [\"CMD\", \"curl\", \"-f\", \"http://localhost\"]`",
    ),
    ("healthcheck.retries", "`retries: 3`"),
    (
        "healthcheck.interval",
        "`interval: 30s`, with `ms`, `s`, `m` or `h`",
    ),
    (
        "healthcheck.timeout",
        "`timeout: 5s`, with `ms`, `s`, `m` or `h`",
    ),
    (
        "healthcheck.start_period",
        "`start_period: 1m30s`, with `ms`, `s`, `m` or `h`",
    ),
    (
        "healthcheck",
        "`healthcheck: {test: curl -f http://localhost, interval: 30s}`",
    ),
    ("deploy.replicas", "`replicas: 2`"),
    ("limits.cpus", "`cpus: \"0.5\"`"),
    (
        "resources.limits",
        "`limits: {cpus: \"0.5\", memory: 512m}`",
    ),
    ("limits.memory", "`memory: 512m`, with `b`, `k`, `m` or `g`"),
    (
        "reservations.memory",
        "`memory: 512m`, with `b`, `k`, `m` or `g`",
    ),
    ("deploy", "`deploy: {replicas: 2}`"),
    (
        "depends_on",
        "`depends_on: [db]`, or `depends_on: {db: {condition: service_healthy}}`",
    ),
    ("depends_on.*", "`*: {condition: service_started}`"),
    (
        "environment",
        "`environment: {NAME: value}`, or `- NAME=value`",
    ),
    ("build.args", "`args: {NAME: value}`"),
    (
        "build",
        "`build: ./folder`, or `build: {context: ./folder, dockerfile: Dockerfile}`",
    ),
    ("labels", "`labels: {com.example.name: value}`"),
    ("annotations", "`annotations: {com.example.name: value}`"),
    ("ports.target", "`{target: 80, published: \"8080\"}`"),
    ("ports.published", "`{target: 80, published: \"8080\"}`"),
    ("ports.protocol", "`protocol: tcp` or `protocol: udp`"),
    (
        "ports",
        "`- \"8080:80\"`, `- \"127.0.0.1:8080:80/udp\"`, or `- {target: 80, published: \"8080\"}`",
    ),
    ("expose", "`expose: [\"80\"]`"),
    ("volumes.target", "`target: /path/in/the/container`"),
    (
        "volumes",
        "`- data:/path`, `- ./folder:/path:ro`, or `- {type: bind, source: ./folder, target: /path}`",
    ),
    ("tmpfs.size", "`size: 64m`, with `b`, `k`, `m` or `g`"),
    ("tmpfs", "`tmpfs: [/run]`"),
    ("ipv4_address", "`ipv4_address: 172.28.0.10`"),
    ("ipv6_address", "`ipv6_address: \"fd00::10\"`"),
    ("mac_address", "`mac_address: \"02:42:ac:11:00:02\"`"),
    ("interface_name", "`interface_name: eth1`"),
    (
        "networks",
        "`networks: [front]`, or `networks: {front: {aliases: [www]}}`",
    ),
    ("subnet", "`subnet: 172.28.0.0/16`"),
    ("gateway", "`gateway: 172.28.0.1`"),
    ("secrets.mode", "`mode: 0400`, four octal digits"),
    ("configs.mode", "`mode: 0444`, four octal digits"),
    (
        "secrets",
        "`secrets: {token: {file: ./token.txt}}` at the top, `secrets: [token]` in the service",
    ),
    (
        "configs",
        "`configs: {conf: {file: ./conf}}` at the top, `configs: [conf]` in the service",
    ),
    ("command", "`command: [\"program\", \"argument\"]`"),
    ("entrypoint", "`entrypoint: [\"program\", \"argument\"]`"),
    ("image", "`image: nginx:1.27`"),
    ("container_name", "`container_name: my-web`"),
    ("hostname", "`hostname: web.example`"),
    ("domainname", "`domainname: example.org`"),
    ("stop_signal", "`stop_signal: SIGTERM`"),
    (
        "stop_grace_period",
        "`stop_grace_period: 10s`, with `ms`, `s`, `m` or `h`",
    ),
    (
        "restart",
        "`restart: unless-stopped`, or `restart: on-failure:3`",
    ),
    ("extra_hosts", "`extra_hosts: [\"db.example=192.0.2.1\"]`"),
    ("dns", "`dns: [192.0.2.53]`"),
    ("cpus", "`cpus: 0.5`"),
    ("cpuset", "`cpuset: \"0-2,4\"`"),
    ("pids_limit", "`pids_limit: 100`"),
    ("oom_score_adj", "`oom_score_adj: 500`"),
    ("mem_limit", "`mem_limit: 512m`, with `b`, `k`, `m` or `g`"),
    ("memswap_limit", "`memswap_limit: 1g`, or `-1` for no limit"),
    ("mem_reservation", "`mem_reservation: 256m`"),
    ("shm_size", "`shm_size: 64m`, with `b`, `k`, `m` or `g`"),
    ("ulimits.*", "`*: 1024`, or `*: {soft: 1024, hard: 2048}`"),
    (
        "ulimits",
        "`ulimits: {nofile: 1024}`, or `{nofile: {soft: 1024, hard: 2048}}`",
    ),
    ("sysctls", "`sysctls: {net.core.somaxconn: 1024}`"),
    ("devices", "`devices: [\"/dev/fuse:/dev/fuse:rwm\"]`"),
    (
        "security_opt",
        "`security_opt: [\"no-new-privileges:true\", \"seccomp:profile.json\"]`",
    ),
    ("pid", "`pid: host`, or `pid: service:NAME`"),
    ("ipc", "`ipc: shareable`, or `ipc: service:NAME`"),
    (
        "network_mode",
        "`network_mode: none`, or `network_mode: service:NAME`",
    ),
    ("user", "`user: \"1000:1000\"`"),
    ("working_dir", "`working_dir: /srv`"),
    ("scale", "`scale: 2`"),
    ("tty", "`tty: true`"),
    (
        "logging.driver",
        "`logging: {driver: json-file, options: {max-size: 10m}}`",
    ),
    ("profiles", "`profiles: [debug]`"),
    ("gpus", "`gpus: all`, or `gpus: [{count: 1}]`"),
    ("pull_policy", "`pull_policy: missing`, `always` or `never`"),
    ("uts", "`uts: host`"),
    (
        "mem_swappiness",
        "`mem_swappiness: 60`, a number from 0 to 100",
    ),
    (
        "volumes_from",
        "`volumes_from: [other]`, or `[\"container:NAME:ro\"]`",
    ),
    ("post_start", "`post_start: [{command: [\"program\"]}]`"),
    ("pre_stop", "`pre_stop: [{command: [\"program\"]}]`"),
    (
        "watch",
        "`watch: [{action: sync, path: ./src, target: /app/src}]`",
    ),
];

/// How the sections at the top are written, which have the names of attributes.
const SECTIONS: &[(&str, &str)] = &[
    (
        "services",
        "`services: {web: {image: nginx}}`: each service has a name, and its attributes below it",
    ),
    (
        "networks",
        "`networks: {front: {}}`: each network has a name",
    ),
    ("volumes", "`volumes: {data: {}}`: each volume has a name"),
    ("secrets", "`secrets: {token: {file: ./token.txt}}`"),
    ("configs", "`configs: {conf: {file: ./conf.txt}}`"),
    ("include", "`include: [other/compose.yaml]`"),
];

/// How what is in a section at the top is written; `*` is its name.
const MEMBERS: &[(&str, &str)] = &[
    ("services", "`*: {image: nginx}`"),
    ("networks", "`*: {}`"),
    ("volumes", "`*: {}`"),
    ("secrets", "`*: {file: ./*.txt}`"),
    ("configs", "`*: {file: ./*.txt}`"),
];

/// What to do about some causes, wherever they are.
const CAUSES: &[(&str, &str)] = &[
    (
        "are not equally long",
        "name as many ports on both sides: `\"8000-8002:9000-9002\"`",
    ),
    (
        "ends before it begins",
        "write the smaller number first: `\"8000-8002:9000-9002\"`",
    ),
    (
        "names no container port",
        "write the port of the container behind the last `:`: `\"8080:80\"`",
    ),
    ("is not a protocol", "write `80/tcp` or `80/udp`"),
    (
        "is not an absolute path",
        "a path in the container begins with `/`: `- data:/path`",
    ),
    (
        "the soft limit is above the hard one",
        "write a `soft` that is at most as large as `hard`",
    ),
];

/// Gives a problem a hint, if it has none.
pub fn advise(problem: &mut Diagnostic) {
    if problem.hint.is_none() {
        let well_written = matches!(problem.code, "no-effect" | "unsupported");
        let by_path = by_path(&problem.message).filter(|_| !well_written);
        problem.hint = by_path.or_else(|| by_code(problem));
    }
}

/// How the attribute is written whose path the message begins with: by its own name, by what it must be, or by that of what
/// it is in.
fn by_path(message: &str) -> Option<String> {
    let path = message.strip_prefix('`')?.split('`').next()?;
    if path.contains(char::is_whitespace) {
        return None;
    }
    let plain: Vec<&str> = path.split('.').map(without_index).collect();
    let name = plain.last().copied().unwrap_or_default();
    let as_written = |example: &str| format!("write it as {}", example.replace('*', name));
    let told = message.get(path.len() + 2..).unwrap_or_default();
    if let Some((_, advice)) = CAUSES.iter().find(|(cause, _)| told.contains(cause)) {
        return Some((*advice).to_owned());
    }
    let member = || match plain[..] {
        [section, _] if told.starts_with(" must be") || told.contains(": one of ") => {
            named(MEMBERS, section)
        }
        _ => None,
    };
    let section = |name| named(SECTIONS, name);
    let example = section(path).or_else(member);
    if let Some(example) = example.or_else(|| example_of(&plain)) {
        return Some(as_written(example));
    }
    let outer = || {
        let mut lengths = (1..plain.len()).rev();
        let found = lengths.find_map(|length| example_of(&plain[..length]));
        found.or_else(|| section(plain[0]).filter(|_| plain[0] != "services"))
    };
    by_type(told).or_else(|| outer().map(as_written))
}

/// The example of this name.
fn named(examples: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let found = examples.iter().find(|(section, _)| *section == name);
    found.map(|(_, example)| *example)
}

/// The example of the attribute at the end of a path.
fn example_of(path: &[&str]) -> Option<&'static str> {
    let fits = |name: &str| {
        let length = name.split('.').count();
        let mut pairs = name
            .split('.')
            .zip(&path[path.len().saturating_sub(length)..]);
        length <= path.len() && pairs.all(|(name, part)| name == "*" || name == *part)
    };
    let found = EXAMPLES
        .iter()
        .find(|(name, _)| path.len() > 1 && fits(name));
    found.map(|(_, example)| *example)
}

/// What a value must look like that is of another type.
fn by_type(told: &str) -> Option<String> {
    let advice = match told.trim_start_matches([':', ' ']) {
        it if it.ends_with("is missing") => {
            let name = it.split('`').nth(1).unwrap_or("NAME");
            return Some(format!("add `{name}: …`"));
        }
        it if it.starts_with("must be a duration") => {
            "write a number with its unit, such as `10s` or `1m30s`"
        }
        it if it.starts_with("must be `true`") => "write `true` or `false`, without quotes",
        it if it.starts_with("must be a text or a list") => {
            "write one text, or a list: `[one, another]`"
        }
        it if it.starts_with("must be a list or a mapping") => {
            "write `{NAME: value}`, or a line `- NAME=value` for each"
        }
        it if it.starts_with("must be a list") => {
            "write `[one, another]`, or a line `- one` for each"
        }
        it if it.starts_with("must be a mapping") => {
            "write `{key: value}`, or a line `key: value` for each, indented below it"
        }
        it if it.starts_with("must be a whole number") => "write a number without quotes or unit",
        it if it.starts_with("must be a number") => "write a number without quotes or unit",
        it if it.starts_with("must be a text") => {
            "write one text, in quotes if it has `: ` or ` #`"
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

/// `ports[0]` is `ports`.
fn without_index(part: &str) -> &str {
    part.split('[').next().unwrap_or(part)
}

fn by_code(problem: &Diagnostic) -> Option<String> {
    let message = problem.message.as_str();
    let advice = match problem.code {
        "dependency-cycle" => {
            "remove one of these dependencies: one of the services must be able to start first"
        }
        "extends-cycle" => {
            "let one of them stand on its own: write out what it takes from the next"
        }
        "include-cycle" => {
            "remove one of these `include`s: put what both need into a file of its own"
        }
        "duplicate-key" => "remove one of them, or write the values of both below one key",
        "merge-key" => "write `<<: *anchor`, or `<<: [*one, *other]`",
        "missing-file" => {
            "create it, or correct its name; it is looked for beside the file that names it"
        }
        "unreadable-file" => "give the path of a readable text file",
        "too-deep" => "a compose file needs no such nesting: look for brackets that are not closed",
        "mounted-twice" => "give one of them another path, or remove it",
        "name-taken" => "give each service a `container_name` of its own, or leave it out",
        "invalid-name" if message.contains("project name") => {
            "use lower-case letters, digits, `_` and `-`, beginning with a letter or digit"
        }
        "invalid-name" => "use letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
        "no-effect" => "it can be removed",
        "build-ignored" => "it can be removed, if the image comes from elsewhere",
        "unsupported" => "leave it out; `docs/compatibility.md` lists what takes effect",
        "several-files" => "remove the others, or name the files that you want with `-f`",
        "wrong-type" if message.starts_with("a compose file") => {
            "begin with `services:`, and the name of a service indented below it"
        }
        "yaml" if message.contains("indentation") || message.contains("block mapping") => {
            "keys of one mapping begin in the same column: compare this line with those above"
        }
        "yaml" => "look at this line and the one above it: a quote, bracket or `:` may be missing",
        _ => return None,
    };
    Some(advice.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_at_the_end_of_the_path_decides() {
        for (message, wanted) in [
            ("`services.ports.image`: x", "nginx:1.27"),
            ("`services.a.ports[0]`: x", "8080:80"),
            ("`services.a.ports[0].protocol`: x", "tcp"),
            ("`services.a.environment.A`: x", "NAME: value"),
            (
                "`services.a.init` must be `true` or `false`, not x",
                "without quotes",
            ),
            (
                "`services.a.develop.watch[0]`: `path` is missing",
                "action: sync",
            ),
            ("`services.a.develop`: `x` is missing", "add `x: …`"),
            ("`volumes` must be a mapping, not a text", "data: {}"),
            ("`volumes.a` must be a mapping, not a text", "`a: {}`"),
            (
                "`secrets.s`: one of `file` is needed",
                "`s: {file: ./s.txt}`",
            ),
            (
                "`services.a.ports[0]`: the range `2-1` ends before it begins",
                "smaller",
            ),
            (
                "`services.image` must be a mapping, not a text",
                "`image: {image: nginx}`",
            ),
            (
                "`services.a.depends_on.b`: `condition` is missing",
                "`b: {condition: service_started}`",
            ),
        ] {
            let hint = by_path(message).unwrap();
            assert!(hint.contains(wanted), "{message}: {hint}");
        }
        assert_eq!(by_path("`box` is the name of two containers"), None);
        assert_eq!(by_path("service `a` has"), None);
    }
}
