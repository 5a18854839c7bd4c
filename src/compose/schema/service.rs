//! The rows of a service, in the order in which `config` prints them. Longer values have files of their own.

use super::build::BUILD;
use super::deploy::DEPLOY;
use super::mounts::CONFIGS;
use super::mounts::DEVICE;
use super::mounts::MOUNT;
use super::mounts::SECRETS;
use super::network::MEMBERSHIP;
use super::network::PORT;
use super::process::DEPENDENCY;
use super::process::DEVELOP;
use super::process::ENV_FILE;
use super::process::EXTENDS;
use super::process::HEALTHCHECK;
use super::process::HOOK;
use super::process::PRE_START;
use super::process::PROVIDER;
use super::resources::BLKIO;
use super::resources::CREDENTIAL_SPEC;
use super::resources::GPU;
use super::shapes::*;
use super::*;

const NO_WINDOWS: &str = "of Windows";
const NO_V1: &str = "needs control groups of version 1";
const CDI: &str = "devices that have a file of the container device interface (CDI)";

/// The rows of a service.
pub const SERVICE: &[Attribute] = &[
    at("profiles", TEXTS.same(Same::Equal)),
    at("annotations", LABELS),
    at("attach", BOOL).keep(),
    at("build", object(BUILD).long(Long::Build))
        .keep()
        .rejected("not supported yet"),
    at("develop", object(DEVELOP))
        .keep()
        .nullable()
        .note("for `watch`"),
    at("blkio_config", object(BLKIO)).keep(),
    at("cap_add", UNIQUE_TEXTS),
    at("cap_drop", UNIQUE_TEXTS),
    at("cgroup_parent", TEXT),
    at("cgroup", word(&["host", "private"])),
    at("cpu_count", scalar(Scalar::Within(0, i64::MAX))).accepted(NO_WINDOWS),
    at("cpu_percent", NUMBER).accepted(NO_WINDOWS),
    at("cpu_period", TRUNCATED),
    at("cpu_quota", TRUNCATED),
    at("cpu_rt_period", TRUNCATED).partly(NO_V1),
    at("cpu_rt_runtime", TRUNCATED).partly(NO_V1),
    at("cpus", NUMBER),
    at("cpuset", TEXT),
    at("cpu_shares", TRUNCATED),
    at("command", COMMAND).keep().nullable().zero(Zero::Null),
    at(
        "configs",
        list(&object(CONFIGS))
            .long(Long::Files(None))
            .same(Same::Target("/")),
    ),
    at(
        "container_name",
        scalar(Scalar::Tested(is_container_name, CONTAINER_NAME)),
    ),
    at("credential_spec", object(CREDENTIAL_SPEC))
        .keep()
        .accepted(NO_WINDOWS),
    at(
        "depends_on",
        map(&object(DEPENDENCY)).long(Long::Dependencies),
    ),
    at("deploy", object(DEPLOY))
        .keep()
        .nullable()
        .partly("resources, replicas and the restart policy"),
    at("device_cgroup_rules", DISTINCT_TEXTS),
    at(
        "devices",
        list(&object(DEVICE))
            .long(Long::Devices)
            .same(Same::Key("target")),
    ),
    at("dns", SOME_TEXTS),
    at("dns_opt", TEXTS.same(Same::BeforeEquals)),
    at("dns_search", SOME_TEXTS),
    at("domainname", TEXT),
    at("entrypoint", COMMAND).keep().nullable().zero(Zero::Null),
    at("provider", object(PROVIDER)).keep(),
    at("environment", ENVIRONMENT),
    at(
        "env_file",
        list(&object(ENV_FILE))
            .long(Long::EnvFiles)
            .same(Same::Key("path")),
    ),
    at("expose", list(&TEXT_OR_INT).same(Same::Equal)),
    at("extends", object(EXTENDS)),
    at("external_links", TEXTS.same(Same::Distinct)),
    at("extra_hosts", HOSTS),
    at("group_add", list(&TEXT_OR_NUMBER).same(Same::Distinct)),
    at("gpus", list(&object(GPU)).long(Long::Gpus)).partly(CDI),
    at("hostname", TEXT),
    at("healthcheck", object(HEALTHCHECK)).keep(),
    at("image", TEXT.path(Path::No)),
    at("init", BOOL).keep(),
    at("ipc", TEXT),
    at("isolation", TEXT).partly("`default`, as docker on Linux"),
    at("labels", LABELS),
    at(
        "label_file",
        list(&HOST_PATH).long(Long::List).same(Same::BeforeEquals),
    ),
    at("links", UNIQUE_TEXTS),
    at("logging", object(LOGGING).rule(Rule::SameDriver))
        .keep()
        .partly("`json-file`, `local`, `journald`, `syslog`, `none`; `labels` and `env` are for the journal"),
    at("mem_limit", BYTES),
    at("mem_reservation", scalar(Scalar::WholeBytes)),
    at("memswap_limit", scalar(Scalar::SignedBytes)),
    at("mem_swappiness", scalar(Scalar::WholeBytes)).partly(NO_V1),
    at("mac_address", TEXT),
    at("models", map(&object(SERVICE_MODEL)).long(Long::Names))
        .partly("where `models.*.x-hoist.endpoint` says who runs it"),
    at("network_mode", TEXT),
    at("networks", map(&object(MEMBERSHIP)).long(Long::Names)),
    at("oom_kill_disable", BOOL).partly(NO_V1),
    at("oom_score_adj", scalar(Scalar::Within(-1000, 1000))),
    at("pid", TEXT),
    at("pids_limit", TRUNCATED),
    at("platform", TEXT),
    at(
        "ports",
        list(&object(PORT)).long(Long::Ports).same(Same::Port),
    ),
    at("privileged", BOOL),
    at(
        "pull_policy",
        scalar(Scalar::Tested(is_pull_policy, PULL_POLICY)),
    ),
    at("pull_refresh_after", TEXT),
    at("read_only", BOOL),
    at("restart", TEXT),
    at("runtime", TEXT).partly("containers run in hoist's own runtime, which stands for `runc`"),
    at("scale", scalar(Scalar::Within(0, i64::MAX))).keep(),
    at(
        "secrets",
        list(&object(SECRETS))
            .long(Long::Files(Some("/run/secrets/")))
            .same(Same::Target("/run/secrets/")),
    ),
    at("security_opt", DISTINCT_TEXTS),
    at("shm_size", BYTES),
    at("stdin_open", BOOL),
    at("stop_grace_period", DURATION).keep(),
    at("stop_signal", TEXT),
    at("storage_opt", OPTIONS)
        .partly("`size`, an error where the file system has no project quotas"),
    at("sysctls", LABELS),
    at("tmpfs", SOME_TEXTS),
    at("tty", BOOL),
    at("ulimits", ULIMITS),
    at("use_api_socket", TRUE_FALSE).rejected("there is no daemon whose socket could be given"),
    at("user", TEXT),
    at("userns_mode", TEXT).partly("`host`: no users are mapped"),
    at("uts", TEXT),
    at(
        "volumes",
        list(&object(MOUNT))
            .long(Long::Mounts)
            .same(Same::Key("target")),
    ),
    at("volumes_from", DISTINCT_TEXTS),
    at("working_dir", TEXT),
    at("pre_start", list(&object(PRE_START))),
    at("post_start", list(&object(HOOK))),
    at("pre_stop", list(&object(HOOK))),
];

