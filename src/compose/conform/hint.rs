//! What a value of a wrong type should have been, and what a key that is in the wrong place.

use crate::compose::yaml::Node;
use crate::compose::yaml::Value;

/// The sections beside `services`.
const SECTIONS: [&str; 5] = ["networks", "volumes", "secrets", "configs", "models"];

/// How the value of the attribute at `path` is written as what is expected, if that is clear.
pub fn of_type(path: &str, node: &Node, expected: &str) -> Option<String> {
    let key = path.rsplit('.').next().unwrap_or_default();
    match (expected, node.as_str()) {
        ("a text", _) if key == "restart" && node.value == Value::Bool(true) => {
            Some("write `restart: always`, or `restart: unless-stopped`".to_owned())
        }
        ("a text", _) if key == "restart" && node.value == Value::Bool(false) => {
            Some("write `restart: \"no\"`".to_owned())
        }
        ("a text", _) => Some(format!("write it in quotes: `\"{}\"`", node.scalar()?)),
        ("a list", Some(text)) if is_word(text) => Some(format!("write it as `{key}: [{text}]`")),
        ("a mapping", None) => {
            let (name, _) = node.items().first()?.entries().next()?;
            Some(format!("write `{name}:` without the `- ` in front of it"))
        }
        (_, None) if key == "env_file" => {
            let path = node.text_at("path").filter(|path| is_word(path))?;
            Some(format!(
                "write it as a list: `env_file: [{{path: {path}}}]`"
            ))
        }
        _ => None,
    }
}

/// What to do about the key of `entry`, which is unknown at `path`, if it is in the wrong place or cannot be seen.
pub fn of_key(path: &str, key: &str, entry: &Node) -> Option<String> {
    if let Some((c, name)) = key.chars().find_map(|c| Some((c, invisible(c)?))) {
        let number = u32::from(c);
        return Some(format!(
            "it has {name} (U+{number:04X}): write a plain space, or nothing"
        ));
    }
    match path {
        "" if ["image", "build"]
            .iter()
            .any(|key| entry.get(key).is_some()) =>
        {
            Some(format!(
                "indent it below `services:`: `services: {{{key}: …}}`"
            ))
        }
        path => misplaced(path.strip_prefix("services.")?),
    }
}

/// What to do about a service that is a section.
pub fn misplaced(service: &str) -> Option<String> {
    SECTIONS.contains(&service).then(|| {
        format!("move `{service}:` to the left, beside `services:`: below it, it is a service")
    })
}

/// A key as it is shown: what cannot be seen is written out.
pub fn shown(key: &str) -> String {
    let character = |c: char| match invisible(c) {
        Some(_) => c.escape_unicode().to_string(),
        None => c.to_string(),
    };
    key.chars().map(character).collect()
}

/// The name of a character that cannot be told from a space or from nothing.
fn invisible(c: char) -> Option<&'static str> {
    match c {
        '\u{a0}' | '\u{202f}' => Some("a no-break space"),
        '\u{200b}' => Some("a zero-width space"),
        '\u{200c}' | '\u{200d}' | '\u{2060}' => Some("a zero-width joiner"),
        '\u{feff}' => Some("a byte order mark"),
        '\u{3000}' => Some("a wide space"),
        '\u{2000}'..='\u{200a}' => Some("a space of another width"),
        _ => None,
    }
}

/// Whether a text can stand anywhere without quotes, and is short enough to be shown.
fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    (1..40).contains(&text.len()) && text.chars().all(plain)
}
