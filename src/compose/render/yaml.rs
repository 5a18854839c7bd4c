//! A JSON tree as YAML, indented and quoted as docker compose does it.
//!
//! Invariant: what is printed reads back as the same tree.

use super::scalar::Style;
use super::scalar::double_quoted;
use super::scalar::style;
use crate::compose::yaml::format_float;
use serde_json::Value;

/// A longer key, in bytes, is written behind `?`, as docker compose does; from 1024 on nobody could read it otherwise.
const LONGEST_KEY: usize = 128;

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
                if key.len() > LONGEST_KEY || key.contains('\n') {
                    explicit(key, value, indent, out);
                } else {
                    out.push_str(&text(key, true));
                    out.push(':');
                    field(value, indent, out);
                }
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

/// A long key and its value, each behind its own sign.
fn explicit(key: &str, value: &Value, indent: usize, out: &mut String) {
    out.push_str("? ");
    scalar(&Value::from(key), indent, out);
    out.push('\n');
    pad(indent, out);
    out.push(':');
    match is_block(value) {
        true => {
            out.push(' ');
            block(value, indent + 2, out);
        }
        false => field(value, indent, out),
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
        Value::String(text) if style(text, false) == Style::Block => {
            literal(text, indent + 2, out);
        }
        Value::String(text) => out.push_str(&self::text(text, false)),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => out.push_str(&format_float(number)),
            None => out.push_str(&number.to_string()),
        },
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => out.push_str(&other.to_string()),
    }
}

/// The lines of a text below its key. A first line that begins with a blank needs the indentation said.
fn literal(text: &str, indent: usize, out: &mut String) {
    let body = text.strip_suffix('\n');
    out.push('|');
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    out.push_str(match body {
        None => "-",
        Some(body) if body.is_empty() || body.ends_with('\n') => "+",
        Some(_) => "",
    });
    for line in body.unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(indent, out);
            out.push_str(line);
        }
    }
}

/// A text on one line.
fn text(text: &str, is_key: bool) -> String {
    match style(text, is_key) {
        Style::Plain => text.to_owned(),
        Style::Single => format!("'{}'", text.replace('\'', "''")),
        Style::Double | Style::Block => double_quoted(text),
    }
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
            (":", "':'"),
            ("=", "="),
            ("<<", "<<"),
            ("99:99", "99:99"),
            ("2001-12-14", "\"2001-12-14\""),
            (
                "2001-12-14t21:59:43.10-05:00",
                "\"2001-12-14t21:59:43.10-05:00\"",
            ),
            ("2001-13-14", "2001-13-14"),
            ("\u{1}", "\"\\x01\""),
            ("\u{1f600}", "\"\\U0001F600\""),
            ("ä", "ä"),
        ] {
            assert_eq!(text(plain, false), wanted, "{plain}");
        }
        assert_eq!(text("<<", true), "\"<<\"", "bare it would merge");
    }

    #[test]
    fn long_keys_stand_behind_a_question_mark() {
        let (long, short) = ("k".repeat(129), "k".repeat(128));
        let value = serde_json::json!({"a": {long.as_str(): "x", short.as_str(): {"b": []}, "c\nd": [{"e": 1}]}});
        let wanted = format!(
            "a:\n  ? {long}\n  : x\n  {short}:\n    b: []\n  ? |-\n    c\n    d\n  : - e: 1\n"
        );
        assert_eq!(print(&value), wanted);
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
