//! Colours and signs, or what stands for them where there are none.

use crate::cli::view::facts::Facts;
use crate::engine::ContainerState;
use crate::engine::HealthState;
use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;
use ratatui::symbols::border;

/// Borders of terminals that know no others.
const ASCII: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// The colours of services, by their place in the file: those of their log lines elsewhere.
const ROUND: [Color; 5] = [
    Color::Cyan,
    Color::Yellow,
    Color::Green,
    Color::Magenta,
    Color::Blue,
];

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    colour: bool,
    unicode: bool,
}

impl Theme {
    /// Of a stream.
    pub fn of(facts: Facts) -> Self {
        Self {
            colour: facts.colour,
            unicode: facts.unicode,
        }
    }

    /// Whether more than ASCII can be shown.
    pub fn unicode(self) -> bool {
        self.unicode
    }

    /// A sign, or what stands for it.
    pub fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }

    /// Borders.
    pub fn border(self) -> border::Set<'static> {
        if self.unicode { border::ROUNDED } else { ASCII }
    }

    /// A colour of the terminal's own palette.
    pub fn paint(self, colour: Color) -> Style {
        match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    /// What stands back.
    pub fn dim(self) -> Style {
        match self.colour {
            true => Style::new().fg(Color::DarkGray),
            false => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// What stands out.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The line that keys are about; what has a colour there keeps it.
    pub fn selected(self) -> Style {
        match self.colour {
            true => self.strong().bg(Color::DarkGray),
            false => self.reversed(),
        }
    }

    /// A key, a name.
    pub fn reversed(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What needs somebody.
    pub fn bad(self) -> Style {
        self.paint(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What is found.
    pub fn found(self) -> Style {
        match self.colour {
            true => Style::new().fg(Color::Black).bg(Color::Yellow),
            false => Style::new().add_modifier(Modifier::REVERSED),
        }
    }

    /// The colour of the service at this place.
    pub fn service(self, place: usize) -> Style {
        self.paint(ROUND[place % ROUND.len()])
    }

    /// A mark for a state, in its colour.
    pub fn mark(self, state: Option<ContainerState>, troubled: bool) -> (&'static str, Style) {
        use ContainerState::{Created, Dead, Exited, Paused, Restarting, Running};
        match state {
            _ if troubled => (self.pick("●", "!"), self.paint(Color::Red)),
            Some(Running) => (self.pick("●", "*"), self.paint(Color::Green)),
            Some(Paused) => (self.pick("◐", "="), self.paint(Color::Yellow)),
            Some(Restarting) => (self.pick("◌", "~"), self.paint(Color::Yellow)),
            Some(Exited | Created | Dead) => (self.pick("○", "o"), self.dim()),
            None => (self.pick("·", "."), self.dim()),
        }
    }

    /// The colour of a verdict.
    pub fn health(self, health: HealthState) -> Style {
        match health {
            HealthState::Starting => self.paint(Color::Yellow),
            HealthState::Healthy => self.paint(Color::Green),
            HealthState::Unhealthy => self.bad(),
        }
    }
}
