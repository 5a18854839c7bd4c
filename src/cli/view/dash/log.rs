//! The lines of containers, the last ones of each service, and which of them are looked at.

use crate::cli::view::style;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// How many lines of each service are kept.
const KEPT: usize = 2000;
/// How much of a line is kept, characters.
const LENGTH: usize = 4000;
/// How many lines can be looked through while they stand still.
const STILL: usize = 20_000;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Its place among all that came.
    pub order: u64,
    /// Nanoseconds since the epoch.
    pub time: i64,
    /// Name of the container as it is shown.
    pub name: Arc<str>,
    /// Its service.
    pub service: Arc<str>,
    /// It was written to stderr.
    pub is_error: bool,
    /// Without control characters.
    pub text: Arc<str>,
}

/// Lines by project and service, shared with who reads them from the containers.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    rows: BTreeMap<(String, String), VecDeque<LogRow>>,
    count: u64,
}

impl Kept {
    /// Keeps a line; of a container that floods, the last ones.
    pub fn push(&self, project: &str, mut row: LogRow) {
        let mut lines = self.lock();
        lines.count += 1;
        row.order = lines.count;
        let key = (project.to_owned(), row.service.to_string());
        let rows = lines.rows.entry(key).or_default();
        if rows.len() == KEPT {
            rows.pop_front();
        }
        rows.push_back(row);
    }

