//! The last line and the page of keys.

use super::Pane;
use super::Picture;
use super::Row;
use crate::engine::ContainerState;
use ratatui::Frame;
use ratatui::layout::Constraint;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Block;
use ratatui::widgets::Clear;
use ratatui::widgets::Paragraph;

/// All keys, and what they do.
const ALL: [(&str, &str); 19] = [
    ("up, k / down, j", "another line"),
    ("s", "stop what runs, start what does not"),
    ("r", "restart"),
    ("p", "pause, or let go on"),
    ("e", "a shell in the container; ctrl-d leaves it"),
    ("l", "what it writes"),
    ("g", "who needs whom"),
    ("i", "all that is known of it"),
    ("tab", "the next of these three"),
    ("enter", "the lower half on the whole screen, and back"),
    ("a", "lines of all services, or of the selected one"),
    ("/", "only lines with a text; enter keeps it, esc drops it"),
    ("f", "let lines stand still, or go on"),
    ("pgup / pgdn", "back and forth"),
    ("end", "the newest line"),
    ("left / right", "what is beyond the edge"),
    ("esc", "back: filter, stillness, whole screen"),
    ("?", "this page"),
    ("q, ctrl-c", "leave; everything runs on"),
];

impl Picture<'_> {
    /// What was said, or which keys there are.
    pub fn footer(&self, area: Rect) -> Line<'static> {
        let said = &self.board.said;
        let log = &self.board.log;
        if log.typing {
            let filter = format!(" /{}", log.filter);
            return Line::from(vec![
                Span::styled(filter, self.theme.strong()),
                Span::styled("_  enter keeps it, esc drops it", self.theme.dim()),
            ]);
        }
        if !said.text.is_empty() {
            let style = match said.is_error {
                true => self.theme.bad(),
                false => self.theme.strong(),
            };
            return Line::styled(format!(" {}", said.text), style);
        }
        let mut spans = Vec::new();
        let mut left = usize::from(area.width);
        for (key, what) in self.keys() {
            let key = Span::styled(format!(" {key} "), self.theme.reversed());
            let what = Span::raw(format!(" {what}  "));
            match left.checked_sub(key.width() + what.width()) {
                Some(rest) => left = rest,
                None => break,
            }
            spans.extend([key, what]);
        }
        Line::from(spans)
    }

    /// The keys that do something now, the ones that are needed most first.
    fn keys(&self) -> Vec<(&'static str, &'static str)> {
        let row = self.board.row();
        let mut keys = vec![("q", "leave"), ("?", "help")];
        if row.is_some_and(|row| row.container.is_some()) {
            let alive = row.is_some_and(Row::is_alive);
            keys.push(("s", if alive { "stop" } else { "start" }));
            keys.push(("r", "restart"));
            if row.and_then(Row::state) == Some(ContainerState::Running) {
                keys.push(("e", "shell"));
            }
        }
        if self.board.pane == Pane::Logs {
            let log = &self.board.log;
            keys.push(("/", "filter"));
            keys.push(("a", if log.all { "this one" } else { "all" }));
            keys.push((
                "f",
                if log.follows() {
                    "stand still"
                } else {
                    "follow"
                },
            ));
        }
        keys.push(("tab", "logs, graph, inspect"));
        keys.push(("enter", if self.board.zoomed { "back" } else { "zoom" }));
        keys
    }

    /// The page of keys, over everything.
    pub fn help(&self, frame: &mut Frame<'_>, area: Rect) {
        let width = ALL.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        let lines: Vec<Line<'static>> = ALL
            .iter()
            .map(|(key, what)| {
                Line::from(vec![
                    Span::styled(format!(" {key:>width$}  "), self.theme.strong()),
                    Span::raw(*what),
                ])
            })
            .collect();
        let size = (
            Constraint::Length(74),
            Constraint::Length(ALL.len() as u16 + 2),
        );
        let page = area.centered(size.0, size.1);
        let block = Block::bordered()
            .border_set(self.theme.border())
            .title(Line::styled(" Keys ", self.theme.strong()));
        frame.render_widget(Clear, page);
        frame.render_widget(Paragraph::new(lines).block(block), page);
    }
}
