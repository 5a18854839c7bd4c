//! `$NAME` and `${NAME}` with the six operators, in every text value of a document; keys are left alone.
//!
//! Invariants: defaults, alternates and messages count only if used; every missing variable of a document is
//! reported, not only the first; nesting is limited, so hostile texts cost linear time.

use super::diagnostic::Report;
use super::source::Span;
use super::yaml::Node;
use super::yaml::Step;
use super::yaml::Value;
use std::ops::Range;

/// Deepest nesting of `${A:-${B:-…}}`.
const MAX_NESTING: usize = 32;

/// How many variables of one text are remembered.
const MAX_USED: usize = 16;

/// Where variables come from.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a text cannot be interpolated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable expression, in bytes of the text.
    pub range: Range<usize>,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

/// What is wrong with a variable expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// Not a form of the grammar.
    Invalid,
    /// Nested too deep.
    TooDeep,
    /// `${NAME:?message}` and no value.
    Required {
        /// The variable.
        name: String,
        /// The user's message, may be empty.
        message: String,
    },
}

impl ProblemKind {
    /// In words.
    pub fn message(&self) -> String {
        match self {
            Self::Invalid => "invalid variable expression".to_owned(),
            Self::TooDeep => format!("variables nested deeper than {MAX_NESTING}"),
            Self::Required { name, message } if message.is_empty() => {
                format!("required variable `{name}` has no value")
            }
            Self::Required { name, message } => {
                format!("required variable `{name}` has no value: {message}")
            }
        }
    }

    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Required { name, .. } => {
                format!("set it: `export {name}=…`, or write `{name}=…` to the `.env` file")
            }
            _ => "write `$$` for a dollar sign, `${NAME}` or `${NAME:-default}` for a variable"
                .to_owned(),
        }
    }
}

/// The result of a substitution.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Substituted {
    /// The text.
    pub text: String,
    /// Variables without a value or default, with their place in the original text, bytes.
    pub unset: Vec<(String, Range<usize>)>,
    /// Variables whose value, or the lack of it, made the text.
    pub used: Vec<String>,
}

impl Substituted {
    /// Notes a variable; more than a few are not worth their memory.
    fn uses(&mut self, name: &str) {
        if self.used.len() < MAX_USED && !self.used.iter().any(|used| used == name) {
            self.used.reserve_exact(1);
            self.used.push(name.to_owned());
        }
    }
}

/// Replaces all variables of `text`.
pub fn substitute(text: &str, lookup: Lookup<'_>) -> Result<Substituted, Problem> {
    let mut out = Substituted::default();
    Template { lookup, depth: 0 }.expand(text, &mut out)?;
    Ok(out)
}

/// Interpolates every text value of a document.
pub fn interpolate(node: &mut Node, lookup: Lookup<'_>, report: &mut Report) {
    let Some(map) = node.map_mut() else {
        return below(node, lookup, report);
    };
    for (section, entry) in map.iter_mut() {
        let services = match section.as_str() {
            "services" => entry.value.map_mut(),
            _ => None,
        };
        let Some(services) = services else {
            below(&mut entry.value, lookup, report);
            continue;
        };
        for (name, entry) in services.iter_mut() {
            report.scope = Some(name.clone());
            below(&mut entry.value, lookup, report);
        }
        report.scope = None;
    }
}

fn below(node: &mut Node, lookup: Lookup<'_>, report: &mut Report) {
    match &mut node.value {
        Value::String(text) if text.contains('$') => {
            match interpolate_text(text, node.span, lookup, report) {
                Some(done) => {
                    let written = std::mem::replace(text, done.text);
                    if !done.used.is_empty() {
                        node.history.add(Step::Variables(done.used, written));
                    }
                }
                None => node.spoil(),
            }
        }
        Value::List(items) => {
            for item in items {
                below(item, lookup, report);
            }
        }
        Value::Map(map) => {
            for entry in map.values_mut() {
                below(&mut entry.value, lookup, report);
            }
        }
        _ => {}
    }
}

fn interpolate_text(
    text: &str,
    span: Span,
    lookup: Lookup<'_>,
    report: &mut Report,
) -> Option<Substituted> {
    match substitute(text, lookup) {
        Ok(mut done) => {
            for (name, range) in std::mem::take(&mut done.unset) {
                report
                    .warning(
                        "unset-variable",
                        format!("variable `{name}` is not set, an empty text is used instead"),
                    )
                    .at(within(text, span, range))
                    .hint(format!("set it, or write `${{{name}:-default}}`"));
            }
            Some(done)
        }
        Err(problem) => {
            let code = match problem.kind {
                ProblemKind::Required { .. } => "required-variable",
                _ => "invalid-variable",
            };
            report
                .error(code, problem.kind.message())
                .at(within(text, span, problem.range))
                .hint(problem.kind.hint());
            None
        }
    }
}

