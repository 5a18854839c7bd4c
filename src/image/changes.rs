//! `--change`: the Dockerfile instructions that set an image's config.

use super::{Error, ImageConfig, ImageHealthcheck};
use std::time::Duration;

/// Applies one instruction, e.g. `CMD ["redis-server"]` or `ENV A=b`.
pub(super) fn apply(config: &mut ImageConfig, change: &str) -> Result<(), Error> {
    let fail = |why: String| Error::Change {
        change: change.to_owned(),
        why,
    };
    let (instruction, rest) = change
        .trim()
        .split_once(char::is_whitespace)
        .ok_or_else(|| fail("it must be an instruction and its arguments".into()))?;
    let rest = rest.trim();
    match instruction.to_ascii_uppercase().as_str() {
        "CMD" => config.cmd = command(rest),
        "ENTRYPOINT" => config.entrypoint = command(rest),
        "ENV" => {
            for (key, value) in pairs(rest).map_err(fail)? {
                let prefix = format!("{key}=");
                config.env.retain(|old| !old.starts_with(&prefix));
                config.env.push(prefix + &value);
            }
        }
        "LABEL" => {
            for (key, value) in pairs(rest).map_err(fail)? {
                config.labels.retain(|(old, _)| *old != key);
                config.labels.push((key, value));
            }
            config.labels.sort();
        }
        "WORKDIR" => config.working_dir = workdir(&config.working_dir, rest),
        "USER" => config.user = rest.to_owned(),
        "EXPOSE" => {
            for port in rest.split_whitespace() {
                insert(&mut config.exposed_ports, expose(port).map_err(fail)?);
            }
        }
        "VOLUME" => {
            let listed = json_list(rest)
                .unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
            for path in listed {
                insert(&mut config.volumes, path);
            }
        }
        "STOPSIGNAL" => config.stop_signal = Some(rest.to_owned()),
        "HEALTHCHECK" => config.healthcheck = Some(healthcheck(rest).map_err(fail)?),
        other => {
            return Err(fail(format!(
                "`{other}` is not one of CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR"
            )));
        }
    }
    Ok(())
}

/// Sets are kept sorted, as their JSON form is.
fn insert(set: &mut Vec<String>, item: String) {
    if let Err(at) = set.binary_search(&item) {
        set.insert(at, item);
    }
}

/// The JSON form is taken as it is; anything else is a line for the shell.
fn command(text: &str) -> Vec<String> {
    json_list(text).unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into(), text.to_owned()])
}

fn json_list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// A relative folder is below the one before.
fn workdir(before: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{}/{path}", before.trim_end_matches('/'))
    }
}

fn expose(port: &str) -> Result<String, String> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    let fits = number.split('-').all(is_port) && number.split('-').count() <= 2;
    if fits && ["tcp", "udp", "sctp"].contains(&protocol) {
        Ok(format!("{number}/{protocol}"))
    } else {
        Err(format!("`{port}` is not a port"))
    }
}

