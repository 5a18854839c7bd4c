//! The top level, and the resources that services share.

use super::shapes::*;
use super::*;

/// The rows of a document.
pub const PROJECT: &[Attribute] = &[
    at("version", TEXT).accepted("obsolete"),
    at("name", TEXT),
    at("include", list(&object(INCLUDE))),
    at("services", map(&object(SERVICE))).keep(),
    at("networks", map(&object(NETWORK).long(Long::External))),
    at("volumes", map(&object(VOLUME).long(Long::External))),
    at("secrets", map(&object(SECRET).long(Long::External))),
    at("configs", map(&object(CONFIG).long(Long::External))),
    at("models", map(&object(MODEL))).partly("`x-hoist: {endpoint: URL}` says who runs it"),
];

const INCLUDE: &[Attribute] = &[
    at("path", TEXTS.long(Long::List)),
    at("project_directory", TEXT),
    at("env_file", TEXTS.long(Long::List)),
];

const NETWORK: &[Attribute] = &[
    at("name", TEXT),
    at("driver", TEXT).partly("`bridge`, `macvlan`, `ipvlan`"),
    at("driver_opts", OPTIONS),
    at("ipam", object(IPAM)).zero(Zero::Object),
    at("external", BOOL),
    at("internal", BOOL),
    at("attachable", BOOL).accepted("there is no swarm"),
    at("labels", LABELS),
    at("enable_ipv4", BOOL).keep(),
    at("enable_ipv6", BOOL).keep(),
];

const IPAM: &[Attribute] = &[
    at("driver", TEXT).partly("only `default`"),
    at("config", list(&object(POOL)).rule(Rule::Keyed("subnet"))),
    at("options", map(&TEXT)).accepted("the default driver has none"),
];

const POOL: &[Attribute] = &[
    at("subnet", TEXT),
    at("gateway", TEXT),
    at("ip_range", TEXT),
    at("aux_addresses", map(&TEXT)),
];

const VOLUME: &[Attribute] = &[
    at("name", TEXT),
    at("driver", TEXT).partly("`local`"),
    at("driver_opts", OPTIONS),
    at("external", BOOL),
    at("labels", LABELS),
];

const SECRET: &[Attribute] = &[
    at("name", TEXT),
    at("environment", TEXT),
    at("file", HOST_PATH),
    at("external", BOOL).rejected("there is no store of secrets"),
    at("labels", LABELS).accepted("nothing keeps them"),
    at("driver", TEXT).rejected("there is no store of secrets"),
    at("driver_opts", OPTIONS).rejected("there is no store of secrets"),
    at("template_driver", TEXT).rejected("templates are of swarm"),
];

const CONFIG: &[Attribute] = &[
    at("name", TEXT),
    at("content", TEXT).keep(),
    at("environment", TEXT),
    at("file", HOST_PATH),
    at("external", BOOL).rejected("there is no store of configs"),
    at("labels", LABELS).accepted("nothing keeps them"),
    at("template_driver", TEXT).rejected("templates are of swarm"),
];

const MODEL: &[Attribute] = &[
    at("name", TEXT),
    at("model", TEXT).required(),
    at("context_size", INT),
    at("runtime_flags", TEXTS),
];
