//! How much of a machine a service may use.

use super::shapes::*;
use super::*;

/// `blkio_config`
pub const BLKIO: &[Attribute] = &[
    at("weight", scalar(Scalar::Within(0, 65535))),
    at("weight_device", list(&object(WEIGHT))),
    at("device_read_bps", list(&object(RATE))),
    at("device_read_iops", list(&object(RATE))),
    at("device_write_bps", list(&object(RATE))),
    at("device_write_iops", list(&object(RATE))),
];

const WEIGHT: &[Attribute] = &[
    at("path", TEXT),
    at("weight", scalar(Scalar::Within(0, 65535))),
];

const RATE: &[Attribute] = &[at("path", TEXT), at("rate", BYTES)];

/// `gpus.[]`
pub const GPU: &[Attribute] = &[
    at("capabilities", DISTINCT_TEXTS),
    at("driver", TEXT),
    at("count", scalar(Scalar::Count)),
    at("device_ids", DISTINCT_TEXTS),
    at("options", LABELS),
];

/// `deploy.resources.reservations.devices.[]`
pub const DEVICE_REQUEST: &[Attribute] = &[
    at("capabilities", DISTINCT_TEXTS).required().keep(),
    at("driver", TEXT),
    at("count", scalar(Scalar::Count)),
    at("device_ids", DISTINCT_TEXTS),
    at("options", LABELS),
];

/// `credential_spec`
pub const CREDENTIAL_SPEC: &[Attribute] =
    &[at("config", TEXT), at("file", TEXT), at("registry", TEXT)];