/// `K=V K2="a b"`, or the old form `K some value`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let words = words(text)?;
    if !words.first().is_some_and(|word| word.contains('=')) {
        return match text.split_once(char::is_whitespace) {
            Some((key, value)) => Ok(vec![(key.to_owned(), value.trim().to_owned())]),
            None => Err("it must be `KEY=value`".into()),
        };
    }
    let pair = |word: String| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{word}` is not `KEY=value`")),
    };
    words.into_iter().map(pair).collect()
}

/// Splits at spaces outside of quotes; a backslash takes the next character as it is.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word
                .get_or_insert_default()
                .push(chars.next().unwrap_or('\\')),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(q)) if c == q => quote = None,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".into());
    }
    words.extend(word);
    Ok(words)
}

fn healthcheck(text: &str) -> Result<ImageHealthcheck, String> {
    let mut check = ImageHealthcheck::default();
    let mut rest = text;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option
            .split_once(char::is_whitespace)
            .unwrap_or((option, ""));
        let (key, value) = option
            .split_once('=')
            .ok_or_else(|| format!("`--{option}` needs a value"))?;
        match key {
            "interval" => check.interval = duration(value)?,
            "timeout" => check.timeout = duration(value)?,
            "start-period" => check.start_period = duration(value)?,
            "start-interval" => check.start_interval = duration(value)?,
            "retries" => {
                check.retries = value
                    .parse()
                    .map_err(|_| format!("`{value}` is not a number"))?
            }
            _ => return Err(format!("there is no option `--{key}`")),
        }
        rest = after.trim_start();
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    check.test = match (kind.to_ascii_uppercase().as_str(), command.trim()) {
        ("NONE", "") => vec!["NONE".into()],
        ("CMD", command) if !command.is_empty() => match json_list(command) {
            Some(list) => ["CMD".to_owned()].into_iter().chain(list).collect(),
            None => vec!["CMD-SHELL".into(), command.to_owned()],
        },
        _ => return Err("it must be `CMD command` or `NONE`".into()),
    };
    Ok(check)
}

/// A duration as Go writes it: `1m30s`, `250ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let fail = || format!("`{text}` is not a duration such as `30s`");
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(fail)?;
        let number: f64 = rest[..digits].parse().map_err(|_| fail())?;
        let unit = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |end| digits + end);
        let seconds = match &rest[digits..unit] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(fail()),
        };
        total += Duration::try_from_secs_f64(number * seconds).map_err(|_| fail())?;
        rest = &rest[unit..];
    }
    if text.is_empty() {
        Err(fail())
    } else {
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(changes: &[&str]) -> ImageConfig {
        let mut config = ImageConfig::default();
        for change in changes {
            apply(&mut config, change).unwrap();
        }
        config
    }

    #[test]
    fn each_instruction_sets_its_field() {
        let config = with(&[
            r#"CMD ["a", "b c"]"#,
            "ENTRYPOINT run it",
            r#"ENV A=1 B="x y" C=a\ b"#,
            "env A 2 3",
            "WORKDIR /srv",
            "WORKDIR app",
            "USER redis:redis",
            "EXPOSE 80 53/udp",
            "VOLUME /b /a",
            r#"VOLUME ["/a", "/c"]"#,
            "LABEL z=1 a='q'",
            "STOPSIGNAL SIGINT",
            "HEALTHCHECK --interval=1m30s --retries=3 CMD redis-cli ping",
        ]);
        assert_eq!(config.cmd, ["a", "b c"]);
        assert_eq!(config.entrypoint, ["/bin/sh", "-c", "run it"]);
        assert_eq!(config.env, ["B=x y", "C=a b", "A=2 3"]);
        assert_eq!(config.working_dir, "/srv/app");
        assert_eq!(config.user, "redis:redis");
        assert_eq!(config.exposed_ports, ["53/udp", "80/tcp"]);
        assert_eq!(config.volumes, ["/a", "/b", "/c"]);
        assert_eq!(
            config.labels,
            [("a".into(), "q".into()), ("z".into(), "1".into())]
        );
        assert_eq!(config.stop_signal.as_deref(), Some("SIGINT"));
        let check = config.healthcheck.unwrap();
        assert_eq!(check.test, ["CMD-SHELL", "redis-cli ping"]);
        assert_eq!(
            (check.interval, check.retries),
            (Duration::from_secs(90), 3)
        );
    }

    #[test]
    fn what_is_no_instruction_is_refused() {
        for bad in [
            "CMD",
            "RUN x",
            "ENV A",
            "ENV A=1 B",
            "ENV A=\"x",
            "EXPOSE 0",
            "EXPOSE 80/icmp",
            "EXPOSE x",
            "HEALTHCHECK",
            "HEALTHCHECK --interval=5 CMD x",
            "HEALTHCHECK CMD",
            "HEALTHCHECK NONE x",
        ] {
            assert!(apply(&mut ImageConfig::default(), bad).is_err(), "{bad}");
        }
    }
}
