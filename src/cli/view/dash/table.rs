//! The table: a line a container, columns that go when there is no room.

use super::Picture;
use super::Row;
use super::board::is_troubled;
use crate::cli::view::containers;
use crate::cli::view::human;
use crate::engine::ContainerState;
use crate::engine::PortSummary;
use ratatui::Frame;
use ratatui::layout::Constraint;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Block;
use ratatui::widgets::Cell;
use ratatui::widgets::Row as Painted;
use ratatui::widgets::Table;
use ratatui::widgets::TableState;

/// Cells of a line of values.
const CELLS: usize = 12;
/// The greatest share of a core that does not fill a cell's height: less than this is little, whatever it was before.
const LEAST: f64 = 10.0;

/// A column, and the width of the table from which on it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Project,
    Name,
    State,
    Health,
    Cpu,
    Memory,
    Ports,
    Since,
}

impl Column {
    const ALL: [Self; 8] = [
        Self::Project,
        Self::Name,
        Self::State,
        Self::Health,
        Self::Cpu,
        Self::Memory,
        Self::Ports,
        Self::Since,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Project => "PROJECT",
            Self::Name => "SERVICE",
            Self::State => "STATE",
            Self::Health => "HEALTH",
            Self::Cpu => "CPU",
            Self::Memory => "MEMORY",
            Self::Ports => "PORTS",
            Self::Since => "SINCE",
        }
    }

    /// The narrowest table that has it.
    fn room(self) -> u16 {
        match self {
            Self::Project | Self::Name | Self::State => 0,
            Self::Health => 44,
            Self::Cpu => 62,
            Self::Memory => 84,
            Self::Ports => 104,
            Self::Since => 124,
        }
    }

    fn width(self, picture: &Picture<'_>) -> Constraint {
        let widest = |text: fn(&Row) -> String| {
            let rows = picture.board.rows.iter();
            let widths = rows.map(|row| Span::raw(text(row)).width());
            u16::try_from(widths.max().unwrap_or(0).clamp(8, 30)).unwrap_or(30)
        };
        match self {
            Self::Project => Constraint::Length(widest(|row| row.project.clone())),
            // with the mark in front
            Self::Name => Constraint::Length(widest(Row::name) + 2),
            Self::State => Constraint::Length(12),
            Self::Health => Constraint::Length(9),
            Self::Cpu => Constraint::Length(CELLS as u16 + 8),
            Self::Memory => Constraint::Length(CELLS as u16 + 10),
            Self::Ports => Constraint::Fill(1),
            Self::Since => Constraint::Length(14),
        }
    }
}

