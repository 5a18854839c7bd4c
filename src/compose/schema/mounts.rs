//! What is mounted into a service.

use super::shapes::*;
use super::*;

/// `volumes.[]`
pub const MOUNT: &[Attribute] = &[
    at(
        "type",
        word(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"]),
    )
    .required()
    .partly("`bind`, `volume`, `tmpfs` and `image`"),
    at("source", TEXT).note("a path if the type is `bind`"),
    at("target", scalar(Scalar::Target)).required(),
    at("read_only", BOOL),
    at("consistency", TEXT).note("of other systems"),
    at("bind", object(BIND)).keep(),
    at("volume", object(VOLUME)).keep(),
    at("tmpfs", object(TMPFS)).keep(),
    at("image", object(IMAGE)).keep(),
];

const BIND: &[Attribute] = &[
    at("selinux", word(&["z", "Z"])).note("nothing is labelled"),
    at("propagation", TEXT),
    at("create_host_path", BOOL).or(Default::True),
    at(
        "recursive",
        word(&["enabled", "disabled", "writable", "readonly"]),
    ),
];

const VOLUME: &[Attribute] = &[
    at("labels", LABELS),
    at("nocopy", BOOL),
    at("subpath", TEXT),
];

const TMPFS: &[Attribute] = &[
    at("size", scalar(Scalar::WholeBytes)),
    at("mode", scalar(Scalar::ModeNumber)),
];

const IMAGE: &[Attribute] = &[at("subpath", TEXT)];

const FILE: [Attribute; 5] = [
    at("source", TEXT).required(),
    at("target", TEXT),
    at("uid", TEXT),
    at("gid", TEXT),
    at("mode", scalar(Scalar::Mode)).keep(),
];

/// `secrets.[]`
pub const SECRETS: &[Attribute] = &FILE;

/// `configs.[]`
pub const CONFIGS: &[Attribute] = &FILE;

/// `devices.[]`
pub const DEVICE: &[Attribute] = &[
    at("source", TEXT).required(),
    at("target", TEXT).required(),
    at("permissions", TEXT),
];
