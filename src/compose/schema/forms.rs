//! A shape in words, for messages and for the table of compatibility.

use super::Kind;
use super::Long;
use super::Scalar;
use super::Shape;

/// What may be written, e.g. `a text or a list`.
pub fn describe(shape: &Shape) -> &'static str {
    match (shape.long, shape.kind) {
        (Long::List | Long::Words | Long::Test, _) => "a text or a list",
        (Long::Pairs | Long::Names | Long::Dependencies | Long::Hosts | Long::Ssh, _) => {
            "a list or a mapping"
        }
        (Long::Build, _) => "a text or a mapping",
        (Long::EnvFiles, _) => "a text, or a list of texts or mappings",
        (Long::Gpus, _) => "`all` or a list",
        (_, Kind::Any) => "anything",
        (_, Kind::List(_)) => "a list",
        (_, Kind::Map(_) | Kind::Object(_)) => "a mapping",
        (_, Kind::Either(Scalar::Label, _)) => "a text or a list",
        (_, Kind::Either(..)) => "a whole number or a mapping",
        (_, Kind::Scalar(scalar)) => describe_scalar(scalar),
    }
}

/// What an item of a list may be that has a short form.
pub fn describe_item(long: Long) -> Option<&'static str> {
    match long {
        Long::Ports => Some("a text, a number or a mapping"),
        Long::Mounts | Long::Devices | Long::EnvFiles | Long::Files(_) => {
            Some("a text or a mapping")
        }
        _ => None,
    }
}

/// What a scalar may be.
pub fn describe_scalar(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Text
        | Scalar::Word(_)
        | Scalar::Tested(..)
        | Scalar::Target
        | Scalar::Address
        | Scalar::BytesText => "a text",
        Scalar::Duration => "a duration such as `10s`",
        Scalar::Bool | Scalar::TrueFalse => "`true` or `false`",
        Scalar::Int | Scalar::Within(..) | Scalar::Truncated => "a whole number",
        Scalar::Number => "a number",
        Scalar::Bytes
        | Scalar::WholeBytes
        | Scalar::SignedBytes
        | Scalar::Mode
        | Scalar::ModeNumber => "a text or a number",
        Scalar::Count => "a whole number or `all`",
        Scalar::TextOrNumber | Scalar::TextOrInt | Scalar::TextNumberOrNothing => {
            "a text or a number"
        }
        Scalar::TextOrBool => "a text or a boolean",
        Scalar::Loose | Scalar::Label => "a text, a number or a boolean",
    }
}
