//! `build`.

use super::mounts::SECRETS;
use super::shapes::*;
use super::*;

/// `build`
pub const BUILD: &[Attribute] = &[
    at("context", TEXT.path(Path::OrUrl)).or(Default::Text(".")),
    at("dockerfile", TEXT).note("relative to the context"),
    at("dockerfile_inline", TEXT),
    at("entitlements", TEXTS),
    at("args", ENVIRONMENT),
    at("provenance", scalar(Scalar::TextOrBool)),
    at("sbom", scalar(Scalar::TextOrBool)),
    at(
        "ssh",
        list(&TEXT.path(Path::Ssh))
            .long(Long::Ssh)
            .same(Same::Distinct),
    ),
    at("labels", LABELS),
    at("cache_from", TEXTS),
    at("cache_to", TEXTS),
    at("no_cache", BOOL),
    at("no_cache_filter", TEXTS.long(Long::List)),
    at(
        "additional_contexts",
        map(&TEXT.path(Path::OrUrl))
            .long(Long::Pairs)
            .rule(Rule::Entries),
    ),
    at("pull", BOOL),
    at("extra_hosts", HOSTS),
    at("isolation", TEXT),
    at("network", TEXT),
    at("target", TEXT),
    at("secrets", list(&object(SECRETS)).long(Long::Files(None))),
    at("shm_size", scalar(Scalar::WholeBytes)),
    at("tags", UNIQUE_TEXTS),
    at("ulimits", ULIMITS),
    at("platforms", TEXTS),
    at("privileged", BOOL),
];
