//! Processes as `top` shows them: docker compose's table of `ps -ef`.

use super::{style, table};
use crate::engine::Processes;

const HEADER: [&str; 10] = [
    "SERVICE", "#", "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD",
];

/// A line a process; `now` in nanoseconds since the epoch. On a terminal of `width` columns, none wraps.
pub fn table(containers: &[Processes], now: i64, width: Option<usize>) -> String {
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    for container in containers {
        for process in &container.processes {
            rows.push(vec![
                container.service.clone(),
                container.number.to_string(),
                process.uid.to_string(),
                process.pid.to_string(),
                process.ppid.to_string(),
                process.cpu.to_string(),
                start(process.start, now / 1_000_000_000),
                process.tty.clone(),
                time(process.time),
                process.command.clone(),
            ]);
        }
    }
    let text = table::align(&rows);
    // commands are last: what has no room is the end of theirs
    let cut = |width| {
        text.lines()
            .map(move |line| style::cut(line.trim_end(), width, "~") + "\n")
    };
    width.map_or_else(|| text.clone(), |width| cut(width).collect())
}

/// `15:04` for what was started today, else `Jan02`.
fn start(at: i64, now: i64) -> String {
    let zone = jiff::tz::TimeZone::system();
    let zoned = |at| jiff::Timestamp::from_second(at).map(|t| t.to_zoned(zone.clone()));
    match (zoned(at), zoned(now)) {
        (Ok(at), Ok(now)) if at.date() == now.date() => at.strftime("%H:%M").to_string(),
        (Ok(at), _) => at.strftime("%b%d").to_string(),
        _ => String::new(),
    }
}

/// `00:01:02`.
fn time(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_a_day_shows_the_day() {
        assert_eq!(start(0, 90_000_000).len(), 5);
        assert!(start(1_000, 1_001).contains(':'));
        assert_eq!(time(3_725), "01:02:05");
    }
}
