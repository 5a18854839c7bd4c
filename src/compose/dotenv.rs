//! `.env` files and `env_file`: the dotenv dialect of docker compose, and the plain `raw` one.
//!
//! Invariant: later keys win; a variable inside of a value is looked up outside first, then among the earlier keys.

use super::budget::Budget;
use super::diagnostic::Report;
use super::interpolation::Lookup;
use super::interpolation::ProblemKind;
use super::interpolation::in_writing;
use super::interpolation::substitute;
use super::source::Position;
use super::source::Span;
use indexmap::IndexMap;
use std::ops::Range;

/// The variables of one or more files, in their order.
pub type Variables = IndexMap<String, Variable>;

/// What a file says about a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The value.
    pub value: String,
    /// Where its name stands.
    pub place: Span,
    /// Where it stood before, with other values.
    pub before: Vec<Span>,
}

/// How many of those are remembered.
const MOST_BEFORE: usize = 8;

/// Puts a variable, in place of one of its name.
fn put(out: &mut Variables, name: &str, value: String, place: Span) {
    let old = out.get_mut(name);
    let mut before = Vec::new();
    if let Some(old) = old {
        before = std::mem::take(&mut old.before);
        before.push(old.place);
        before.drain(..before.len().saturating_sub(MOST_BEFORE));
    }
    let variable = Variable {
        value,
        place,
        before,
    };
    out.insert(name.to_owned(), variable);
}

/// Parses the dotenv dialect into `out`, as long as the budget lasts.
pub fn parse(
    text: &str,
    source: u32,
    lookup: Lookup<'_>,
    out: &mut Variables,
    (report, budget): (&mut Report, &mut Budget),
) {
    let mut file = File {
        text,
        at: 0,
        counted: (0, 1),
        source,
        lookup,
        out,
        report,
        budget,
    };
    // A file with this many problems is no dotenv file, and finding the place of each costs time.
    let limit = file.report.len() + 100;
    let ends = |file: &File<'_, '_>| file.report.len() >= limit || file.budget.is_spent();
    while !ends(&file) && file.statement().is_some() {}
}

/// Parses the `raw` format: `KEY=VALUE` to the end of the line, nothing is special in the value.
pub fn parse_raw(
    text: &str,
    source: u32,
    lookup: Lookup<'_>,
    out: &mut Variables,
    report: &mut Report,
) {
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (line.trim_end(), lookup(line.trim_end()).map(str::to_owned)),
        };
        let place = |length: usize| line_span(source, index as u32 + 1, 0, length);
        if key.is_empty() || key.contains(char::is_whitespace) {
            report
                .error("dotenv", format!("`{key}` is not a variable name"))
                .at(place(line.chars().count()))
                .hint("write `NAME=VALUE`, without blanks around the `=`");
        } else if let Some(value) = value {
            put(out, key, value, place(key.chars().count()));
        }
    }
}

fn line_span(source: u32, line: u32, from: usize, length: usize) -> Span {
    let at = |column: usize| Position {
        line,
        column: column as u32,
    };
    Span {
        source,
        start: at(from),
        end: at(from + length),
    }
}

struct File<'a, 'l> {
    text: &'a str,
    /// Bytes read so far.
    at: usize,
    /// A place in bytes, and the line that it is in.
    counted: (usize, u32),
    source: u32,
    lookup: Lookup<'l>,
    out: &'a mut Variables,
    report: &'a mut Report,
    budget: &'a mut Budget,
}

impl File<'_, '_> {
    /// Reads one assignment; `None` at the end of the file.
    fn statement(&mut self) -> Option<()> {
        self.skip_to_statement()?;
        let start = self.at;
        let rest = &self.text[start..];
        let mut skipped = 0;
        if let Some(after) = rest.strip_prefix("export") {
            let trimmed = after.trim_start_matches([' ', '\t']);
            if trimmed.len() < after.len() {
                skipped = rest.len() - trimmed.len();
            }
        }
        let rest = &rest[skipped..];
        let end = rest.find(['=', ':', '\n']).unwrap_or(rest.len());
        let inherited = !matches!(rest.as_bytes().get(end), Some(b'=' | b':'));
        let key = rest[..end].trim_end();
        self.at = start + skipped + (end + 1).min(rest.len());
        let place = self.span(start + skipped, key.len());
        if let Some((problem, hint)) = key_problem(key) {
            self.report.error("dotenv", problem).at(place).hint(hint);
            self.skip_line(inherited);
            return Some(());
        }
        if inherited {
            if let Some(value) = (self.lookup)(key)
                && self.budget.take_text(value.len(), place, self.report)
            {
                put(self.out, key, value.to_owned(), place);
            }
            return Some(());
        }
        if let Some(value) = self.value() {
            put(self.out, key, value, place);
        }
        Some(())
    }

