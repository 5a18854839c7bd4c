//! What runs in the container and how it is stopped: `command`, `user`, `tty`, `restart`, ….

use super::context::Context;
use super::values;
use crate::compose::model::Restart;
use crate::compose::model::RestartPolicy;
use crate::compose::model::Service;
use crate::compose::yaml::Node;

/// Reads one attribute of this topic; those without effect are somebody else's concern.
pub fn attribute(cx: &mut Context<'_>, service: &mut Service, key: &str, node: &Node) {
    match key {
        "command" => service.command = Some(cx.texts(node)),
        "entrypoint" => service.entrypoint = Some(cx.texts(node)),
        "user" => service.user = cx.text(node),
        "working_dir" => service.working_dir = cx.parsed(node, values::container_path),
        "init" => service.init = cx.boolean(node).unwrap_or_default(),
        "tty" => service.tty = cx.boolean(node).unwrap_or_default(),
        "stdin_open" => service.stdin_open = cx.boolean(node).unwrap_or_default(),
        "attach" => service.attach = cx.boolean(node).unwrap_or(true),
        "stop_signal" => service.stop_signal = cx.parsed(node, signal),
        "stop_grace_period" => service.stop_grace_period = cx.duration(node),
        "restart" => service.restart = restart(cx, node).unwrap_or_default(),
        "labels" => service.labels = cx.labels(node),
        "profiles" => service.profiles = profiles(cx, node),
        "platform" => service.platform = cx.text(node),
        "pull_policy" => service.pull_policy = cx.text(node),
        "pull_refresh_after" => service.pull_refresh_after = cx.duration(node),
        "container_name" => service.container_name = cx.parsed(node, container_name),
        "scale" => service.scale = cx.integer(node).unwrap_or(1),
        _ => {}
    }
}

fn restart(cx: &mut Context<'_>, node: &Node) -> Option<Restart> {
    let text = cx.text(node)?;
    let (word, attempts) = match text.split_once(':') {
        Some((word, attempts)) => (word, Some(attempts)),
        None => (text.as_str(), None),
    };
    let policy = match word {
        "no" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => RestartPolicy::OnFailure,
        _ => {
            let message = format!("`{}` cannot be `{text}`", cx.path());
            cx.report
                .error("invalid-value", message)
                .at(node.span)
                .hint("it is one of `no`, `always`, `unless-stopped`, `on-failure[:N]`");
            return None;
        }
    };
    let mut max_attempts = None;
    if let Some(attempts) = attempts {
        match attempts.parse() {
            Ok(number) if policy == RestartPolicy::OnFailure => max_attempts = Some(number),
            Ok(_) => cx.invalid(node.span, format!("`{word}` takes no number of attempts")),
            Err(_) => cx.invalid(
                node.span,
                format!("`{attempts}` is not a number of attempts"),
            ),
        }
    }
    // `on-failure:0` is docker's way to say: without end.
    Some(Restart {
        policy,
        max_attempts: max_attempts.filter(|n| *n > 0),
        ..Restart::default()
    })
}

fn profiles(cx: &mut Context<'_>, node: &Node) -> Vec<String> {
    let good = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    let mut profiles = Vec::new();
    cx.items(node, |cx, item| match cx.text(item) {
        Some(text) if !good(&text) => {
            cx.invalid(item.span, format!("`{text}` is not a profile name"));
        }
        Some(text) if !profiles.contains(&text) => profiles.push(text),
        _ => {}
    });
    profiles
}

fn signal(text: &str) -> Result<String, String> {
    match is_signal(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a signal")),
    }
}

/// Whether a text names a signal, with or without `SIG`, or is the number of one.
pub fn is_signal(text: &str) -> bool {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real_time =
        |rest: &str| rest.is_empty() || rest.trim_start_matches(['+', '-']).parse::<u8>().is_ok();
    match name.parse::<u8>() {
        Ok(number) => (1..=64).contains(&number),
        Err(_) => {
            format!("SIG{name}")
                .parse::<nix::sys::signal::Signal>()
                .is_ok()
                || name
                    .strip_prefix("RTMIN")
                    .or(name.strip_prefix("RTMAX"))
                    .is_some_and(real_time)
        }
    }
}

fn container_name(text: &str) -> Result<String, String> {
    let good = text.len() >= 2
        && text.len() <= 255
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    match good {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{text}` is not a container name: two or more letters, digits, `_`, `.`, `-`, the first a letter or digit"
        )),
    }
}
