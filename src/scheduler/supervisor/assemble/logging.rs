//! `logging`: how much of a container's output is kept, and who gets it as well.

use super::Error;
use crate::compose::model::Service;
use crate::runtime::shim::protocol::LogLimits;
use crate::scheduler::supervisor::forward::{self, Address, Forward, Receiver};
use regex_lite::Regex;
use std::path::PathBuf;

/// What `up` needs to show output that nobody keeps.
const PASSING: u64 = 64 << 10;

/// Facilities of syslog, by their numbers.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "security", "console", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];
/// Where a syslog listens by UDP and TCP, unless said.
const SYSLOG_PORT: u16 = 514;

/// Whom the driver passes the log on to, from a container with these variables.
pub fn forward(service: &Service, env: &[String]) -> Result<Option<Forward>, Error> {
    let logging = &service.life.logging;
    let option = |key: &str| logging.options.get(key).map(String::as_str);
    let wrong = |key: &str| Error::Unavailable {
        service: service.name.to_string(),
        key: "logging.options",
        why: format!(
            "`{key}: {}` makes no sense",
            option(key).unwrap_or_default()
        ),
    };
    let to = match logging.driver.as_deref() {
        Some("journald") => Receiver::Journald,
        Some("syslog") => Receiver::Syslog {
            address: match option("syslog-address") {
                None => Address::default(),
                Some(text) => address(text).ok_or_else(|| wrong("syslog-address"))?,
            },
            facility: facility(option("syslog-facility").unwrap_or("daemon"))
                .ok_or_else(|| wrong("syslog-facility"))?,
            modern: match option("syslog-format") {
                None | Some("" | "rfc3164") => false,
                Some("rfc5424" | "rfc5424micro") => true,
                Some(_) => return Err(wrong("syslog-format")),
            },
        },
        _ => return Ok(None),
    };
    let tag = option("tag").unwrap_or("{{.ID}}").to_owned();
    if !forward::is_tag(&tag) {
        return Err(wrong("tag"));
    }
    let labels = service.labels.iter();
    let labels = labels.map(|(key, value)| (key.as_str(), value.as_str()));
    let variables = env.iter().filter_map(|entry| entry.split_once('='));
    let mut fields = chosen(labels, option("labels"), option("labels-regex"))
        .ok_or_else(|| wrong("labels-regex"))?;
    let of_env = chosen(variables, option("env"), option("env-regex"));
    fields.extend(of_env.ok_or_else(|| wrong("env-regex"))?);
    Ok(Some(Forward { to, tag, fields }))
}

/// Of pairs those whose keys are listed, or match; with keys as fields of the journal have them.
fn chosen<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    listed: Option<&str>,
    pattern: Option<&str>,
) -> Option<Vec<(String, String)>> {
    let pattern = match pattern {
        Some(pattern) => Some(Regex::new(pattern).ok()?),
        None => None,
    };
    let is_chosen = |key: &str| {
        let mut keys = listed.into_iter().flat_map(|keys| keys.split(','));
        keys.any(|one| one.trim() == key) || pattern.as_ref().is_some_and(|p| p.is_match(key))
    };
    let field = |key: &str| {
        let letter = |c: char| match c.to_ascii_uppercase() {
            c @ ('A'..='Z' | '0'..='9') => c,
            _ => '_',
        };
        let name: String = key.chars().map(letter).collect();
        name.trim_start_matches('_').to_owned()
    };
    let chosen = pairs.filter(|(key, _)| is_chosen(key));
    Some(
        chosen
            .map(|(key, value)| (field(key), value.to_owned()))
            .collect(),
    )
}

fn facility(text: &str) -> Option<u8> {
    let named = FACILITIES.iter().position(|name| *name == text);
    let number = named.or_else(|| text.parse().ok().filter(|n| *n < FACILITIES.len()));
    number.and_then(|n| u8::try_from(n).ok())
}

/// `udp://HOST[:PORT]`, `tcp://HOST[:PORT]`, `unix://PATH`, `unixgram://PATH`.
fn address(text: &str) -> Option<Address> {
    let (scheme, rest) = text
        .split_once("://")
        .filter(|(_, rest)| !rest.is_empty())?;
    let with_port = || {
        let after = rest.rsplit(']').next().unwrap_or(rest);
        match after.contains(':') {
            true => rest.to_owned(),
            false => format!("{rest}:{SYSLOG_PORT}"),
        }
    };
    match scheme {
        "udp" => Some(Address::Udp(with_port())),
        "tcp" => Some(Address::Tcp(with_port())),
        "unix" | "unixgram" => Some(Address::Unix(PathBuf::from(rest))),
        _ => None,
    }
}

