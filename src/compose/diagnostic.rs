//! What is wrong, where, and what to do about it.
//!
//! Invariants: every diagnostic has a stable code; a load reports all of its problems, sorted by place; rendering looks
//! only at the lines it shows, so a huge file costs no more than a small one.

use super::advice::advise;
use super::codes;
use super::source::SourceMap;
use super::source::Span;
use std::fmt;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The project cannot be used.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// A second place that explains the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What it has to do with the problem.
    pub text: String,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable name of the kind of problem, one of [`codes::CODES`].
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in lower case, names in backticks.
    pub message: String,
    /// Where, if it is in a text at all.
    pub primary: Option<Span>,
    /// What to write below the primary span.
    pub label: Option<String>,
    /// Further places.
    pub secondary: Vec<Label>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The service it is about.
    pub service: Option<String>,
}

impl Diagnostic {
    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        debug_assert!(codes::is_known(code), "`{code}` is no code");
        Self {
            code,
            severity,
            message,
            primary: None,
            label: None,
            secondary: Vec::new(),
            hint: None,
            service: None,
        }
    }

    /// Sets the place.
    pub fn at(&mut self, span: Span) -> &mut Self {
        self.primary = Some(span);
        self
    }

    /// Sets the text below the place.
    pub fn label(&mut self, text: impl Into<String>) -> &mut Self {
        self.label = Some(text.into());
        self
    }

    /// Adds a further place.
    pub fn also(&mut self, span: Span, text: impl Into<String>) -> &mut Self {
        self.secondary.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds where the text that it is in is named by another one, unless that is told already.
    fn lead(&mut self, sources: &SourceMap) {
        for (span, why) in self.primary.into_iter().flat_map(|at| sources.named(at)) {
            if !self.secondary.iter().any(|label| label.text == why) {
                self.also(span, why);
            }
        }
    }

    /// Says what to do.
    pub fn hint(&mut self, text: impl Into<String>) -> &mut Self {
        self.hint = Some(text.into());
        self
    }
}

/// Problems while they are being collected.
#[derive(Debug, Default)]
pub struct Report {
    found: Vec<Diagnostic>,
    /// The service that what comes next is about.
    pub scope: Option<String>,
}

/// More problems than this are not collected: nobody reads them, and a hostile file could make millions.
const MAX_FOUND: usize = 1000;

/// Behind so many problems near names are no longer searched: each search reads all names of the file.
const MAX_SEARCHED: usize = 30;

/// A name longer than this is not mistyped.
const LONGEST_MISTYPED: usize = 64;

impl Report {
    /// Adds an error.
    pub fn error(&mut self, code: &'static str, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Diagnostic::new(Severity::Error, code, message.into()))
    }

    /// Adds a warning.
    pub fn warning(&mut self, code: &'static str, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Diagnostic::new(Severity::Warning, code, message.into()))
    }

    fn push(&mut self, mut diagnostic: Diagnostic) -> &mut Diagnostic {
        diagnostic.service.clone_from(&self.scope);
        if self.found.len() >= MAX_FOUND {
            self.found.pop();
        }
        self.found.push(diagnostic);
        self.found.last_mut().expect("one was pushed just now")
    }

    /// Gives the problems behind the first `known` the place where what they are about came in, unless they have one.
    pub fn lead(&mut self, known: usize, span: Span, how: &str) {
        for problem in self.found.iter_mut().skip(known) {
            let told = |label: &Label| label.span == span || label.text == how;
            if problem.primary != Some(span) && !problem.secondary.iter().any(told) {
                problem.also(span, how);
            }
        }
    }

