//! The dash: a project, or all of them, on a whole screen.
//!
//! ```text
//!  events, usage, lines ─▶ board ─▶ paint: header · table · logs | graph | inspect · keys
//! ```
//!
//! Invariants: a frame is a function of the board, the theme and the time, so the same board paints the same screen;
//! nothing here asks the engine for anything; what a container wrote cannot move the cursor.

mod board;
mod history;
mod keys;
mod log;
mod panes;
mod screen;
mod table;
mod theme;
mod tree;

pub use board::Board;
pub use board::Needs;
pub use board::Pane;
pub use board::Row;
pub use board::Said;
pub use log::Kept;
pub use log::LogRow;
pub use log::plain;
pub use screen::Screen;
pub use theme::Theme;

use ratatui::Frame;
use ratatui::layout::Constraint;
use ratatui::layout::Layout;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::text::Span;

/// Rows below which there is no lower half.
const SMALL: u16 = 12;

/// A frame: what is painted, how, and when.
struct Picture<'a> {
    board: &'a Board,
    theme: Theme,
    /// Nanoseconds since the epoch.
    now: i64,
}

/// Paints the board.
pub fn paint(board: &Board, theme: Theme, now: i64, frame: &mut Frame<'_>) {
    let picture = Picture { board, theme, now };
    let [header, body, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(picture.header(header), header);
    let (table, pane) = halves(board, body);
    if let Some(table) = table {
        picture.table(frame, table);
    }
    if let Some(pane) = pane {
        picture.pane(frame, pane);
    }
    frame.render_widget(picture.footer(footer), footer);
    if board.help {
        picture.help(frame, body);
    }
}

/// How far the lower half can be scrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many lines it has.
    pub height: usize,
    /// How many of what it shows, if that is no log, are beyond its end.
    pub beyond: usize,
}

/// The room on a screen of this size.
fn room(board: &Board, theme: Theme, area: Rect) -> Room {
    let body = Rect {
        height: area.height.saturating_sub(2),
        ..area
    };
    let (_, pane) = halves(board, body);
    let height = pane.map_or(0, |pane| usize::from(pane.height.saturating_sub(2)));
    let picture = Picture {
        board,
        theme,
        now: 0,
    };
    Room {
        height,
        beyond: picture.lines().saturating_sub(height),
    }
}

/// The table and the lower half. The table has what it needs, and never more than half if something is below.
fn halves(board: &Board, body: Rect) -> (Option<Rect>, Option<Rect>) {
    match (board.zoomed, body.height < SMALL) {
        (true, _) => (None, Some(body)),
        (false, true) => (Some(body), None),
        (false, false) => {
            let wanted = u16::try_from(board.rows.len() + 3).unwrap_or(u16::MAX);
            let most = wanted.clamp(4, body.height / 2);
            let halves = [Constraint::Length(most), Constraint::Fill(1)];
            let [table, pane] = Layout::vertical(halves).areas(body);
            (Some(table), Some(pane))
        }
    }
}

impl Picture<'_> {
    /// Whose dash it is, and how it is there.
    fn header(&self, area: Rect) -> Line<'static> {
        let (alive, there) = self.board.count();
        let name = match &self.board.project {
            Some(project) => project.clone(),
            None => "all projects".to_owned(),
        };
        let dot = self.theme.pick(" · ", " - ");
        let mut left = vec![
            Span::styled(" hoist ", self.theme.reversed()),
            Span::styled(format!(" {name} "), self.theme.strong()),
            Span::raw(format!(" {alive} of {there} running")),
        ];
        let troubled = self.board.troubled();
        if troubled > 0 {
            let words = format!("{dot}{troubled} in trouble");
            left.push(Span::styled(words, self.theme.bad()));
        }
        let right = format!("{} ", self.total());
        let used: usize = left.iter().map(Span::width).sum();
        let room = usize::from(area.width);
        let gap = room.saturating_sub(used + Span::raw(&right).width());
        if gap > 0 {
            left.push(Span::raw(" ".repeat(gap)));
            left.push(Span::styled(right, self.theme.dim()));
        }
        Line::from(left)
    }

    /// What all containers use.
    fn total(&self) -> String {
        let rows = self.board.rows.iter().filter(|row| row.is_alive());
        let cpu: f64 = rows.clone().filter_map(|row| row.cpu.last()).sum();
        let memory: f64 = rows.filter_map(|row| row.memory.last()).sum();
        let dot = self.theme.pick(" · ", " - ");
        format!("cpu {cpu:.1}%{dot}memory {}", table::bytes(memory))
    }
}

#[cfg(test)]
mod tests;
