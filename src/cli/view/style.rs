//! Colours, or none.

use std::fmt;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Paints, if the stream may have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether it does.
    pub colour: bool,
}

/// A colour as a terminal knows it; the terminal's own palette decides what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Colour {
    Default,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    Dim,
    BrightGreen,
    BrightYellow,
    BrightBlue,
    BrightMagenta,
    BrightCyan,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Self::Default => "0",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Blue => "34",
            Self::Magenta => "35",
            Self::Cyan => "36",
            Self::Dim => "2",
            Self::BrightGreen => "32;1",
            Self::BrightYellow => "33;1",
            Self::BrightBlue => "34;1",
            Self::BrightMagenta => "35;1",
            Self::BrightCyan => "36;1",
        }
    }

    /// The colour of the `place`-th service of a file: docker compose's round.
    pub fn of_service(place: usize) -> Self {
        const ROUND: [Colour; 10] = [
            Colour::Cyan,
            Colour::Yellow,
            Colour::Green,
            Colour::Magenta,
            Colour::Blue,
            Colour::BrightCyan,
            Colour::BrightYellow,
            Colour::BrightGreen,
            Colour::BrightMagenta,
            Colour::BrightBlue,
        ];
        ROUND[place % ROUND.len()]
    }
}

impl Style {
    /// `text` in `colour`.
    pub fn paint(self, colour: Colour, text: impl fmt::Display) -> String {
        if self.colour && colour != Colour::Default {
            format!("\x1b[{}m{text}\x1b[0m", colour.code())
        } else {
            text.to_string()
        }
    }

    /// `text` in red.
    pub fn red(self, text: impl fmt::Display) -> String {
        self.paint(Colour::Red, text)
    }

    /// `text` in yellow.
    pub fn yellow(self, text: impl fmt::Display) -> String {
        self.paint(Colour::Yellow, text)
    }

    /// `text` in cyan.
    pub fn cyan(self, text: impl fmt::Display) -> String {
        self.paint(Colour::Cyan, text)
    }
}

/// Columns that `text` takes on a terminal.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The longest start of `text` that fits into `columns`, with `mark` at its end if something was cut.
pub fn cut(text: &str, columns: usize, mark: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(width(mark)) else {
        return String::new();
    };
    let mut used = 0;
    let mut kept = String::new();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        kept.push(c);
    }
    kept + mark
}

/// One line for a terminal or a log: control characters, which could move the cursor or forge a line, become spaces.
pub fn single_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_colour_means_no_escape() {
        assert_eq!(Style { colour: false }.red("x"), "x");
        assert_eq!(Style { colour: true }.red("x"), "\x1b[31mx\x1b[0m");
    }

    #[test]
    fn cutting_counts_columns_not_bytes() {
        assert_eq!(cut("hello", 5, "…"), "hello");
        assert_eq!(cut("hello", 4, "…"), "hel…");
        assert_eq!(cut("日本語", 5, "…"), "日本…");
        assert_eq!(cut("日本語", 4, "…"), "日…");
        assert_eq!(cut("hello", 0, "…"), "");
    }

    #[test]
    fn colours_of_services_go_round() {
        assert_eq!(Colour::of_service(0), Colour::of_service(10));
        assert_ne!(Colour::of_service(0), Colour::of_service(1));
    }
}