    /// The last lines that are looked at, oldest first.
    pub fn select(&self, lens: &Lens, most: usize) -> Vec<LogRow> {
        let lines = self.lock();
        let meant = |(project, service): &(String, String)| {
            lens.project.as_ref().is_none_or(|it| it == project)
                && lens.service.as_ref().is_none_or(|it| it == service)
        };
        let meant = lines.rows.iter().filter(|(key, _)| meant(key));
        let last = |rows: &VecDeque<LogRow>| -> Vec<LogRow> {
            let shown = rows.iter().rev().filter(|row| lens.shows(row));
            shown.take(most).cloned().collect()
        };
        let mut rows: Vec<LogRow> = meant.flat_map(|(_, rows)| last(rows)).collect();
        rows.sort_by_key(|row| (row.time, row.order));
        rows.drain(..rows.len().saturating_sub(most));
        rows
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which lines are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lens {
    /// Of this project alone.
    pub project: Option<String>,
    /// Of this service alone.
    pub service: Option<String>,
    /// Those with this text in them, whatever the case.
    pub filter: String,
}

impl Lens {
    fn shows(&self, row: &LogRow) -> bool {
        self.filter.is_empty() || !self.found(&row.text).is_empty()
    }

    /// Where the filter is in a text.
    pub fn found(&self, text: &str) -> Vec<std::ops::Range<usize>> {
        if self.filter.is_empty() {
            return Vec::new();
        }
        // ASCII keeps the places of its letters.
        let (text, filter) = (text.to_ascii_lowercase(), self.filter.to_ascii_lowercase());
        let found = text.match_indices(&filter);
        found.map(|(at, it)| at..at + it.len()).collect()
    }
}

/// The pane of lines.
#[derive(Debug, Default)]
pub struct Log {
    /// All there are.
    pub kept: Kept,
    /// Lines of all services, whatever is selected.
    pub all: bool,
    /// Those with this text.
    pub filter: String,
    /// The filter is being typed.
    pub typing: bool,
    /// Lines stand still: these, and how many of them are below the last one that is shown.
    still: Option<(Vec<LogRow>, usize)>,
    /// Columns that are left out at the left.
    pub left: usize,
}

impl Log {
    /// The newest line is shown from now on.
    pub fn follow(&mut self) {
        self.still = None;
    }

    /// Whether the newest line is shown.
    pub fn follows(&self) -> bool {
        self.still.is_none()
    }

    /// Lets the lines stand still, or go on.
    pub fn toggle(&mut self, lens: &Lens) {
        self.still = match self.still {
            Some(_) => None,
            None => Some((self.kept.select(lens, STILL), 0)),
        };
    }

    /// Goes so many lines up; down, if it is negative. At the end lines go on.
    pub fn up(&mut self, by: isize, lens: &Lens) {
        if self.still.is_none() && by > 0 {
            self.toggle(lens);
        }
        let Some((rows, below)) = &mut self.still else {
            return;
        };
        let most = rows.len().saturating_sub(1);
        *below = below.saturating_add_signed(by).min(most);
        if *below == 0 && by < 0 {
            self.still = None;
        }
    }

    /// The last lines that fit into `height`.
    pub fn rows(&self, lens: &Lens, height: usize) -> Vec<LogRow> {
        let Some((rows, below)) = &self.still else {
            return self.kept.select(lens, height);
        };
        let end = rows.len().saturating_sub(*below);
        // At the very top the pane is full all the same.
        let end = end.max(height.min(rows.len()));
        rows[end.saturating_sub(height)..end].to_vec()
    }
}

/// A line as one can be shown: without escape sequences, with spaces for tabs and for what moves the cursor.
pub fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().take(LENGTH).peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' if chars.next_if_eq(&'[').is_some() => {
                // parameters, up to the letter that says what they are for
                while chars
                    .next()
                    .is_some_and(|c| !('\x40'..='\x7e').contains(&c))
                {}
            }
            '\x1b' | '\r' => {}
            '\t' => plain.push_str("    "),
            c => plain.push(c),
        }
    }
    style::single_line(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(service: &str, time: i64, text: &str) -> LogRow {
        LogRow {
            order: 0,
            time,
            name: service.into(),
            service: service.into(),
            is_error: false,
            text: text.into(),
        }
    }

    fn texts(rows: &[LogRow]) -> Vec<&str> {
        rows.iter().map(|row| &*row.text).collect()
    }

    #[test]
    fn lines_of_several_services_are_in_the_order_of_time_and_filtered_whatever_their_case() {
        let kept = Kept::default();
        kept.push("app", row("web", 2, "GET /"));
        kept.push("app", row("db", 1, "ready"));
        kept.push("app", row("db", 3, "get 1"));
        kept.push("other", row("db", 0, "get 2"));
        let mut lens = Lens {
            project: Some("app".to_owned()),
            ..Lens::default()
        };
        assert_eq!(texts(&kept.select(&lens, 100)), ["ready", "GET /", "get 1"]);
        lens.filter = "Get".to_owned();
        assert_eq!(texts(&kept.select(&lens, 100)), ["GET /", "get 1"]);
        lens.service = Some("db".to_owned());
        assert_eq!(texts(&kept.select(&lens, 100)), ["get 1"]);
        assert_eq!(lens.found("forget").first(), Some(&(3..6)));
    }

    #[test]
    fn lines_stand_still_while_one_looks_up_and_go_on_at_the_end() {
        let (mut log, lens) = (Log::default(), Lens::default());
        let push = |log: &Log, from, to| {
            (from..to).for_each(|at| log.kept.push("app", row("web", at, &at.to_string())));
        };
        push(&log, 0, 10);
        assert_eq!(texts(&log.rows(&lens, 3)), ["7", "8", "9"]);
        log.up(2, &lens);
        push(&log, 10, 20);
        assert_eq!(texts(&log.rows(&lens, 3)), ["5", "6", "7"]);
        log.up(100, &lens);
        assert_eq!(texts(&log.rows(&lens, 3)), ["0", "1", "2"]);
        log.up(-100, &lens);
        assert!(log.follows());
        assert_eq!(texts(&log.rows(&lens, 3)), ["17", "18", "19"]);
    }

    #[test]
    fn a_flood_keeps_its_last_lines_and_none_of_the_others() {
        let kept = Kept::default();
        kept.push("app", row("db", 0, "ready"));
        (0..5000).for_each(|at| kept.push("app", row("web", at, "x")));
        let rows = kept.select(&Lens::default(), 10_000);
        assert_eq!(rows.len(), KEPT + 1);
        assert_eq!(&*rows[0].text, "ready");
    }

    #[test]
    fn what_moves_a_cursor_is_not_shown() {
        assert_eq!(plain(b"\x1b[1;31mred\x1b[0m\tx\x07\r"), "red    x ");
        assert_eq!(plain(b"\xff\x1b["), "\u{fffd}");
    }
}
