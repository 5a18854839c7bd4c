//! `WWW-Authenticate`: what a registry asks for.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use std::collections::HashMap;

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

/// What a registry asks for: a token if it takes one, since it may take less than all it names otherwise.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let text = value.to_str().unwrap_or_default();
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let fields = parameters(rest);
            if let Some(realm) = fields.get("realm") {
                return Some(Challenge::Bearer {
                    realm: realm.clone(),
                    service: fields.get("service").cloned(),
                });
            }
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

/// `a="x",b=y`, with backslashes in quotes.
fn parameters(text: &str) -> HashMap<String, String> {
    let mut fields = HashMap::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',', '\t']).to_ascii_lowercase();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => match after.split_once(',') {
                Some((value, left)) => (value.trim().to_owned(), left),
                None => (after.trim().to_owned(), ""),
            },
        };
        fields.insert(key, value);
        rest = left;
    }
    fields
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &text[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn asked(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        challenge(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.into(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        assert_eq!(
            asked(&[
                r#"Bearer realm="https://a.test/token?x=1,2",service="reg \"1\"",scope="repository:x:pull,push""#
            ]),
            bearer("https://a.test/token?x=1,2", Some("reg \"1\""))
        );
        assert_eq!(
            asked(&["bearer realm=https://a.test/t"]),
            bearer("https://a.test/t", None)
        );
        assert_eq!(asked(&["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(
            asked(&["Basic realm=\"x\"", "Bearer realm=\"https://a.test/\""]),
            bearer("https://a.test/", None)
        );
        assert_eq!(asked(&["Negotiate"]), None);
        assert_eq!(asked(&["Bearer"]), None);
        assert_eq!(asked(&[]), None);
    }
}
