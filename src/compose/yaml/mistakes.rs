//! What was probably meant where the scanner stops: it says what it expected, which is not what went wrong.

use crate::compose::diagnostic::did_you_mean;
use crate::compose::source::Position;

/// What to do about the mistake that the scanner calls `info`, found at `rest` of the whole `text`.
pub fn hint(info: &str, rest: &str, text: &str) -> Option<String> {
    let line = rest.lines().next().unwrap_or_default();
    let hint = match info {
        it if it.contains("unknown anchor") => return Some(unknown_anchor(line, text)),
        it if it.contains("anchor or alias") => {
            let value = line.trim_end();
            return Some(format!(
                "write it in quotes: `\"{value}\"`; bare, `*` and `&` stand for anchors"
            ));
        }
        it if it.contains("trailing content") && line.starts_with(',') => {
            "remove the `,`: it stands only between `[` and `]`, or `{` and `}`"
        }
        it if it.contains("trailing content") => {
            "put the whole value between the quotes, and write `\\\"` for one that belongs to it"
        }
        it if it.contains("escape character") => return Some(escape(rest)),
        it if it.contains("quoted scalar") || it.contains("quote") => {
            "close the quote that begins here"
        }
        it if it.contains("tab") => "indent with spaces",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The text from there on.
pub fn rest(text: &str, at: Position) -> &str {
    let mut lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let line = lines.nth((at.line as usize).saturating_sub(1));
    let line = &text[line.unwrap_or(text.len())..];
    let column = line.char_indices().nth(at.column as usize);
    column.map_or("", |(column, _)| &line[column..])
}

/// `8080: 80` at the beginning of a text, as it was meant.
pub fn pair(rest: &str) -> Option<String> {
    let (key, value) = rest.lines().next()?.split_once(": ")?;
    let of_port = |c: char| c.is_ascii_digit() || "./-".contains(c);
    let plain = |text: &str| !text.is_empty() && text.chars().all(of_port);
    let value = value.split(" #").next()?.trim();
    (plain(key) && plain(value)).then(|| format!("{key}:{value}"))
}

fn unknown_anchor(line: &str, text: &str) -> String {
    let name = name(line.trim_start_matches('*'));
    let known = text.split('&').skip(1).map(self::name);
    let known = known.filter(|known| !known.is_empty());
    match did_you_mean(name, known) {
        Some(near) => format!("did you mean `*{near}`?"),
        None => format!("define it above with `&{name}`, before it is used"),
    }
}

/// The name of an anchor at the beginning of a text.
fn name(text: &str) -> &str {
    let end = |c: char| c.is_whitespace() || ",[]{}".contains(c);
    text.split(end).next().unwrap_or_default()
}

/// Of a text in double quotes.
fn escape(rest: &str) -> String {
    let mut characters = rest.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            continue;
        }
        match characters.next() {
            Some(c) if "0abtnvfre \"/\\N_LPxuU\t\n\r".contains(c) => {}
            Some(c) => {
                return format!(
                    "write `\\\\{c}` for `\\{c}`, or put the text between single quotes"
                );
            }
            None => break,
        }
    }
    "write `\\\\` for a backslash, or put the text between single quotes".to_owned()
}

#[cfg(test)]
mod tests {
    use crate::compose::diagnostic::Report;
    use crate::compose::source::SourceMap;
    use crate::compose::yaml::parse;

    fn hint(text: &str) -> String {
        let mut report = Report::default();
        parse(text, 0, &mut report);
        let mut problems = report.into_sorted(&SourceMap::default());
        problems.remove(0).hint.unwrap()
    }

    #[test]
    fn the_usual_mistakes_are_told_what_they_are() {
        for (text, wanted) in [
            (
                "a: &one {b: 1}\nc: {<<: [*one, *on]}\n",
                "did you mean `*one`?",
            ),
            ("c: {<<: [*other]}\n", "define it above with `&other`"),
            ("a: *\n", "write it in quotes: `\"*\"`"),
            ("a:\n  - \"80:80\",\n  - b\n", "remove the `,`"),
            ("a: \"b\" c\n", "between the quotes"),
            ("a: \"\\n\\d+\"\n", "write `\\\\d` for `\\d`"),
            ("a:\n  b: \"c\n  d: e\n", "close the quote that begins here"),
            ("a:\n  b: 'c\n", "close the quote that begins here"),
            ("a: {{ b }}\n", "in quotes: `\"{{ … }}\"`"),
            ("a:\n  - 8080: 80\n", "in quotes: `\"8080:80\"`"),
            ("a: {8080: 80}\n", "in quotes: `\"8080\"`"),
        ] {
            assert!(hint(text).contains(wanted), "{text}{}", hint(text));
        }
    }
}
