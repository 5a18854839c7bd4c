//! How much a container may use: CPU, memory, processes, rlimits.

use super::context::Context;
use super::values;
use crate::compose::model::Service;
use crate::compose::model::Ulimit;
use crate::compose::yaml::Node;
use indexmap::IndexMap;

/// Reads one attribute of this topic.
pub fn attribute(cx: &mut Context<'_>, service: &mut Service, key: &str, node: &Node) {
    let limits = &mut service.limits;
    match key {
        "cpus" => limits.cpus = cpus(cx, node),
        "cpu_shares" => limits.cpu_shares = cx.integer(node),
        "cpuset" => limits.cpuset = cx.parsed(node, cpuset),
        "mem_limit" => limits.memory = positive(cx.bytes(node)),
        "mem_reservation" => limits.memory_reservation = positive(cx.bytes(node)),
        "memswap_limit" => limits.memory_swap = swap(cx, node),
        "cpu_quota" => limits.cpu_quota = cx.integer(node).filter(|us| *us != 0),
        "cpu_period" => limits.cpu_period = cx.integer(node).filter(|us| *us != 0),
        "cpu_rt_runtime" => limits.cpu_rt_runtime = microseconds(cx, node),
        "cpu_rt_period" => {
            let period = microseconds(cx, node).and_then(|us| u64::try_from(us).ok());
            limits.cpu_rt_period = period.filter(|us| *us != 0);
        }
        "mem_swappiness" => {
            limits.memory_swappiness = cx.bytes(node);
            if limits.memory_swappiness > Some(100) {
                cx.invalid(node.span, "it must be within 0 to 100");
            }
        }
        "oom_kill_disable" => limits.oom_kill_disable = cx.boolean(node).unwrap_or_default(),
        "pids_limit" => limits.pids = cx.integer(node),
        "ulimits" => service.ulimits = ulimits(cx, node),
        "shm_size" => service.shm_size = positive(cx.bytes(node)),
        _ => service.oom_score_adj = cx.integer(node),
    }
}

/// A number of microseconds, or a duration.
fn microseconds(cx: &mut Context<'_>, node: &Node) -> Option<i64> {
    if node.as_str().is_none() {
        return cx.integer(node);
    }
    cx.parsed(node, |text| match text.parse::<i64>() {
        Ok(number) => Ok(number),
        Err(_) => values::duration(text).map(|time| time.as_micros() as i64),
    })
}

/// A number of CPUs; 0 is docker's way to say: without limit.
pub fn cpus(cx: &mut Context<'_>, node: &Node) -> Option<f64> {
    let number = cx.number(node)?;
    if number < 0.0 {
        cx.invalid(node.span, "a number of CPUs cannot be negative");
    }
    Some(number).filter(|number| *number > 0.0)
}

/// 0 is docker's way to say: without limit, or the default.
pub fn positive(bytes: Option<u64>) -> Option<u64> {
    bytes.filter(|bytes| *bytes > 0)
}

fn swap(cx: &mut Context<'_>, node: &Node) -> Option<i64> {
    if node.as_str() == Some("-1") {
        return Some(-1);
    }
    let bytes = positive(cx.bytes(node))?;
    i64::try_from(bytes).ok()
}

fn cpuset(text: &str) -> Result<String, String> {
    let number = |text: &str| text.parse::<u16>().ok();
    let good = text.split(',').all(|part| match part.split_once('-') {
        Some((first, last)) => {
            matches!((number(first), number(last)), (Some(a), Some(b)) if a <= b)
        }
        None => number(part).is_some(),
    });
    match good {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a list of CPUs such as `0-2,4`")),
    }
}

fn ulimits(cx: &mut Context<'_>, node: &Node) -> IndexMap<String, Ulimit> {
    let mut ulimits = IndexMap::new();
    cx.entries(node, |cx, name, entry| {
        let bad = !name.chars().all(|c| c.is_ascii_lowercase());
        if bad {
            cx.invalid(entry.key, format!("`{name}` is not the name of a limit"));
        }
        if let Some(limit) = ulimit(cx, &entry.value) {
            ulimits.insert(name.to_owned(), limit);
        }
    });
    ulimits
}

fn ulimit(cx: &mut Context<'_>, node: &Node) -> Option<Ulimit> {
    if node.as_map().is_none() {
        let both = cx.integer(node)?;
        return Some(Ulimit {
            soft: both,
            hard: both,
        });
    }
    let (mut soft, mut hard) = (None, None);
    cx.fields(node, |cx, key, node| match key {
        "soft" => soft = cx.integer(node),
        _ => hard = cx.integer(node),
    });
    let limit = Ulimit {
        soft: soft?,
        hard: hard?,
    };
    if limit.hard >= 0 && (limit.soft < 0 || limit.soft > limit.hard) {
        cx.invalid(node.span, "the soft limit is above the hard one");
    }
    Some(limit)
}
