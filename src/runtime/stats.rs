//! What a container uses, as `docker stats` counts it.

use std::collections::HashMap;

/// A snapshot of a container's use of resources. What this machine does not count is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// CPU time, ns.
    pub cpu: Option<u64>,
    /// Of it in user mode, ns.
    pub cpu_user: Option<u64>,
    /// Of it in the kernel, ns.
    pub cpu_system: Option<u64>,
    /// Periods in which the CPU limit held the container back.
    pub throttled_periods: Option<u64>,
    /// Memory without the page cache that can be given back at once, bytes.
    pub memory: Option<u64>,
    /// Memory limit, bytes; `None` = none.
    pub memory_limit: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Limit of `pids`; `None` = none.
    pub pids_limit: Option<u64>,
    /// Bytes read from and written to disks.
    pub block: Option<(u64, u64)>,
    /// Processes killed because of the memory limit.
    pub oom_kills: u64,
}

/// `key value` lines.
pub(crate) fn table(text: &str) -> HashMap<&str, u64> {
    let pair = |line: &'_ str| {
        let (key, value) = line.split_once(' ')?;
        // Of the same text, so that keys live as long as it does.
        Some((key.len(), value.trim().parse().ok()?))
    };
    text.lines()
        .filter_map(|line| pair(line).map(|(len, value)| (&line[..len], value)))
        .collect()
}

/// A single number; `max` and v1's "as good as unlimited" are `None`.
pub(crate) fn number(text: &str) -> Option<u64> {
    const V1_UNLIMITED: u64 = 1 << 62;
    text.trim()
        .parse()
        .ok()
        .filter(|value| *value < V1_UNLIMITED)
}

/// Memory in use as docker shows it: what the cgroup is charged less the inactive part of the page cache.
pub(crate) fn memory(usage: Option<u64>, stat: &str) -> Option<u64> {
    let stat = table(stat);
    let inactive = stat
        .get("total_inactive_file")
        .or_else(|| stat.get("inactive_file"));
    usage.map(|usage| usage.saturating_sub(inactive.copied().unwrap_or(0)))
}

/// Bytes read and written: v2's `8:0 rbytes=1 wbytes=2 …` lines, or v1's `8:0 Read 1`.
pub(crate) fn block(text: &str) -> (u64, u64) {
    let (mut read, mut written) = (0, 0);
    for line in text.lines() {
        let mut words = line.split_whitespace().skip(1).peekable();
        while let Some(word) = words.next() {
            let (key, value) = match word.split_once('=') {
                Some(pair) => pair,
                None => (word, words.next().unwrap_or_default()),
            };
            let value: u64 = value.parse().unwrap_or(0);
            match key {
                "rbytes" | "Read" => read += value,
                "wbytes" | "Write" => written += value,
                _ => {}
            }
        }
    }
    (read, written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_devices_are_added_up_in_both_forms() {
        let v2 = "8:0 rbytes=10 wbytes=1 rios=3 wios=4\n9:0 rbytes=5 wbytes=2\n";
        assert_eq!(block(v2), (15, 3));
        let v1 = "8:0 Read 10\n8:0 Write 1\n8:0 Sync 7\n8:0 Total 11\nTotal 11\n";
        assert_eq!(block(v1), (10, 1));
        assert_eq!(block(""), (0, 0));
    }

    #[test]
    fn numbers_and_tables() {
        assert_eq!(number("12\n"), Some(12));
        assert_eq!(number("max\n"), None);
        assert_eq!(number("9223372036854771712\n"), None);
        assert_eq!(
            table("a 1\nb x\n\nc 3 \n"),
            HashMap::from([("a", 1), ("c", 3)])
        );
    }

    #[test]
    fn inactive_cache_does_not_count() {
        assert_eq!(memory(Some(100), "inactive_file 40\n"), Some(60));
        assert_eq!(
            memory(Some(100), "inactive_file 1\ntotal_inactive_file 30\n"),
            Some(70)
        );
        assert_eq!(memory(Some(10), "inactive_file 40\n"), Some(0));
        assert_eq!(memory(None, ""), None);
    }
}
