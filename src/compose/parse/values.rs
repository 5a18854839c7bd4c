//! Small languages inside of values: durations, sizes, command lines, ports ranges, addresses.
//!
//! Invariant: pure functions from text to value, with the reason in words if the text is not one.

use std::net::IpAddr;
use std::time::Duration;

/// A duration as Go writes it (`1m30s`, `1.5h`), with days and weeks.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration such as `1m30s`");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0f64;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| format!("`{text}` has no unit: write `{text}s` for seconds"))?;
        let number: f64 = rest[..number_end].parse().map_err(|_| wrong())?;
        rest = &rest[number_end..];
        let unit_end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        nanos += number * unit(&rest[..unit_end]).ok_or_else(wrong)?;
        rest = &rest[unit_end..];
    }
    if nanos > i64::MAX as f64 {
        return Err(format!("`{text}` is too long"));
    }
    Ok(Duration::from_nanos(nanos.round() as u64))
}

fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        "d" => 86_400e9,
        "w" => 604_800e9,
        _ => return None,
    })
}

/// A duration as Go prints it.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let trim = |whole: u128, fraction: u128, digits: usize, unit: &str| {
        let text = format!("{whole}.{fraction:0digits$}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{text}{unit}")
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => trim(nanos / 1_000, nanos % 1_000, 3, "µs"),
        1_000_000..1_000_000_000 => trim(nanos / 1_000_000, nanos % 1_000_000, 6, "ms"),
        _ => {
            let seconds = duration.as_secs();
            let rest = trim(u128::from(seconds % 60), nanos % 1_000_000_000, 9, "s");
            match (seconds / 3600, seconds / 60 % 60) {
                (0, 0) => rest,
                (0, minutes) => format!("{minutes}m{rest}"),
                (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}

/// A size in bytes as docker reads it: `64m`, `1.5gb`, `1024`; every unit is binary.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size such as `64m` or `1.5g`");
    let lower = text.trim().to_ascii_lowercase();
    let split = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let digits = &lower[..split];
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let unit = lower[split..].trim_start();
    let unit = unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(unit);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return Err(wrong()),
    };
    let too_large = || format!("`{text}` is too large");
    if let Ok(whole) = digits.parse::<u64>() {
        let size = whole
            .checked_mul(1 << shift)
            .filter(|size| i64::try_from(*size).is_ok());
        return size.ok_or_else(too_large);
    }
    let size = number * (1u64 << shift) as f64;
    match size < i64::MAX as f64 {
        true => Ok(size as u64),
        false => Err(too_large()),
    }
}

/// A command line as words, and the shell operator that ended it, if one did.
///
/// Quotes and backslashes are those of a POSIX shell; nothing is expanded. Like docker compose, it stops at a shell
/// operator, since there is no shell that could run what follows.
pub fn words(text: &str) -> Result<(Vec<String>, Option<char>), String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut started = false;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), c) => word.push(c),
            (_, '\\') => {
                started = true;
                word.push(chars.next().ok_or("a backslash at the end")?);
            }
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => {
                started = true;
                quote = Some(c);
            }
            (None, ' ' | '\t' | '\r' | '\n') => {
                if started || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            (None, ';' | '&' | '|' | '<' | '>') => {
                // `2>` is one operator: its digit is no argument.
                if c == '>' && word.len() == 1 && word.starts_with(|d: char| d.is_ascii_digit()) {
                    word.clear();
                    started = false;
                }
                if started || !word.is_empty() {
                    words.push(word);
                }
                return Ok((words, Some(c)));
            }
            (None, c) => word.push(c),
        }
    }
    if let Some(quote) = quote {
        return Err(format!("a quote `{quote}` is not closed"));
    }
    if started || !word.is_empty() {
        words.push(word);
    }
    Ok((words, None))
}

/// `80` or `8000-8010`, first not above last.
pub fn port_range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| {
        text.parse::<u16>()
            .map_err(|_| format!("`{text}` is not a port number (0 to 65535)"))
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if first > last {
        return Err(format!("the range `{text}` ends before it begins"));
    }
    Ok((first, last))
}

/// An address, IPv6 also in brackets.
pub fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .map_err(|_| format!("`{text}` is not an IP address"))
}

/// `172.28.0.0/16`.
pub fn cidr(text: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("`{text}` is not a subnet such as `172.28.0.0/16`");
    let (ip, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    if prefix > longest {
        return Err(wrong());
    }
    Ok((ip, prefix))
}

/// Docker's words for a boolean.
pub fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "y" | "yes" | "on" => Some(true),
        "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A path without `.`, `..` and doubled slashes, as Go cleans it.
pub fn clean(text: &str) -> String {
    let absolute = text.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    match (absolute, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

/// Permission bits as octal digits.
pub fn octal(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| format!("`{text}` is not a file mode such as `0644`"))
}

/// A path inside a container: absolute, without `.`, `..` and doubled slashes.
pub fn container_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("`{text}` is not an absolute path"));
    }
    if text.contains('\0') {
        return Err("a path cannot contain a zero byte".to_owned());
    }
    Ok(clean(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_as_in_go() {
        for (text, nanos, printed) in [
            ("1m30s", 90_000_000_000, "1m30s"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("1d", 86_400_000_000_000, "24h0m0s"),
            ("1w", 604_800_000_000_000, "168h0m0s"),
            ("250ms", 250_000_000, "250ms"),
            ("1500us", 1_500_000, "1.5ms"),
            ("1.25s", 1_250_000_000, "1.25s"),
            ("0", 0, "0s"),
        ] {
            let parsed = duration(text).unwrap();
            assert_eq!(parsed.as_nanos(), nanos, "{text}");
            assert_eq!(format_duration(parsed), printed, "{text}");
        }
        for text in ["", "10", "s", "1x", "1..5s", "-1s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("10").unwrap_err().contains("no unit"));
    }

    #[test]
    fn sizes_are_binary() {
        for (text, wanted) in [
            ("1024", 1024),
            ("64m", 64 << 20),
            ("1kb", 1024),
            ("1.5g", 3 << 29),
            ("1GiB", 1 << 30),
            ("10 K", 10240),
            ("5b", 5),
        ] {
            assert_eq!(bytes(text).unwrap(), wanted, "{text}");
        }
        for text in ["", "m", "1x", "-1", "1e30", "9999999p"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_follow_the_shell_and_stop_at_its_operators() {
        let split = |text| words(text).unwrap();
        assert_eq!(
            split("a 'b c' \"d \\\" e\" f\\ g ''").0,
            ["a", "b c", "d \" e", "f g", ""]
        );
        assert_eq!(split("echo $HOME ~ *").0, ["echo", "$HOME", "~", "*"]);
        assert_eq!(split("a && b"), (vec!["a".to_owned()], Some('&')));
        assert_eq!(split("a 2>x"), (vec!["a".to_owned()], Some('>')));
        assert!(words("a 'b").is_err());
    }

    #[test]
    fn container_paths_are_clean() {
        assert_eq!(container_path("/a//b/../c/.").unwrap(), "/a/c");
        assert_eq!(container_path("/..").unwrap(), "/");
        assert!(container_path("a").is_err());
    }
}