/// The part of `span` where `range` of its text is, if the text stands there as it is, quoted or not.
fn within(text: &str, span: Span, range: Range<usize>) -> Span {
    let chars = |bytes: usize| text.get(..bytes).map_or(0, |part| part.chars().count());
    let width = span.end.column.saturating_sub(span.start.column) as usize;
    let length = text.chars().count();
    if span.start.line != span.end.line || width < length || !matches!(width - length, 0 | 2) {
        return span;
    }
    let quote = (width - length) / 2;
    span.part(chars(range.start) + quote, chars(range.end) + quote)
}

struct Template<'a> {
    lookup: Lookup<'a>,
    depth: usize,
}

impl Template<'_> {
    fn expand(&self, text: &str, out: &mut Substituted) -> Result<(), Problem> {
        let mut rest = 0;
        while let Some(found) = text[rest..].find('$') {
            let dollar = rest + found;
            out.text.push_str(&text[rest..dollar]);
            let after = &text[dollar + 1..];
            rest = match after.bytes().next() {
                Some(b'$') => {
                    out.text.push('$');
                    dollar + 2
                }
                Some(b'{') => {
                    let end = closing_brace(after)
                        .map(|brace| dollar + 1 + brace + 1)
                        .ok_or_else(|| invalid(dollar..text.len()))?;
                    self.braced(&text[dollar + 2..end - 1], dollar..end, out)?;
                    end
                }
                _ if name_length(after) > 0 => {
                    let end = dollar + 1 + name_length(after);
                    self.plain(&text[dollar + 1..end], dollar..end, out);
                    end
                }
                _ => {
                    out.text.push('$');
                    dollar + 1
                }
            };
        }
        out.text.push_str(&text[rest..]);
        Ok(())
    }

    fn plain(&self, name: &str, range: Range<usize>, out: &mut Substituted) {
        out.uses(name);
        match (self.lookup)(name) {
            Some(value) => out.text.push_str(&value),
            None => out.unset.push((name.to_owned(), range)),
        }
    }

    fn braced(
        &self,
        inner: &str,
        range: Range<usize>,
        out: &mut Substituted,
    ) -> Result<(), Problem> {
        let (name, operation) = inner.split_at(name_length(inner));
        if name.is_empty() {
            let end = inner
                .find('}')
                .map(|brace| range.start + "${}".len() + brace);
            return Err(invalid(range.start..end.unwrap_or(range.end)));
        }
        if operation.is_empty() {
            self.plain(name, range, out);
            return Ok(());
        }
        let (colon, operation) = match operation.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, operation),
        };
        out.uses(name);
        let value = (self.lookup)(name);
        let present = value.as_ref().is_some_and(|v| !colon || !v.is_empty());
        let word = operation.get(1..).unwrap_or("");
        match (operation.bytes().next(), present) {
            (Some(b'-'), false) | (Some(b'+'), true) => self.nested(word, range, out),
            (Some(b'?'), false) => {
                let mut message = Substituted::default();
                self.nested(word, range.clone(), &mut message)?;
                let kind = ProblemKind::Required {
                    name: name.to_owned(),
                    message: message.text,
                };
                Err(Problem { range, kind })
            }
            (Some(b'-' | b'?' | b'+'), _) => {
                self.check(word, range)?;
                out.text.push_str(value.as_deref().unwrap_or(""));
                Ok(())
            }
            _ => Err(invalid(range)),
        }
    }

    /// A word that is not used must be one all the same; what it requires is not required.
    fn check(&self, word: &str, range: Range<usize>) -> Result<(), Problem> {
        match self.nested(word, range, &mut Substituted::default()) {
            Err(problem) if matches!(problem.kind, ProblemKind::Required { .. }) => Ok(()),
            other => other,
        }
    }

    /// Expands the word behind an operator. Places inside are those of the whole expression.
    fn nested(
        &self,
        word: &str,
        range: Range<usize>,
        out: &mut Substituted,
    ) -> Result<(), Problem> {
        if self.depth >= MAX_NESTING {
            let kind = ProblemKind::TooDeep;
            return Err(Problem { range, kind });
        }
        let inner = Template {
            lookup: self.lookup,
            depth: self.depth + 1,
        };
        let known = out.unset.len();
        inner.expand(word, out).map_err(|problem| Problem {
            range: range.clone(),
            kind: problem.kind,
        })?;
        for (_, place) in &mut out.unset[known..] {
            *place = range.clone();
        }
        Ok(())
    }
}

