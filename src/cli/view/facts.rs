//! What a stream can show.

use super::style::Style;
use crate::cli::args::Ansi;
use crate::cli::env::Env;
use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Facts about one stream, decided once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// It is a terminal.
    pub terminal: bool,
    /// Colours may be used.
    pub colour: bool,
    /// More than ASCII may be used.
    pub unicode: bool,
}

impl Facts {
    /// Looks at a stream.
    pub fn of(stream: &(impl AsFd + IsTerminal), ansi: Option<Ansi>, env: &Env) -> Self {
        let terminal = stream.is_terminal();
        Self {
            terminal,
            colour: match ansi {
                Some(Ansi::Always) => true,
                Some(Ansi::Never) => false,
                Some(Ansi::Auto) | None => terminal && !env.no_color() && !env.dumb_terminal(),
            },
            unicode: env.utf8(),
        }
    }

    /// How to paint on it.
    pub fn style(self) -> Style {
        Style {
            colour: self.colour,
        }
    }
}

/// Columns and rows of the terminal at `stream`; asked for again at every frame, since windows change.
pub fn size(stream: impl AsFd) -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    match (size.ws_col, size.ws_row) {
        (0, _) | (_, 0) => None,
        (columns, rows) => Some((columns.into(), rows.into())),
    }
}

impl Facts {
    /// Help and usage as clap drew them, with their colours or without.
    pub fn styled(self, text: &clap::builder::StyledStr) -> String {
        if self.colour {
            text.ansi().to_string()
        } else {
            text.to_string()
        }
    }
}
