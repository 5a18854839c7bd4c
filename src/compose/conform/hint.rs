//! What a value of a wrong type should have been.

use crate::compose::yaml::Node;

/// How the value of the attribute at `path` is written as what is expected, if that is clear.
pub fn of_type(path: &str, node: &Node, expected: &str) -> Option<String> {
    let key = path.rsplit('.').next().unwrap_or_default();
    match (expected, node.as_str()) {
        ("a text", _) => Some(format!("write it in quotes: `\"{}\"`", node.scalar()?)),
        ("a list", Some(text)) if is_word(text) => Some(format!("write it as `{key}: [{text}]`")),
        _ => None,
    }
}

/// Whether a text can stand anywhere without quotes, and is short enough to be shown.
fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    (1..40).contains(&text.len()) && text.chars().all(plain)
}