    /// Whether there are so many already that no more are collected.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MAX_FOUND
    }

    /// Whether it is still worth the work to search what a wrong name was meant to be.
    pub fn is_short(&self) -> bool {
        self.found.len() <= MAX_SEARCHED
    }

    /// Makes warnings of the errors for which `harmless` holds.
    pub fn soften(&mut self, harmless: impl Fn(&Diagnostic) -> bool) {
        for diagnostic in &mut self.found {
            if diagnostic.severity == Severity::Error && harmless(diagnostic) {
                diagnostic.severity = Severity::Warning;
            }
        }
    }

    /// Takes over what was found elsewhere.
    pub fn extend(&mut self, more: Vec<Diagnostic>) {
        self.found.extend(more);
        self.found.truncate(MAX_FOUND);
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|d| d.severity == Severity::Error)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, sorted by place, each once. What is in a file that another one names gets that place, too.
    pub fn into_sorted(self, sources: &SourceMap) -> Vec<Diagnostic> {
        let mut found = self.found;
        for problem in &mut found {
            advise(problem);
            problem.lead(sources);
        }
        found.sort_by(|a, b| (a.primary, &a.message).cmp(&(b.primary, &b.message)));
        found.dedup_by(|a, b| {
            (a.primary, &a.message, &a.secondary) == (b.primary, &b.message, &b.secondary)
        });
        found
    }

    /// The messages alone, for tests.
    #[cfg(test)]
    pub fn messages(&self) -> Vec<String> {
        self.found.iter().map(|d| d.message.clone()).collect()
    }
}

/// All problems of a load with the texts they point into.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    /// The problems, sorted by place; errors and warnings.
    pub list: Vec<Diagnostic>,
    /// What their spans point into.
    pub sources: SourceMap,
}

impl Diagnostics {
    /// One error without a place.
    pub fn single(code: &'static str, message: impl Into<String>, hint: Option<&str>) -> Self {
        let mut diagnostic = Diagnostic::new(Severity::Error, code, message.into());
        diagnostic.hint = hint.map(str::to_owned);
        Self {
            list: vec![diagnostic],
            sources: SourceMap::default(),
        }
    }

    /// The errors.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter().filter(|d| d.severity == Severity::Error)
    }

    /// One line of JSON a problem, for editors and other programs.
    pub fn json_lines(&self) -> String {
        super::lsp::lines(&self.list, &self.sources)
    }

    /// Draws all of them with their source lines, `width` columns wide, with colours or plain.
    pub fn render(&self, color: bool, width: usize) -> String {
        super::draw::render(&self.list, &self.sources, color, width)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            if let Some(span) = diagnostic.primary {
                write!(f, "{}: ", self.sources.locate(span))?;
            }
            f.write_str(&diagnostic.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// The word of `candidates` that `word` was probably meant to be.
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower: Vec<char> = word.to_lowercase().chars().collect();
    if lower.len() > LONGEST_MISTYPED {
        return None;
    }
    let limit = (lower.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *candidate != word)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What a word was probably meant to be, or all that it can be.
pub fn one_of_few(word: &str, all: &[&str]) -> String {
    match did_you_mean(word, all.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<String> = all.iter().map(|name| format!("`{name}`")).collect();
            format!("expected {}", all.join(", "))
        }
    }
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`, which may be in capitals.
fn distance(a: &[char], b: &str) -> usize {
    // A character has at most four bytes: most candidates are too long or too short to be worth more.
    if b.len() > 4 * (a.len() + 3) || b.len() + 3 < a.len() {
        return usize::MAX;
    }
    let b: Vec<char> = b.to_lowercase().chars().collect();
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let above: &Vec<usize> = &rows[i - 1];
            let mut best = (above[j] + 1)
                .min(row[j - 1] + 1)
                .min(above[j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_offered_and_far_ones_are_not() {
        let words = ["image", "ports", "environment", "build"];
        assert_eq!(did_you_mean("imgae", words), Some("image"));
        assert_eq!(did_you_mean("port", words), Some("ports"));
        assert_eq!(did_you_mean("enviroment", words), Some("environment"));
        assert_eq!(did_you_mean("Image", words), Some("image"));
        assert_eq!(did_you_mean("foo", words), None);
    }

    #[test]
    fn problems_are_sorted_by_place_and_said_once() {
        let mut report = Report::default();
        let span = |line| {
            let mut span = Span::default();
            span.start.line = line;
            span
        };
        report.error("undefined", "second").at(span(2));
        report.error("empty", "first").at(span(1));
        report.error("empty", "first").at(span(1));
        let sorted = report.into_sorted(&SourceMap::default());
        let messages: Vec<&str> = sorted.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(messages, ["first", "second"]);
    }
}
