//! The lower half: what containers write, who needs whom, or all that is known of one.

use super::Pane;
use super::Picture;
use super::Row;
use super::board::is_troubled;
use super::log::Lens;
use super::log::LogRow;
use super::tree;
use crate::cli::view::containers;
use crate::cli::view::inspected;
use crate::engine::ContainerState;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Block;
use ratatui::widgets::Clear;
use ratatui::widgets::Paragraph;

impl Picture<'_> {
    /// Paints the lower half.
    pub fn pane(&self, frame: &mut Frame<'_>, area: Rect) {
        let height = usize::from(area.height.saturating_sub(2));
        let (what, lines) = match self.board.pane {
            Pane::Logs => (self.log_title(), self.log(height)),
            Pane::Graph => (String::new(), self.scrolled(self.graph(), height)),
            Pane::Inspect => (self.inspect_title(), self.scrolled(self.inspect(), height)),
        };
        let block = Block::bordered()
            .border_set(self.theme.border())
            .border_style(self.theme.dim())
            .title(self.tabs())
            .title(Line::styled(what, self.theme.dim()).right_aligned());
        // Lines that were longer before leave nothing behind.
        frame.render_widget(Clear, area);
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }

    fn tabs(&self) -> Line<'static> {
        let name = |pane| match pane {
            Pane::Logs => " Logs ",
            Pane::Graph => " Graph ",
            Pane::Inspect => " Inspect ",
        };
        let tabs = Pane::ALL.map(|pane| {
            let style = match pane == self.board.pane {
                true => self
                    .theme
                    .strong()
                    .add_modifier(ratatui::style::Modifier::UNDERLINED),
                false => self.theme.dim(),
            };
            Span::styled(name(pane), style)
        });
        Line::from(tabs.to_vec())
    }

    fn log_title(&self) -> String {
        let log = &self.board.log;
        let whose = match (log.all, self.board.row()) {
            (false, Some(row)) => row.service.clone(),
            _ => "all services".to_owned(),
        };
        let filter = match (log.typing, log.filter.as_str()) {
            (false, "") => String::new(),
            (typing, filter) => format!(" /{filter}{}", if typing { "_" } else { "" }),
        };
        let still = if log.follows() {
            ""
        } else {
            " (standing still)"
        };
        format!(" {whose}{filter}{still} ")
    }

    fn log(&self, height: usize) -> Vec<Line<'static>> {
        let lens = self.board.lens();
        let rows = self.board.log.rows(&lens, height);
        if rows.is_empty() {
            let nothing = match lens.filter.as_str() {
                "" => "nothing was written yet".to_owned(),
                filter => format!("no line has `{filter}` in it"),
            };
            return vec![Line::styled(nothing, self.theme.dim())];
        }
        let widths = rows.iter().map(|row| Span::raw(&*row.name).width());
        let width = widths.max().unwrap_or(0);
        rows.iter()
            .map(|row| self.log_line(row, width, &lens))
            .collect()
    }

    fn log_line(&self, row: &LogRow, width: usize, lens: &Lens) -> Line<'static> {
        let mut spans = Vec::new();
        if self.board.log.all {
            let pad = width - Span::raw(&*row.name).width();
            let bar = self.theme.pick("│", "|");
            let name = format!("{}{:pad$} {bar} ", row.name, "");
            spans.push(Span::styled(
                name,
                self.theme.service(self.place(&row.service)),
            ));
        }
        let left = self.board.log.left;
        let shown = row
            .text
            .char_indices()
            .nth(left)
            .map_or("", |(at, _)| &row.text[at..]);
        let base = match row.is_error {
            true => self.theme.paint(Color::Red),
            false => Style::new(),
        };
        let mut at = 0;
        for found in lens.found(shown) {
            spans.push(Span::styled(shown[at..found.start].to_owned(), base));
            spans.push(Span::styled(
                shown[found.clone()].to_owned(),
                self.theme.found(),
            ));
            at = found.end;
        }
        spans.push(Span::styled(shown[at..].to_owned(), base));
        Line::from(spans)
    }

    /// The place of a service among those of the table.
    fn place(&self, service: &str) -> usize {
        let mut names: Vec<&str> = self
            .board
            .rows
            .iter()
            .map(|row| row.service.as_str())
            .collect();
        names.dedup();
        names.iter().position(|name| *name == service).unwrap_or(0)
    }

    /// How many lines there are to scroll through.
    pub fn lines(&self) -> usize {
        match self.board.pane {
            Pane::Logs => 0,
            Pane::Graph => self.graph().len(),
            Pane::Inspect => self.inspect().len(),
        }
    }

    fn scrolled(&self, lines: Vec<Line<'static>>, height: usize) -> Vec<Line<'static>> {
        let last = lines.len().saturating_sub(height);
        lines
            .into_iter()
            .skip(self.board.scroll.min(last))
            .collect()
    }

    /// The tree of each project that is shown.
    fn graph(&self) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        for (project, needs) in &self.board.needs {
            if self.board.project.is_none() {
                lines.push(Line::styled(project.clone(), self.theme.strong()));
            }
            for branch in tree::lines(needs, self.theme.unicode()) {
                lines.push(self.branch(project, &branch));
            }
        }
        if lines.is_empty() {
            let words = "there is no compose file here that says who needs whom";
            lines.push(Line::styled(words, self.theme.dim()));
        }
        lines
    }

    fn branch(&self, project: &str, branch: &tree::Branch) -> Line<'static> {
        let mut rows = self
            .board
            .rows
            .iter()
            .filter(|row| row.project == project && row.service == branch.service);
        let worst = |row: &&Row| row.container.as_ref().is_some_and(is_troubled);
        let row = rows.clone().find(worst).or_else(|| rows.next());
        let troubled = row.as_ref().is_some_and(worst);
        let (mark, style) = self.theme.mark(row.and_then(Row::state), troubled);
        let name = match self.board.row() {
            Some(it) if it.project == project && it.service == branch.service => {
                self.theme.reversed()
            }
            _ => self.theme.strong(),
        };
        let state = match row.and_then(|row| row.container.as_ref()) {
            None => "not created".to_owned(),
            Some(it) => match (it.state, it.health) {
                (ContainerState::Running, Some(health)) => containers::health(health).to_owned(),
                (ContainerState::Exited, _) => match it.exit_code {
                    Some(code) => format!("exited {code}"),
                    None => "exited".to_owned(),
                },
                (state, _) => containers::state(state).to_owned(),
            },
        };
        let waits = match branch.condition {
            "" => String::new(),
            condition => format!("  waits until {condition}"),
        };
        let above = if branch.again { "  (see above)" } else { "" };
        Line::from(vec![
            Span::styled(branch.lead.clone(), self.theme.dim()),
            Span::styled(format!("{mark} "), style),
            Span::styled(branch.service.clone(), name),
            Span::styled(format!("  {state}"), style),
            Span::styled(format!("{waits}{above}"), self.theme.dim()),
        ])
    }

    fn inspect_title(&self) -> String {
        let container = self.board.row().and_then(|row| row.container.as_ref());
        container.map_or_else(String::new, |it| format!(" {} ", it.name))
    }

    fn inspect(&self) -> Vec<Line<'static>> {
        let Some(container) = self.board.row().and_then(|row| row.container.as_ref()) else {
            return vec![Line::styled("there is no container yet", self.theme.dim())];
        };
        let text = serde_json::to_string_pretty(&inspected::container(container));
        let text = text.unwrap_or_default();
        text.lines().map(|line| self.field(line)).collect()
    }

    /// A line of JSON with its key in a colour.
    fn field(&self, line: &str) -> Line<'static> {
        match line.split_once("\": ") {
            Some((key, value)) if key.trim_start().starts_with('"') => Line::from(vec![
                Span::styled(format!("{key}\": "), self.theme.paint(Color::Cyan)),
                Span::raw(value.to_owned()),
            ]),
            _ => Line::raw(line.to_owned()),
        }
    }
}