    /// Skips blank lines and comments.
    fn skip_to_statement(&mut self) -> Option<()> {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.is_empty() {
                return None;
            }
            if !trimmed.starts_with('#') {
                return Some(());
            }
            self.skip_line(false);
        }
    }

    fn skip_line(&mut self, done: bool) {
        if !done {
            let rest = &self.text[self.at..];
            self.at += rest.find('\n').map_or(rest.len(), |n| n + 1);
        }
    }

    /// Reads what is behind the `=`.
    fn value(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() && c != '\n');
        self.at += rest.len() - trimmed.len();
        match trimmed.as_bytes().first() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(*quote),
            _ => {
                let start = self.at;
                self.skip_line(false);
                let line = &self.text[start..self.at];
                let line = line.split_once(" #").map_or(line, |(value, _)| value);
                self.expand(line.trim_end(), start)
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Option<String> {
        let start = self.at;
        let body = &self.text[start + 1..];
        let mut escaped = false;
        let mut value = String::new();
        for (index, c) in body.char_indices() {
            if escaped {
                escaped = false;
                if c != quote as char {
                    value.push('\\');
                }
                value.push(c);
            } else if c == '\\' {
                escaped = true;
            } else if c == quote as char {
                self.at = start + 1 + index + 1;
                return match quote {
                    b'"' => self.expand(&unescape(&value), start),
                    _ => Some(value),
                };
            } else {
                value.push(c);
            }
        }
        let line = body.find('\n').unwrap_or(body.len());
        let quote = quote as char;
        let hint =
            format!("end it with `{quote}`, or write `\\{quote}` for one that belongs to it");
        self.error(start, line + 1, "this quoted value has no end", &hint);
        self.at = start + 1 + line;
        None
    }

    fn expand(&mut self, value: &str, at: usize) -> Option<String> {
        if !value.contains('$') {
            return Some(value.to_owned());
        }
        let (outer, inner) = (self.lookup, &*self.out);
        let lookup = |name: &str| outer(name).or_else(|| Some(inner.get(name)?.value.as_str()));
        let (text, unset, problems) = match substitute(value, &lookup, self.budget.text()) {
            Ok(done) => (Some(done.text), done.unset, Vec::new()),
            Err(refused) => (None, refused.unset, refused.problems),
        };
        for (name, range) in unset {
            let message = format!("variable `{name}` is not set, an empty text is used instead");
            let span = self.part(value, at, &range);
            let hint = format!("set it, or write `${{{name}:-default}}`");
            let warning = self.report.warning("unset-variable", message);
            warning.at(span).hint(hint);
        }
        for problem in problems {
            let (kind, span) = (problem.kind, self.part(value, at, &problem.range));
            let code = match kind {
                ProblemKind::TooLong => kind.code(),
                _ => "dotenv",
            };
            let error = self.report.error(code, kind.message());
            error.at(span).hint(kind.hint());
        }
        text
    }

    /// The place of a part of the value that begins at `at` and ends before what is read next.
    fn part(&mut self, value: &str, at: usize, range: &Range<usize>) -> Span {
        let written = &self.text[at..self.at];
        if written.starts_with(value) {
            return self.span(at + range.start, range.len());
        }
        match in_writing(written, value, range) {
            Some(part) => self.span(at + part.start, part.len()),
            None => self.span(at, value.len()),
        }
    }

    fn error(&mut self, at: usize, length: usize, message: &str, hint: &str) {
        let span = self.span(at, length);
        self.report.error("dotenv", message).at(span).hint(hint);
    }

    /// A place on one line. Lines are counted on from the last one that was asked for.
    fn span(&mut self, at: usize, length: usize) -> Span {
        let (from, line) = match self.counted.0 <= at {
            true => self.counted,
            false => (0, 1),
        };
        let line = line + self.text[from..at].matches('\n').count() as u32;
        self.counted = (at, line);
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let column = self.text[start..at].chars().count();
        let rest = self.text[at..].split('\n').next().unwrap_or("");
        let length = rest.get(..length).unwrap_or(rest).chars().count();
        line_span(self.source, line, column, length)
    }
}

/// What is wrong with a name, and what to do.
fn key_problem(key: &str) -> Option<(&'static str, &'static str)> {
    if key.is_empty() {
        let hint = "write `NAME=VALUE`, or begin the line with `#` if it is a comment";
        return Some(("a value without a name", hint));
    }
    if key.contains(char::is_whitespace) {
        let hint = "write `NAME=VALUE`, with `_` instead of the space";
        return Some(("a variable name cannot contain a space", hint));
    }
    let good = |c: char| c.is_alphanumeric() || "_.-[]".contains(c);
    let hint = "use letters, digits and `_`";
    (!key.chars().all(good)).then_some(("this is not a variable name", hint))
}

