//! Progress on a terminal: a header and a line a resource, painted again as events come and time passes.
//!
//! Every frame ends below its last line, so whatever ends the process (a signal, too) leaves a sane screen.

use super::rows::{Phase, Row, Rows};
use super::style::{self, Colour, Style};
use super::{View, facts, plain};
use crate::engine::Stream;
use crate::state::event::Event;
use crate::state::event::What;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time between two frames while nothing happens: the spinner and the clocks move.
const TICK: Duration = Duration::from_millis(100);
/// Time between two frames at least, however many events come.
const FRAME: Duration = Duration::from_millis(25);
/// Columns and rows of a terminal that does not say.
const FALLBACK: (usize, usize) = (80, 24);

/// A live list, with a thread that keeps it moving.
#[derive(Debug)]
pub struct Live {
    shared: Arc<Mutex<Board>>,
    ticker: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Live {
    /// An empty list; nothing is painted before the first event.
    pub fn new(view: &View, verb: &'static str) -> Self {
        let shared = Arc::new(Mutex::new(Board::new(view.clone(), verb)));
        let (stop, stopped) = mpsc::channel::<()>();
        let board = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                    board
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .paint(false);
                }
            });
        // without the thread the list still moves with every event
        let ticker = thread.ok().map(|thread| (stop, thread));
        Self { shared, ticker }
    }

    /// Shows an event.
    pub fn event(&self, event: &Event) {
        let mut board = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        board.event(event);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.ticker.take() {
            drop(stop);
            let _ = thread.join();
        }
        let mut board = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        board.paint(true);
    }
}

/// The list and what of it is on the screen.
#[derive(Debug)]
struct Board {
    verb: &'static str,
    view: View,
    rows: Rows,
    screen: Screen,
    painted: Option<Instant>,
    frame: usize,
}

impl Board {
    fn new(view: View, verb: &'static str) -> Self {
        Self {
            verb,
            view,
            rows: Rows::default(),
            screen: Screen::default(),
            painted: None,
            frame: 0,
        }
    }

    fn event(&mut self, event: &Event) {
        if let What::Warning { .. } = event.what {
            let text = self.screen.erase(self.size().0)
                + &plain::line(event, self.view.status_facts().style());
            self.view.tell(&text);
            self.painted = None;
        }
        self.rows.take(event);
        if self.painted.is_none_or(|last| last.elapsed() >= FRAME) {
            self.paint(false);
        }
    }

    /// Paints a frame; the last one has every row, also those that do not fit on the screen.
    fn paint(&mut self, last: bool) {
        if self.rows.len() == 0 {
            return;
        }
        let (columns, rows) = self.size();
        let facts = self.view.status_facts();
        let picture = Picture {
            verb: self.verb,
            style: facts.style(),
            unicode: facts.unicode,
            columns,
            now: now(),
            frame: self.frame,
        };
        let lines = picture.lines(&self.rows, if last { usize::MAX } else { rows });
        let text = self.screen.replace(&lines, columns);
        self.view.tell(&text);
        self.painted = Some(Instant::now());
        self.frame += 1;
    }

