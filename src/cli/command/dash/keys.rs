//! What keys mean.

use super::act::Act;
use crate::cli::view::containers;
use crate::cli::view::dash::{Board, Pane, Room, Row, Said};
use crate::engine::ContainerState;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for beyond the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To leave.
    Leave,
    /// A shell in the selected container.
    Shell,
    /// Something is to be done to the selected service.
    Act(Act),
}

/// Does what a key means, with so much room to scroll.
pub fn press(board: &mut Board, key: KeyEvent, room: Room) -> Option<Wish> {
    board.said = Said::default();
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if control && key.code == KeyCode::Char('c') {
        return Some(Wish::Leave);
    }
    if board.help {
        board.help = false;
        return None;
    }
    if board.log.typing {
        typed(board, key.code);
        return None;
    }
    match key.code {
        KeyCode::Char(letter) if !control => return letter_key(board, letter),
        code => moved(board, code, room),
    }
    None
}

fn letter_key(board: &mut Board, letter: char) -> Option<Wish> {
    let wish = board.row().and_then(|row| wish(row, letter));
    match letter {
        'q' => return Some(Wish::Leave),
        'j' => board.select(1),
        'k' => board.select(-1),
        'l' => board.show(Pane::Logs),
        'g' => board.show(Pane::Graph),
        'i' => board.show(Pane::Inspect),
        'a' => {
            board.show(Pane::Logs);
            board.log.all = !board.log.all;
            board.log.follow();
        }
        'f' => {
            board.show(Pane::Logs);
            let lens = board.lens();
            board.log.toggle(&lens);
        }
        '/' => {
            board.show(Pane::Logs);
            board.log.follow();
            board.log.typing = true;
        }
        '?' | 'h' => board.help = true,
        _ => {
            if wish.is_none()
                && let Some(text) = board.row().and_then(|row| why_not(row, letter))
            {
                board.said = Said {
                    text,
                    is_error: true,
                };
            }
            return wish;
        }
    }
    None
}

/// What a letter does to the selected container.
fn wish(row: &Row, letter: char) -> Option<Wish> {
    let state = row.state()?;
    match (letter, state) {
        ('s', _) if row.is_alive() => Some(Wish::Act(Act::Stop)),
        ('s', _) => Some(Wish::Act(Act::Start)),
        ('r', _) => Some(Wish::Act(Act::Restart)),
        ('p', ContainerState::Running) => Some(Wish::Act(Act::Pause)),
        ('p', ContainerState::Paused) => Some(Wish::Act(Act::Unpause)),
        ('e', ContainerState::Running) => Some(Wish::Shell),
        _ => None,
    }
}

/// Why a letter does nothing to the selected container: a key that is pressed is answered.
fn why_not(row: &Row, letter: char) -> Option<String> {
    let needs = match letter {
        's' | 'r' => "there is nothing to start yet",
        'p' => "only what runs can be paused",
        'e' => "a shell needs one that runs",
        _ => return None,
    };
    let name = row.name();
    Some(match row.state() {
        None => format!("{name} has no container: {needs}"),
        Some(state) => format!("{name} is {}: {needs}", containers::state(state)),
    })
}

/// A key of the filter.
fn typed(board: &mut Board, code: KeyCode) {
    let log = &mut board.log;
    match code {
        KeyCode::Char(letter) => log.filter.push(letter),
        KeyCode::Backspace => drop(log.filter.pop()),
        KeyCode::Enter => log.typing = false,
        KeyCode::Esc => {
            log.filter.clear();
            log.typing = false;
        }
        _ => {}
    }
}

fn moved(board: &mut Board, code: KeyCode, room: Room) {
    let page = isize::try_from(room.height).unwrap_or(1).max(1);
    let scroll = |board: &mut Board, up| scroll(board, up, room);
    match code {
        KeyCode::Down => board.select(1),
        KeyCode::Up => board.select(-1),
        KeyCode::PageUp => scroll(board, page),
        KeyCode::PageDown => scroll(board, -page),
        KeyCode::Home => scroll(board, isize::MAX),
        KeyCode::End => scroll(board, -isize::MAX),
        KeyCode::Left => board.log.left = board.log.left.saturating_sub(8),
        KeyCode::Right => board.log.left += 8,
        KeyCode::Tab => board.show(board.pane.next()),
        KeyCode::Enter => board.zoomed = !board.zoomed,
        KeyCode::Esc => back(board),
        _ => {}
    }
}

