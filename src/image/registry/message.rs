//! The small texts in answers: what went wrong, and when to come back.

use jiff::fmt::rfc2822;
use serde::Deserialize;
use std::time::Duration;

/// Longest message that is shown.
const MAX_TEXT: usize = 300;

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    errors: Vec<Item>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What a body says: `errors` of the distribution specification, the fields of token services, or nothing.
pub(super) fn of(bytes: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Body>(bytes) else {
        return String::new();
    };
    let text = match body.errors.first() {
        Some(item) if !item.message.is_empty() => item.message.clone(),
        Some(item) => item.code.clone(),
        None => body.details.or(body.message).unwrap_or_default(),
    };
    // It is shown on a terminal: no control characters, one line.
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(MAX_TEXT).collect::<String>().trim().to_owned()
}

/// `Retry-After`: seconds or a date.
pub(super) fn wait(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let then = rfc2822::parse(text.trim()).ok()?.timestamp();
    let left = then.duration_since(jiff::Timestamp::now());
    Some(left.try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_clean_line() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m\nway"}]}"#;
        assert_eq!(of(body), "no [31m way");
        assert_eq!(of(br#"{"errors":[{"code":"DENIED"}]}"#), "DENIED");
        assert_eq!(
            of(br#"{"details":"incorrect username"}"#),
            "incorrect username"
        );
        assert_eq!(of(b"<html>"), "");
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(1000));
        assert_eq!(of(long.as_bytes()).len(), MAX_TEXT);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(wait("Wed, 21 Oct 2099 07:28:00 GMT").unwrap() > Duration::from_secs(1000));
        assert_eq!(wait("soon"), None);
    }
}
