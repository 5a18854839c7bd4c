//! What containers use, in docker's columns.

use super::human;
use super::listing::Fields;
use crate::engine::Usage;
use serde_json::{Map, Value, json};

/// What `stats` can show.
pub const FIELDS: Fields = Fields {
    all: &[
        ("BlockIO", "BLOCK I/O"),
        ("CPUPerc", "CPU %"),
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("MemPerc", "MEM %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("Name", "NAME"),
        ("NetIO", "NET I/O"),
        ("PIDs", "PIDS"),
        ("Service", "SERVICE"),
    ],
    table: &[
        "ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs",
    ],
    array: false,
};

/// One container as a row; CPU is the share since `before`, and a whole core is 100 %.
pub fn row(usage: &Usage, before: Option<&Usage>, whole: bool) -> Map<String, Value> {
    let pair = |pair: Option<(u64, u64)>| match pair {
        Some((one, other)) => format!("{} / {}", human::size(one), human::size(other)),
        None => "-- / --".to_owned(),
    };
    let memory = match (usage.memory, usage.memory_limit) {
        (Some(used), Some(limit)) => format!("{} / {}", human::binary(used), human::binary(limit)),
        (Some(used), None) => format!("{} / --", human::binary(used)),
        (None, _) => "-- / --".to_owned(),
    };
    let object = json!({
        "BlockIO": pair(usage.block),
        "CPUPerc": percent(cpu(usage, before)),
        "Container": usage.name,
        "ID": if whole { &usage.id } else { usage.id.get(..12).unwrap_or(&usage.id) },
        "MemPerc": percent(share(usage)),
        "MemUsage": memory,
        "Name": usage.name,
        "NetIO": pair(usage.network),
        "PIDs": usage.pids.map_or("--".to_owned(), |pids| pids.to_string()),
        "Service": usage.service,
    });
    match object {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// CPU time per time, percent.
pub fn cpu(usage: &Usage, before: Option<&Usage>) -> Option<f64> {
    let before = before?;
    let used = usage.cpu?.checked_sub(before.cpu?)?;
    let passed = usage.time - before.time;
    (passed > 0).then(|| used as f64 / passed as f64 * 100.0)
}

fn share(usage: &Usage) -> Option<f64> {
    let limit = usage.memory_limit.filter(|limit| *limit > 0)?;
    Some(usage.memory? as f64 / limit as f64 * 100.0)
}

fn percent(value: Option<f64>) -> String {
    value.map_or("--".to_owned(), |value| format!("{value:.2}%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_is_busy_half_of_the_time_is_fifty_percent() {
        let before = Usage {
            cpu: Some(1_000_000),
            time: 0,
            ..Usage::default()
        };
        let after = Usage {
            cpu: Some(501_000_000),
            time: 1_000_000_000,
            memory: Some(64 << 20),
            memory_limit: Some(256 << 20),
            ..Usage::default()
        };
        let row = row(&after, Some(&before), false);
        assert_eq!(row["CPUPerc"], "50.00%");
        assert_eq!(row["MemUsage"], "64MiB / 256MiB");
        assert_eq!(row["MemPerc"], "25.00%");
        assert_eq!(row["NetIO"], "-- / --");
    }
}