/// So many lines up; down, if it is negative.
fn scroll(board: &mut Board, up: isize, room: Room) {
    if board.pane == Pane::Logs {
        let lens = board.lens();
        board.log.up(up, &lens);
        return;
    }
    board.scroll = board.scroll.saturating_add_signed(-up).min(room.beyond);
}

fn back(board: &mut Board) {
    let log = &mut board.log;
    match () {
        () if !log.filter.is_empty() => log.filter.clear(),
        () if !log.follows() => log.follow(),
        () => board.zoomed = false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::containers::tests::container;

    const ROOM: Room = Room {
        height: 10,
        beyond: 5,
    };

    fn board() -> Board {
        let mut board = Board::default();
        board.contains("app", vec![container("db"), container("web")]);
        board
    }

    fn code(board: &mut Board, code: KeyCode) -> Option<Wish> {
        press(board, KeyEvent::new(code, KeyModifiers::NONE), ROOM)
    }

    fn letters(board: &mut Board, letters: &str) -> Vec<Wish> {
        let letters = letters.chars();
        letters
            .filter_map(|it| code(board, KeyCode::Char(it)))
            .collect()
    }

    #[test]
    fn keys_do_what_the_state_of_the_selected_container_permits() {
        let mut board = board();
        let acts = [Act::Stop, Act::Restart, Act::Pause].map(Wish::Act);
        assert_eq!(
            letters(&mut board, "srpe"),
            [&acts[..], &[Wish::Shell]].concat()
        );
        board.rows[0].container.as_mut().unwrap().state = ContainerState::Exited;
        assert_eq!(letters(&mut board, "spe"), [Wish::Act(Act::Start)]);
        assert_eq!(board.said.text, "db is exited: a shell needs one that runs");
        board.rows[0].container.as_mut().unwrap().state = ContainerState::Paused;
        assert_eq!(letters(&mut board, "pe"), [Wish::Act(Act::Unpause)]);
        board.rows[0].container = None;
        assert_eq!(letters(&mut board, "srpe"), []);
        assert!(board.said.text.starts_with("db has no container"));
        assert_eq!(letters(&mut board, "l"), []);
        assert_eq!(board.said.text, "");
        let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(press(&mut board, control, ROOM), Some(Wish::Leave));
    }

    #[test]
    fn a_filter_is_typed_and_its_letters_are_no_keys() {
        let mut board = board();
        assert_eq!(letters(&mut board, "/qs"), []);
        code(&mut board, KeyCode::Backspace);
        assert_eq!((board.log.filter.as_str(), board.log.typing), ("q", true));
        code(&mut board, KeyCode::Enter);
        assert!(!board.log.typing);
        assert_eq!(board.lens().filter, "q");
        code(&mut board, KeyCode::Esc);
        assert_eq!(board.log.filter, "");
        letters(&mut board, "/x");
        code(&mut board, KeyCode::Esc);
        assert_eq!((board.log.filter.as_str(), board.log.typing), ("", false));
    }

    #[test]
    fn the_lower_half_is_chosen_zoomed_and_scrolled_to_its_end() {
        let mut board = board();
        code(&mut board, KeyCode::Tab);
        assert_eq!(board.pane, Pane::Graph);
        letters(&mut board, "i");
        code(&mut board, KeyCode::End);
        assert_eq!((board.pane, board.scroll), (Pane::Inspect, 5));
        code(&mut board, KeyCode::PageUp);
        assert_eq!(board.scroll, 0);
        code(&mut board, KeyCode::Enter);
        assert!(board.zoomed);
        code(&mut board, KeyCode::Esc);
        assert!(!board.zoomed);
    }

    #[test]
    fn any_key_closes_the_page_of_keys_and_does_nothing_else() {
        let mut board = board();
        letters(&mut board, "?");
        assert!(board.help);
        assert_eq!(letters(&mut board, "q"), []);
        assert!(!board.help);
    }
}