/// Whether nobody keeps what the service writes.
pub fn is_none(service: &Service) -> bool {
    service.life.logging.driver.as_deref() == Some("none")
}

/// Reads driver and options. Options that only say how docker stores and labels its own files are of no concern.
pub fn limits(service: &Service) -> Result<LogLimits, Error> {
    let logging = &service.life.logging;
    let mut limits = LogLimits::default();
    if is_none(service) {
        limits.segment = PASSING;
        limits.segments = 1;
        return Ok(limits);
    }
    for (key, value) in &logging.options {
        let wrong = || Error::Unavailable {
            service: service.name.to_string(),
            key: "logging.options",
            why: format!("`{key}: {value}` makes no sense"),
        };
        match key.as_str() {
            "max-size" => limits.segment = size(value).ok_or_else(wrong)?,
            "max-file" => {
                limits.segments = value.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?;
            }
            "mode" => match value.as_str() {
                "blocking" => limits.blocking = true,
                "non-blocking" => limits.blocking = false,
                _ => return Err(wrong()),
            },
            "tag" | "labels" | "labels-regex" | "env" | "env-regex" | "compress"
            | "max-buffer-size" => {}
            "syslog-address" | "syslog-facility" | "syslog-format"
                if logging.driver.as_deref() == Some("syslog") => {}
            _ => return Err(wrong()),
        }
    }
    // docker keeps one file of that size if only the size is given.
    if logging.options.contains_key("max-size") && !logging.options.contains_key("max-file") {
        limits.segments = 1;
    }
    Ok(limits)
}

/// `10m`, as docker reads it here: in thousands. -1 = without end.
fn size(text: &str) -> Option<u64> {
    if text == "-1" {
        return Some(u64::MAX);
    }
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match lower[digits.len()..].trim_end_matches("b") {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        _ => return None,
    };
    let number: f64 = digits.trim().parse().ok()?;
    (number > 0.0).then_some((number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ServiceName;

    fn of(options: &[(&str, &str)]) -> Result<LogLimits, Error> {
        let mut service = Service::new(ServiceName::new("a").unwrap(), "host");
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        service.life.logging.options = options.iter().map(pair).collect();
        limits(&service)
    }

    #[test]
    fn sizes_and_numbers_of_files_are_taken_and_nonsense_is_named() {
        let limits = of(&[("max-size", "10m"), ("max-file", "5")]).unwrap();
        assert_eq!((limits.segment, limits.segments), (10_000_000, 5));
        let limits = of(&[("max-size", "1k")]).unwrap();
        assert_eq!((limits.segment, limits.segments), (1000, 1));
        for (key, value) in [("max-size", "big"), ("max-file", "0"), ("color", "red")] {
            let error = of(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}: {value}`")), "{error}");
        }
    }

    #[test]
    fn labels_and_variables_that_are_chosen_become_fields_of_the_journal() {
        let mut service = Service::new(ServiceName::new("a").unwrap(), "host");
        let texts = |pairs: &[(&str, &str)]| {
            let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            pairs.iter().map(text).collect()
        };
        service.labels = texts(&[
            ("com.example.stage", "test"),
            ("other", "no"),
            ("tier", "2"),
        ]);
        service.life.logging.driver = Some("journald".to_owned());
        let options = [
            ("labels", "tier, nobody"),
            ("labels-regex", "^com"),
            ("env", "_USER"),
        ];
        service.life.logging.options = texts(&options);
        let env = ["_USER=me".to_owned(), "PATH=/bin".to_owned()];
        let fields = forward(&service, &env).unwrap().unwrap().fields;
        let expected = [("COM_EXAMPLE_STAGE", "test"), ("TIER", "2"), ("USER", "me")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(fields, expected);
        service.life.logging.options = texts(&[("env-regex", "(")]);
        let error = forward(&service, &env).unwrap_err().to_string();
        assert!(error.contains("`env-regex: (`"), "{error}");
    }
}