const LOGGING: &[Attribute] = &[
    at("driver", TEXT),
    at("options", map(&scalar(Scalar::TextNumberOrNothing))),
];

const SERVICE_MODEL: &[Attribute] = &[at("endpoint_var", TEXT), at("model_var", TEXT)];

const CONTAINER_NAME: &str =
    "a container name: two or more letters, digits, `_`, `.`, `-`, the first a letter or digit";

/// As lax as docker compose; the strict rule is that of the engine.
fn is_container_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let next = text.chars().skip(1);
    text.chars()
        .zip(next)
        .any(|(one, two)| one.is_ascii_alphanumeric() && inner(two))
}

const PULL_POLICY: &str = "a pull policy: use `always`, `never` or `missing`";

fn is_pull_policy(text: &str) -> bool {
    let words = [
        "always",
        "never",
        "build",
        "if_not_present",
        "missing",
        "refresh",
        "daily",
        "weekly",
    ];
    let every = |rest: &str| {
        rest.chars()
            .all(|c| c.is_ascii_digit() || "wdhms".contains(c))
            && rest.starts_with(|c: char| c.is_ascii_digit())
            && !rest.ends_with(|c: char| c.is_ascii_digit())
    };
    words.contains(&text) || text.strip_prefix("every_").is_some_and(every)
}
