//! Tabs between a `:` and its value, which YAML allows and the scanner takes for a mistake if a bare text follows.
//!
//! Only the scanner knows what is a key: the same characters in a quoted text or a block are that text. So it is asked
//! again and again, and the tab that it complains about becomes a space, which moves no place.

use saphyr_parser::Parser;
use saphyr_parser::ScanError;
use std::borrow::Cow;

/// What the scanner says of it.
const COMPLAINT: &str = "':' must be followed by a valid YAML whitespace";

/// How many bytes are read again for it.
const MAX_READ: usize = 4 * 1024 * 1024;

/// The text with spaces for such tabs.
pub fn smooth(text: &str) -> Cow<'_, str> {
    let mut smooth = Cow::Borrowed(text);
    let mut left = MAX_READ;
    while let Some(tab) = first(&smooth) {
        let Some(rest) = left.checked_sub(tab) else {
            break;
        };
        left = rest;
        smooth.to_mut().replace_range(tab..=tab, " ");
    }
    smooth
}

/// The byte of the first such tab.
fn first(text: &str) -> Option<usize> {
    // Nearly no file has any, and need not be read twice.
    text.contains(":\t").then_some(())?;
    let error = Parser::new_from_str(text).find_map(Result::err)?;
    let value = (error.info() == COMPLAINT).then(|| byte(text, &error))??;
    let colon = text.get(..value)?.trim_end_matches([' ', '\t']).len();
    (text.as_bytes().get(colon) == Some(&b'\t')).then_some(colon)
}

/// Where the scanner stopped.
fn byte(text: &str, error: &ScanError) -> Option<usize> {
    let mut starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let line = starts.nth(error.marker().line().checked_sub(1)?)?;
    let mut columns = text[line..].char_indices();
    Some(line + columns.nth(error.marker().col())?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_before_a_bare_value_is_a_space_and_others_stay() {
        for (text, wanted) in [
            ("a:\tb\n", "a: b\n"),
            ("é: ü\nb:\t\tc\n", "é: ü\nb: \tc\n"),
            ("a: {b:\tc, d:\te}\n", "a: {b: c, d: e}\n"),
            ("a: \"b:\tc\"\nd:\te\n", "a: \"b:\tc\"\nd: e\n"),
            ("a: |\n  b:\tc\nd:\t-1\n", "a: |\n  b:\tc\nd: -1\n"),
            ("a:\t\"b\"\n", "a:\t\"b\"\n"),
        ] {
            assert_eq!(smooth(text), wanted);
        }
    }

    #[test]
    fn a_text_of_nothing_else_ends_soon() {
        let begun = std::time::Instant::now();
        smooth(&"a:\tb\n".repeat(200_000));
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }
}
