//! Where a part of a value stands in the text that it was read from.

use crate::compose::source::Finder;
use crate::compose::source::Span;
use std::ops::Range;

/// What takes longer to search than it is worth, bytes.
const MAX_SEARCHED: usize = 1024 * 1024;

/// Finds parts of one value.
pub struct Places<'a> {
    /// The value.
    text: &'a str,
    /// Where it was read.
    span: Span,
    writing: Writing<'a>,
}

enum Writing<'a> {
    /// On one line, behind so many characters.
    AsItIs(usize),
    /// So.
    Otherwise(&'a str),
    /// On several lines, which begin so: where they end is not known.
    Lines(&'a str),
    /// Nobody knows.
    Unknown,
}

impl<'a> Places<'a> {
    /// Of the value `text` that stands at `span`.
    pub fn new<'s: 'a>(text: &'a str, span: Span, finder: &mut Finder<'s>) -> Self {
        let writing = match stands_as_it_is(text, span) {
            Some(before) => Writing::AsItIs(before),
            None => match finder.rest(span) {
                Some((written, _)) if is_cut(span) => Writing::Lines(written),
                Some((written, length)) => Writing::Otherwise(&written[..length]),
                None => Writing::Unknown,
            },
        };
        Self {
            text,
            span,
            writing,
        }
    }

    /// The place of a part; that of the whole value, if it cannot be told.
    pub fn of(&self, range: &Range<usize>) -> Span {
        let (written, found) = match self.writing {
            Writing::AsItIs(before) => {
                let chars = |bytes: usize| count(self.text.get(..bytes).unwrap_or_default());
                let (start, end) = (chars(range.start), chars(range.end));
                return self.span.part(start + before, end + before);
            }
            Writing::Otherwise(written) => (written, in_writing(written, self.text, range)),
            Writing::Lines(written) => (written, same_of_equals(written, self.text, range)),
            Writing::Unknown => return self.span,
        };
        let part = found.map(|found| self.span.within(written, &found));
        part.unwrap_or(self.span)
    }
}

/// The characters before a text that stands on one line as it is: none, or a quote.
fn stands_as_it_is(text: &str, span: Span) -> Option<usize> {
    let width = span.end.column.saturating_sub(span.start.column) as usize;
    // Characters are not counted where that cannot help.
    if span.start.line != span.end.line || text.len() < width.saturating_sub(2) {
        return None;
    }
    match width.checked_sub(count(text)) {
        Some(around @ (0 | 2)) => Some(around / 2),
        _ => None,
    }
}

/// Whether only the beginning of a value is its place: it goes on on further lines.
fn is_cut(span: Span) -> bool {
    span.end.column - span.start.column == 1
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// Where a part of `text` stands in what was written for it, which may have quotes, escapes, line breaks and indentation of
/// its own.
pub fn in_writing(written: &str, text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let part = text.get(range.clone())?;
    let known = written.len() <= MAX_SEARCHED;
    let all = known && text.matches(part).count() == written.matches(part).count();
    all.then(|| same_of_equals(written, text, range))?
}

/// The same one of all that look the same.
fn same_of_equals(written: &str, text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let part = text.get(range.clone()).filter(|part| !part.is_empty())?;
    let before = text.get(..range.start)?.matches(part).count();
    let (start, _) = written.match_indices(part).nth(before)?;
    Some(start..start + part.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_behind_escapes_and_line_breaks() {
        let find = |written: &str, text: &str, range| in_writing(written, text, &range);
        assert_eq!(find(r#""\t$A $A""#, "\t$A $A", 4..6), Some(6..8));
        assert_eq!(find("|\n  x\n  ${A}", "x\n${A}", 2..6), Some(8..12));
        assert_eq!(find(r#""\x24A $A""#, "$A $A", 3..5), None);
        assert_eq!(find("x", "x", 1..1), None);
    }
}