    fn size(&self) -> (usize, usize) {
        let size = match self.view.status {
            Stream::Out => facts::size(io::stdout()),
            Stream::Err => facts::size(io::stderr()),
        };
        size.unwrap_or(FALLBACK)
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

/// The widths of the lines that are on the screen.
#[derive(Debug, Default)]
struct Screen {
    widths: Vec<usize>,
}

impl Screen {
    /// What takes the lines off the screen again. A window that became narrower has wrapped them meanwhile.
    fn erase(&mut self, columns: usize) -> String {
        let up: usize = self
            .widths
            .iter()
            .map(|width| width.div_ceil(columns.max(1)).max(1))
            .sum();
        self.widths.clear();
        match up {
            0 => String::new(),
            up => format!("\x1b[{up}A\r\x1b[J"),
        }
    }

    /// What replaces the lines on the screen by `lines`.
    fn replace(&mut self, lines: &[Line], columns: usize) -> String {
        let mut text = self.erase(columns);
        for line in lines {
            self.widths.push(line.width);
            text.push_str(&line.text);
            text.push('\n');
        }
        text
    }
}

/// A painted line and the columns it takes.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    text: String,
    width: usize,
}

/// All that a frame depends on besides the rows.
#[derive(Debug, Clone, Copy)]
struct Picture {
    verb: &'static str,
    style: Style,
    unicode: bool,
    columns: usize,
    now: i64,
    frame: usize,
}

impl Picture {
    /// Header and rows on a screen of `height`. If they do not fit, rows that still move are shown first.
    fn lines(&self, rows: &Rows, height: usize) -> Vec<Line> {
        // one line for the header, one for the cursor below the last line
        let room = height.saturating_sub(2).max(1);
        let name = rows
            .iter()
            .map(|row| style::width(&row.id))
            .max()
            .unwrap_or(0);
        let mut lines = vec![self.line(&[(
            Colour::Default,
            format!("[+] {} {}/{}", self.verb, rows.settled(), rows.len()),
        )])];
        if rows.len() <= room {
            lines.extend(rows.iter().map(|row| self.row(row, name)));
            return lines;
        }
        let moving = |row: &&Row| matches!(row.phase, Phase::Working | Phase::Failed);
        let shown = rows
            .iter()
            .filter(moving)
            .chain(rows.iter().filter(|row| !moving(row)))
            .take(room - 1);
        lines.extend(shown.map(|row| self.row(row, name)));
        let rest = rows.len() - (room - 1);
        lines.push(self.line(&[(
            Colour::Dim,
            format!("   {}and {rest} more", self.pick("… ", "... ")),
        )]));
        lines
    }

    fn row(&self, row: &Row, name: usize) -> Line {
        let mark = match row.phase {
            Phase::Working => {
                let (frames, count) = (self.pick("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"), self.frame);
                frames
                    .chars()
                    .nth(count % frames.chars().count())
                    .map_or_else(String::new, String::from)
            }
            Phase::Done => self.pick("✔", "+").to_owned(),
            Phase::Warning => "!".to_owned(),
            Phase::Failed => self.pick("✘", "x").to_owned(),
        };
        let colour = match row.phase {
            Phase::Working => Colour::Blue,
            other => plain::colour(other),
        };
        let pad = name - style::width(&row.id);
        let left = row
            .killed
            .map(|at| ((at - self.now).max(0) + 999_999_999) / 1_000_000_000);
        let detail = match (row.detail.is_empty(), row.phase) {
            _ if left.is_some() => left.map_or_else(String::new, countdown),
            (true, _) => String::new(),
            (false, Phase::Failed) => format!(": {}", row.detail),
            (false, _) => format!(" ({})", row.detail),
        };
        let seconds = (row.until.unwrap_or(self.now) - row.since).max(0) as f64 / 1e9;
        self.timed(
            &[
                (colour, format!(" {mark} ")),
                (Colour::Default, format!("{}{:pad$}  ", row.id, "")),
                (colour, row.text.clone()),
                (Colour::Default, detail),
            ],
            &format!("{seconds:.1}s"),
        )
    }

    /// `parts` at the left, `time` at the right edge, if there is room for both.
    fn timed(&self, parts: &[(Colour, String)], time: &str) -> Line {
        let left: usize = parts.iter().map(|(_, text)| style::width(text)).sum();
        // the last column stays free: some terminals wrap when it is written
        let edge = self.columns.saturating_sub(1);
        let wanted = style::width(time) + 1;
        if edge < 30 {
            return self.line(parts);
        }
        let room = edge - wanted;
        let mut parts = self.fit(parts, room);
        let gap = room - left.min(room) + 1;
        parts.push((Colour::Default, " ".repeat(gap)));
        parts.push((Colour::Blue, time.to_owned()));
        self.line(&parts)
    }