/// The escapes of a double-quoted value; `\$` becomes `$$`, which the expansion turns into `$`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(index) = rest.find('\\') {
        out.push_str(&rest[..index]);
        rest = &rest[index + 1..];
        let Some(c) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        let plain = match c {
            'a' => "\x07",
            'b' => "\x08",
            'f' => "\x0c",
            'n' => "\n",
            'r' => "\r",
            't' => "\t",
            'v' => "\x0b",
            '"' => "\"",
            '\\' => "\\",
            '$' => "$$",
            '0' => {
                let (character, length) = octal(rest);
                out.push(character);
                rest = &rest[length..];
                continue;
            }
            _ => {
                out.push('\\');
                continue;
            }
        };
        out.push_str(plain);
        rest = &rest[1..];
    }
    out.push_str(rest);
    out
}

/// `0` and up to three octal digits.
fn octal(text: &str) -> (char, usize) {
    let digits = text[1..]
        .bytes()
        .take(3)
        .take_while(|b| (b'0'..=b'7').contains(b))
        .count();
    let code = u8::from_str_radix(&text[..=digits], 8).unwrap_or(0);
    (code as char, digits + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let lookup = |name: &str| (name == "HOST").then_some("outer");
        let mut out = Variables::new();
        let mut report = Report::default();
        let limits = (&mut report, &mut Budget::default());
        parse(text, 0, &lookup, &mut out, limits);
        let plain = |(name, variable): (String, Variable)| (name, variable.value);
        (out.into_iter().map(plain).collect(), report.messages())
    }

    fn value(text: &str) -> String {
        let (mut values, messages) = read(text);
        assert!(messages.is_empty(), "{text}: {messages:?}");
        values.pop().unwrap().1
    }

    #[test]
    fn values_are_read_as_docker_compose_does() {
        for (text, wanted) in [
            ("A=b", "b"),
            ("A = b  ", "b"),
            ("export A=b", "b"),
            ("A: b", "b"),
            ("A=b # c", "b"),
            ("A=b#c", "b#c"),
            ("A='b # $X'", "b # $X"),
            ("A='it\\'s'", "it's"),
            ("A=\"x\\ny\\\\n\"", "x\ny\\n"),
            ("A=\"two\nlines\" # c", "two\nlines"),
            ("A=$HOST", "outer"),
            ("B=x\nA=${B}y", "xy"),
            ("A=\"\\$HOST\"", "$HOST"),
            ("A=$$HOST", "$HOST"),
            ("A=", ""),
            ("HOST", "outer"),
            ("A=\"\\0101\"", "A"),
            ("# c\n\nA=1\r\n", "1"),
        ] {
            assert_eq!(value(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_bare_key_without_a_value_outside_is_left_out() {
        assert_eq!(read("NOTHING\nA=1").0, [("A".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn all_problems_of_a_file_are_told() {
        let (values, messages) = read("A B=1\n=2\nC=\"open\nD%=1\nE=ok\n");
        assert_eq!(values, [("E".to_owned(), "ok".to_owned())]);
        assert_eq!(messages.len(), 4, "{messages:?}");
    }

    /// Ten bytes became ten to the power of eleven.
    #[test]
    fn variables_made_of_variables_cost_no_more_than_there_is() {
        let ten = |n: usize| format!("A{n}={}\n", format!("${{A{}}}", n - 1).repeat(10));
        let text: String = (1..12).map(ten).collect();
        let (values, messages) = read(&format!("A0=xxxxxxxxxx\n{text}"));
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(
            messages[0].contains("more than 32 MiB of text"),
            "{messages:?}"
        );
        let bytes: usize = values.iter().map(|(_, value)| value.len()).sum();
        assert!(bytes <= crate::compose::budget::MOST_TEXT, "{bytes}");
    }

    #[test]
    fn each_variable_knows_its_line() {
        let mut out = Variables::new();
        let text = "# c\nA=1\n\n  export B=\"x\ny\"\nC=3\n";
        let limits = (&mut Report::default(), &mut Budget::default());
        parse(text, 7, &|_| None, &mut out, limits);
        let place = |name: &str| (out[name].place.start.line, out[name].place.start.column);
        assert_eq!(
            [place("A"), place("B"), place("C")],
            [(2, 0), (4, 9), (6, 0)]
        );
    }

    #[test]
    fn raw_files_keep_everything() {
        let mut out = Variables::new();
        let mut report = Report::default();
        parse_raw(
            "# c\nA='x' $Y # z\nB\n",
            0,
            &|_| None,
            &mut out,
            &mut report,
        );
        assert_eq!(out["A"].value, "'x' $Y # z");
        assert!(!out.contains_key("B"));
    }
}
