//! What runs in a service and around it: dependencies, environment, health, hooks, watching.

use super::shapes::*;
use super::*;

/// `depends_on.*`
pub const DEPENDENCY: &[Attribute] = &[
    at(
        "condition",
        word(&[
            "service_started",
            "service_healthy",
            "service_completed_successfully",
        ]),
    )
    .required(),
    at("restart", BOOL),
    at("required", TRUE_FALSE).or(Default::True),
];

/// `env_file.[]`
pub const ENV_FILE: &[Attribute] = &[
    at("path", HOST_PATH).required(),
    at("required", BOOL).or(Default::True),
    at("format", TEXT),
];

/// `extends`
pub const EXTENDS: &[Attribute] = &[at("service", TEXT).required(), at("file", TEXT)];

/// `healthcheck`
pub const HEALTHCHECK: &[Attribute] = &[
    at("test", list(&TEXT).long(Long::Test).rule(Rule::Replace)),
    at("timeout", DURATION).keep(),
    at("interval", DURATION).keep(),
    at("retries", TRUNCATED).keep(),
    at("start_period", DURATION).keep(),
    at("start_interval", DURATION).keep(),
    at("disable", BOOL),
];

/// `post_start.[]` and `pre_stop.[]`
pub const HOOK: &[Attribute] = &[
    at("command", COMMAND)
        .required()
        .nullable()
        .keep()
        .zero(Zero::Null),
    at("user", TEXT),
    at("privileged", BOOL),
    at("working_dir", TEXT),
    at("environment", ENVIRONMENT),
];

/// `pre_start.[]`
pub const PRE_START: &[Attribute] = &[
    at("command", COMMAND),
    at("image", TEXT),
    at("user", TEXT),
    at("privileged", BOOL),
    at("working_dir", TEXT),
    at("environment", ENVIRONMENT),
    at("per_replica", BOOL),
];

/// `provider`
pub const PROVIDER: &[Attribute] = &[
    at("type", TEXT).required().keep(),
    at("options", map(&PROVIDER_OPTION)),
];

/// A list in the end, but not before it is merged: a text replaces a text.
const PROVIDER_OPTION: Shape = shape(Kind::Either(Scalar::Label, &list(&scalar(Scalar::Label))));

/// `develop`
pub const DEVELOP: &[Attribute] = &[at("watch", list(&object(WATCH)))];

const WATCH: &[Attribute] = &[
    at("path", HOST_PATH).required(),
    at(
        "action",
        word(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"]),
    )
    .required(),
    at("target", TEXT),
    at("exec", object(HOOK)).zero(Zero::Object),
    at("include", SOME_DISTINCT),
    at("ignore", SOME_DISTINCT),
    at("initial_sync", TRUE_FALSE),
];