fn invalid(range: Range<usize>) -> Problem {
    Problem {
        range,
        kind: ProblemKind::Invalid,
    }
}

/// The variable expressions of a text, each as its name and what follows it between the braces.
pub fn expressions(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let after = &rest[dollar + 1..];
        let length = name_length(after);
        let brace = after.starts_with('{').then(|| closing_brace(after));
        rest = match (after.bytes().next(), brace.flatten()) {
            (Some(b'$'), _) => &after[1..],
            (Some(b'{'), Some(brace)) => {
                let inner = &after[1..brace];
                let (name, operation) = inner.split_at(name_length(inner));
                if !name.is_empty() {
                    found.push((name, operation));
                }
                &after[brace + 1..]
            }
            _ => {
                if length > 0 {
                    found.push((&after[..length], ""));
                }
                &after[length..]
            }
        };
    }
    found
}

/// Bytes of the variable name at the beginning of `text`.
fn name_length(text: &str) -> usize {
    let starts = text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
    if !starts {
        return 0;
    }
    text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric())
        .unwrap_or(text.len())
}

/// Where the brace that opens `text` closes: at its counterpart, or if there is none at the last brace of the line. As in
/// docker compose, what stands directly behind an opening brace is not looked at, so `{}` is one that opens.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 0usize;
    let mut bytes = text.bytes().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'{' => {
                open += 1;
                bytes.next();
            }
            b'}' if open == 1 => return Some(index),
            b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    text.lines().next()?.rfind('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "FOO" => Some("foo".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn expand(text: &str) -> String {
        substitute(text, &lookup).unwrap().text
    }

    #[test]
    fn all_operators_follow_the_shell() {
        for (text, wanted) in [
            ("$FOO ${FOO}", "foo foo"),
            ("$$FOO $${FOO}", "$FOO ${FOO}"),
            ("${NO:-d}|${EMPTY:-d}|${FOO:-d}", "d|d|foo"),
            ("${NO-d}|${EMPTY-d}|${FOO-d}", "d||foo"),
            ("${NO:+a}|${EMPTY:+a}|${FOO:+a}", "||a"),
            ("${NO+a}|${EMPTY+a}|${FOO+a}", "|a|a"),
            ("${FOO:?m}|${FOO?m}|${EMPTY?m}", "foo|foo|"),
            ("${NO:-${NO2:-deep}}", "deep"),
            ("${NO-$FOO ${FOO}}", "foo foo"),
            ("${NO:-/non:-alphanumeric}", "/non:-alphanumeric"),
            (":-ok ${NO-x}", ":-ok x"),
            ("a $ b ^x$ $} $1", "a $ b ^x$ $} $1"),
            ("${NO:-{\"a\": 1}}", "{\"a\": 1}"),
        ] {
            assert_eq!(expand(text), wanted, "{text}");
        }
    }

    #[test]
    fn broken_expressions_are_told_with_their_place() {
        for text in [
            "${", "${}", "${ }", "${ foo}", "${foo }", "${foo!}", "${FOO:}", "${FOO:x}",
        ] {
            let problem = substitute(&format!("ab{text}"), &lookup).unwrap_err();
            assert_eq!(problem.kind, ProblemKind::Invalid, "{text}");
            assert_eq!(problem.range.start, 2, "{text}");
        }
    }

    #[test]
    fn required_variables_carry_their_message() {
        let problem = substitute("${NO:?need $FOO}", &lookup).unwrap_err();
        assert_eq!(
            problem.kind.message(),
            "required variable `NO` has no value: need foo"
        );
        assert!(substitute("${EMPTY:?}", &lookup).is_err());
    }

    #[test]
    fn unset_is_told_only_where_it_matters() {
        let done = substitute("$NO ${FOO:-$NO} ${NO2:-$NO3}", &lookup).unwrap();
        let names: Vec<&str> = done.unset.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["NO", "NO3"]);
    }

    #[test]
    fn deep_nesting_ends_in_an_error() {
        let deep = "${A:-".repeat(5000) + &"}".repeat(5000);
        assert_eq!(
            substitute(&deep, &lookup).unwrap_err().kind,
            ProblemKind::TooDeep
        );
    }
}
