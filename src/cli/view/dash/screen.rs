//! The whole screen, taken and always given back.

use super::Board;
use super::Room;
use super::Theme;
use super::paint;
use super::room;
use crossterm::cursor::Hide;
use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::Clear;
use crossterm::terminal::ClearType;
use crossterm::terminal::EnterAlternateScreen;
use crossterm::terminal::LeaveAlternateScreen;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use std::io::Stdout;
use std::io::stdout;

/// A terminal whose screen is ours; dropping it gives back what was there before, also while a panic unwinds.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    theme: Theme,
}

impl Screen {
    /// Takes the screen.
    pub fn enter(theme: Theme) -> std::io::Result<Self> {
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        // The terminal is asked nothing: not every one answers.
        execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All), Hide)?;
        Ok(Self { terminal, theme })
    }

    /// Paints a frame; only what has changed since the last one is written.
    pub fn paint(&mut self, board: &Board, now: i64) -> std::io::Result<()> {
        let theme = self.theme;
        self.terminal
            .draw(|frame| paint(board, theme, now, frame))
            .map(drop)
    }

    /// How far the lower half can be scrolled.
    pub fn room(&self, board: &Board) -> Room {
        let size = self.terminal.size().unwrap_or_default();
        room(board, self.theme, Rect::new(0, 0, size.width, size.height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(stdout(), Show, LeaveAlternateScreen);
    }
}
