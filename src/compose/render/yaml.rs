//! A JSON tree as YAML, indented and quoted as docker compose does it.
//!
//! Invariant: what is printed reads back as the same tree.

use crate::compose::yaml::resolve;
use serde_json::Value;

/// Prints `value` as one document.
pub fn print(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => block(value, 0, &mut out),
        Value::Array(items) if !items.is_empty() => block(value, 0, &mut out),
        _ => {
            scalar(value, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(fields) => {
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 || indent == 0 || out.ends_with('\n') {
                    pad(indent, out);
                }
                out.push_str(&text(key));
                out.push(':');
                field(value, indent, out);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 || out.ends_with('\n') {
                    pad(indent, out);
                }
                out.push_str("- ");
                match is_block(item) {
                    true => block(item, indent + 2, out),
                    false => {
                        scalar(item, indent, out);
                        out.push('\n');
                    }
                }
            }
        }
        _ => {}
    }
}

/// What follows `key:`.
fn field(value: &Value, indent: usize, out: &mut String) {
    match is_block(value) {
        true => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        false => {
            out.push(' ');
            scalar(value, indent, out);
            out.push('\n');
        }
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::String(text) if wants_block(text) => literal(text, indent + 2, out),
        Value::String(text) => out.push_str(&self::text(text)),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => out.push_str(&other.to_string()),
    }
}

/// Several lines read best as they are.
fn wants_block(text: &str) -> bool {
    let printable = |c: char| c == '\n' || !c.is_control();
    text.trim_end_matches('\n').contains('\n')
        && text.chars().all(printable)
        && !text.starts_with([' ', '\n'])
        && !text.lines().any(|line| line.ends_with(' '))
}

fn literal(text: &str, indent: usize, out: &mut String) {
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(indent, out);
            out.push_str(line);
        }
    }
    // The caller ends the last line.
    for _ in 1..(text.len() - body.len()).max(1) {
        out.push('\n');
    }
}

/// A text, quoted if it would be read as something else without.
fn text(text: &str) -> String {
    let risky = text.is_empty()
        || text.starts_with(|c: char| " -?:,[]{}#&*!|>'\"%@`~=<".contains(c) && !safe_dash(text))
        || text.ends_with([' ', ':'])
        || text.contains(": ")
        || text.contains(" #");
    if text
        .chars()
        .any(|c| c.is_control() || c == '\u{feff}' || c == '\u{2028}' || c == '\u{2029}')
    {
        return double_quoted(text);
    }
    if looks_typed(text) {
        return double_quoted(text);
    }
    match risky {
        true => format!("'{}'", text.replace('\'', "''")),
        false => text.to_owned(),
    }
}

/// `-x` and `--x` are plain; `- x` and `---` are not.
fn safe_dash(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
            && !text.starts_with("---")
    })
}

/// Texts that some YAML reader takes for a number, a boolean, a time or nothing.
fn looks_typed(text: &str) -> bool {
    let words = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~",
    ];
    let sexagesimal = || {
        text.contains(':')
            && text
                .chars()
                .all(|c| c.is_ascii_digit() || ":._+-".contains(c))
    };
    let date = || {
        text.len() >= 8
            && text.contains('-')
            && text.starts_with(|c: char| c.is_ascii_digit())
            && text
                .chars()
                .all(|c| c.is_ascii_digit() || "-:.TtZz +".contains(c))
    };
    words.contains(&text.to_ascii_lowercase().as_str())
        || !matches!(resolve(text), crate::compose::yaml::Value::String(_))
        || sexagesimal()
        || date()
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || "\u{feff}\u{2028}\u{2029}".contains(c) => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_only_if_they_must_be() {
        for (plain, wanted) in [
            ("nginx:1.27", "nginx:1.27"),
            ("8080", "\"8080\""),
            ("yes", "\"yes\""),
            ("", "\"\""),
            ("- x", "'- x'"),
            ("--flag", "--flag"),
            ("a: b", "'a: b'"),
            ("a #b", "'a #b'"),
            ("*x", "'*x'"),
            ("it's", "it's"),
            ("22:22", "\"22:22\""),
            ("a\tb", "\"a\\tb\""),
        ] {
            assert_eq!(text(plain), wanted, "{plain}");
        }
    }

    #[test]
    fn trees_are_printed_in_block_style() {
        let value = serde_json::json!({
            "a": {"b": [1, {"c": null, "d": []}, [2]], "e": "x\ny\n"}, "f": {},
        });
        let wanted = "a:\n  b:\n    - 1\n    - c: null\n      d: []\n    - - 2\n  e: |\n    x\n    y\nf: {}\n";
        assert_eq!(print(&value), wanted);
    }
}
