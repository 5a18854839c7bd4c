//! `deploy`: what it says about one host is honoured, what it says about a swarm is kept.

use super::resources::DEVICE_REQUEST;
use super::shapes::*;
use super::*;

const NO_SWARM: &str = "there is no swarm";

/// `deploy`
pub const DEPLOY: &[Attribute] = &[
    at("mode", TEXT).partly("on one host, global means one"),
    at("replicas", NATURAL).keep(),
    at("labels", LABELS).accepted(NO_SWARM),
    at("update_config", object(UPDATE)).keep(),
    at("rollback_config", object(UPDATE)).keep(),
    at("resources", object(RESOURCES)).zero(Zero::Object),
    at("restart_policy", object(RESTART_POLICY)).keep(),
    at("placement", object(PLACEMENT))
        .zero(Zero::Object)
        .accepted(NO_SWARM),
    at("endpoint_mode", TEXT).accepted(NO_SWARM),
];

const UPDATE: &[Attribute] = &[
    at("parallelism", NATURAL).keep(),
    at("delay", DURATION),
    at("failure_action", TEXT),
    at("monitor", DURATION),
    at("max_failure_ratio", NUMBER),
    at("order", word(&["start-first", "stop-first"])),
];

const RESOURCES: &[Attribute] = &[
    at("limits", object(LIMITS)).keep(),
    at("reservations", object(RESERVATIONS)).keep(),
];

const LIMITS: &[Attribute] = &[
    at("cpus", NUMBER),
    at("memory", scalar(Scalar::BytesText)),
    at("pids", INT),
];

const RESERVATIONS: &[Attribute] = &[
    at("cpus", NUMBER).accepted("a reservation of CPUs is of swarm"),
    at("memory", scalar(Scalar::BytesText)),
    at("devices", list(&object(DEVICE_REQUEST)))
        .partly("through files of the container device interface (CDI)"),
    at("generic_resources", list(&object(GENERIC))).accepted(NO_SWARM),
];

const GENERIC: &[Attribute] = &[at("discrete_resource_spec", object(DISCRETE)).keep()];

const DISCRETE: &[Attribute] = &[
    at("kind", TEXT).zero(Zero::Text),
    at("value", TRUNCATED).zero(Zero::Number),
];

const RESTART_POLICY: &[Attribute] = &[
    at("condition", TEXT),
    at("delay", DURATION).keep(),
    at("max_attempts", NATURAL).keep(),
    at("window", DURATION).keep(),
];

const PLACEMENT: &[Attribute] = &[
    at("constraints", TEXTS),
    at("preferences", list(&object(PREFERENCE))),
    at("max_replicas_per_node", NATURAL),
];

const PREFERENCE: &[Attribute] = &[at("spread", TEXT)];