impl Picture<'_> {
    /// Paints the table.
    pub fn table(&self, frame: &mut Frame<'_>, area: Rect) {
        let columns = self.columns(area.width);
        let titles = columns.iter().map(|column| column.title());
        let lines = self.board.rows.iter().map(|row| {
            let cells = columns
                .iter()
                .map(|column| Cell::from(self.cell(row, *column)));
            let line = Painted::new(cells);
            match row.container {
                Some(_) => line,
                None => line.style(self.theme.dim()),
            }
        });
        let block = Block::bordered()
            .border_set(self.theme.border())
            .border_style(self.theme.dim())
            .title(Line::styled(" Services ", self.theme.strong()));
        let table = Table::new(lines, columns.iter().map(|column| column.width(self)))
            .header(Painted::new(titles).style(self.theme.dim()))
            .column_spacing(2)
            .row_highlight_style(self.theme.selected())
            .block(block);
        let mut state = TableState::new().with_selected(Some(self.board.selected));
        frame.render_stateful_widget(table, area, &mut state);
    }

    fn columns(&self, width: u16) -> Vec<Column> {
        let mut columns = Column::ALL.to_vec();
        let all = self.board.project.is_none();
        let extra = if all { 14 } else { 0 };
        columns.retain(|column| match column {
            Column::Project => all,
            column => column.room() == 0 || width >= column.room() + extra,
        });
        columns
    }

    fn cell(&self, row: &Row, column: Column) -> Line<'static> {
        match (column, &row.container) {
            (Column::Project, _) => Line::raw(row.project.clone()),
            (Column::Name, _) => {
                let troubled = row.container.as_ref().is_some_and(is_troubled);
                let (mark, style) = self.theme.mark(row.state(), troubled);
                Line::from(vec![
                    Span::styled(format!("{mark} "), style),
                    Span::raw(row.name()),
                ])
            }
            (Column::State, None) => Line::raw("not created"),
            (_, None) => Line::default(),
            (Column::State, Some(it)) => {
                let state = containers::state(it.state);
                let style = match is_troubled(it) && it.state == ContainerState::Exited {
                    true => self.theme.paint(Color::Red),
                    false => Style::new(),
                };
                match it.exit_code.filter(|_| it.state == ContainerState::Exited) {
                    Some(code) => Line::styled(format!("{state} {code}"), style),
                    None => Line::styled(state, style),
                }
            }
            (Column::Health, Some(it)) => match it.health.filter(|_| row.is_alive()) {
                Some(health) => Line::styled(containers::health(health), self.theme.health(health)),
                None => Line::default(),
            },
            (Column::Cpu, _) => self.cpu(row),
            (Column::Memory, _) => self.memory(row),
            (Column::Ports, Some(it)) => Line::raw(ports(&it.ports, self.theme.pick("→", "->"))),
            (Column::Since, Some(it)) => Line::raw(match it.state {
                ContainerState::Exited if it.finished > 0 => human::between(it.finished, self.now),
                _ if row.is_alive() => human::between(it.started, self.now),
                _ => String::new(),
            }),
        }
    }

    /// Heights grow with the greatest of the values that are shown.
    fn cpu(&self, row: &Row) -> Line<'static> {
        let Some(last) = row.cpu.last().filter(|_| row.is_alive()) else {
            return Line::default();
        };
        let full = row.cpu.top(CELLS).max(LEAST);
        let line = row.cpu.line(CELLS, full, self.theme.unicode());
        let colour = match last {
            share if share >= 90.0 => Color::Red,
            share if share >= 50.0 => Color::Yellow,
            _ => Color::Cyan,
        };
        Line::from(vec![
            Span::styled(line, self.theme.paint(colour)),
            Span::raw(format!(" {last:>6.1}%")),
        ])
    }

    /// Heights are shares of the limit where there is a real one, otherwise of the greatest value.
    fn memory(&self, row: &Row) -> Line<'static> {
        let Some(last) = row.memory.last().filter(|_| row.is_alive()) else {
            return Line::default();
        };
        let full = row.memory.top(CELLS) * 1.25;
        let line = row.memory.line(CELLS, full, self.theme.unicode());
        Line::from(vec![
            Span::styled(line, self.theme.paint(Color::Magenta)),
            Span::raw(format!(" {:>9}", bytes(last))),
        ])
    }
}

/// `12.3MiB`.
pub fn bytes(value: f64) -> String {
    let text = human::binary(value as u64);
    // three digits are enough where the eye compares them
    let unit = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    match number.parse::<f64>() {
        Ok(number) if number < 100.0 && unit != "B" => format!("{number:.1}{unit}"),
        Ok(number) => format!("{number:.0}{unit}"),
        Err(_) => text.clone(),
    }
}

/// `8080→80, 53→53/udp`: the addresses of the host are left out unless it is one alone.
fn ports(ports: &[PortSummary], arrow: &str) -> String {
    let mut shown: Vec<String> = Vec::new();
    for port in ports {
        let host = match port.host_ip.as_str() {
            "" | "0.0.0.0" | "::" => port.published.to_string(),
            ip => containers::host(ip, &port.published.to_string()),
        };
        let protocol = match port.protocol.as_str() {
            "tcp" => String::new(),
            other => format!("/{other}"),
        };
        let text = format!("{host}{arrow}{}{protocol}", port.target);
        if !shown.contains(&text) {
            shown.push(text);
        }
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_all_addresses_is_told_once() {
        let port = |ip: &str, protocol: &str| PortSummary {
            host_ip: ip.to_owned(),
            published: 53,
            target: 53,
            protocol: protocol.to_owned(),
        };
        let all = [
            port("0.0.0.0", "tcp"),
            port("::", "tcp"),
            port("127.0.0.1", "udp"),
        ];
        assert_eq!(ports(&all, "→"), "53→53, 127.0.0.1:53→53/udp");
    }

    #[test]
    fn sizes_have_three_digits() {
        let texts = [512.0, 1536.0, 700.0 * 1024.0, 24.06 * 1024.0 * 1024.0].map(bytes);
        assert_eq!(texts, ["512B", "1.5KiB", "700KiB", "24.1MiB"]);
    }
}