    /// Parts cut to `room` columns.
    fn fit(&self, parts: &[(Colour, String)], room: usize) -> Vec<(Colour, String)> {
        let mut room = room;
        let mut fitted = Vec::with_capacity(parts.len() + 2);
        for (colour, text) in parts {
            let kept = style::cut(text, room, self.pick("…", "~"));
            let full = kept.len() < text.len();
            room -= style::width(&kept);
            fitted.push((*colour, kept));
            if full {
                break;
            }
        }
        fitted
    }

    fn line(&self, parts: &[(Colour, String)]) -> Line {
        let parts = self.fit(parts, self.columns.saturating_sub(1));
        Line {
            width: parts.iter().map(|(_, text)| style::width(text)).sum(),
            text: parts
                .iter()
                .map(|(colour, text)| self.style.paint(*colour, text))
                .collect(),
        }
    }

    fn pick(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }
}

/// How long a container may still take to stop.
fn countdown(seconds: i64) -> String {
    match seconds {
        0 => " (killing it)".to_owned(),
        seconds => format!(" (kill in {seconds}s)"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::event;
    use super::*;

    fn picture(columns: usize) -> Picture {
        Picture {
            verb: "up",
            style: Style { colour: false },
            unicode: true,
            columns,
            now: 2_500_000_000,
            frame: 0,
        }
    }

    fn three() -> Rows {
        let mut rows = Rows::default();
        rows.take(&event("database", 0, What::Creating));
        rows.take(&event("database", 300, What::Started));
        rows.take(&event("web", 1000, What::Starting));
        rows.take(&event(
            "job",
            1000,
            What::Failed {
                error: "no such image".into(),
            },
        ));
        rows
    }

    fn text(lines: &[Line]) -> String {
        lines.iter().map(|line| line.text.clone() + "\n").collect()
    }

    #[test]
    fn a_line_a_resource_below_the_count() {
        assert_eq!(
            text(&picture(60).lines(&three(), 24)),
            "[+] up 2/3\n \
             ✔ Container app-database-1  Started                   0.3s\n \
             ⠋ Container app-web-1       Starting                  1.5s\n \
             ✘ Container app-job-1       Error: no such image      0.0s\n"
        );
    }

    #[test]
    fn without_utf8_only_ascii_is_painted() {
        let ascii = Picture {
            unicode: false,
            ..picture(50)
        };
        let text = text(&ascii.lines(&three(), 4));
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("... and 2 more"), "{text}");
    }

    #[test]
    fn narrow_terminals_never_wrap() {
        for columns in 1..90 {
            for line in picture(columns).lines(&three(), 24) {
                assert!(
                    line.width <= columns.saturating_sub(1)
                        && style::width(&line.text) == line.width,
                    "{columns}: {line:?}"
                );
            }
        }
    }

    #[test]
    fn what_moves_or_failed_is_shown_first_when_rows_do_not_fit() {
        let mut rows = three();
        rows.take(&event("cache", 0, What::Running));
        let text = text(&picture(60).lines(&rows, 5));
        assert!(
            text.contains("app-web-1") && text.contains("app-job-1"),
            "{text}"
        );
        assert!(!text.contains("app-database-1"), "{text}");
        assert!(text.ends_with("   … and 2 more\n"), "{text}");
    }

    #[test]
    fn a_frame_takes_back_the_one_before_also_after_the_window_shrank() {
        let mut screen = Screen::default();
        let lines = picture(80).lines(&three(), 24);
        assert!(screen.replace(&lines, 80).starts_with("[+] up 2/3\n"));
        assert!(screen.replace(&lines, 80).starts_with("\x1b[4A\r\x1b[J[+]"));
        // three rows of 79 columns are two lines each in a window of 40
        assert!(screen.erase(40).starts_with("\x1b[7A\r\x1b[J"));
        assert_eq!(screen.erase(40), "");
    }
}
