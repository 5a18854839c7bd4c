//! `$NAME` and `${NAME}` with the six operators, in every text value of a document; keys are left alone.
//!
//! ```text
//!  document: every text value ─▶ template: its grammar ─▶ braces: where an expression ends
//!                             └▶ place: where it stands in the file
//! ```
//!
//! Invariants: defaults, alternates and messages count only if used; every problem of a document is reported, not only
//! the first of a text, each at its own expression; nesting and what is looked at in vain are limited, so hostile texts
//! cost linear time.

mod braces;
mod document;
mod place;
mod template;

pub use braces::expressions;
pub use document::interpolate;
pub use place::in_writing;
pub use template::substitute;

use super::budget;
use std::ops::Range;
use template::MAX_NESTING;

/// How many variables of one text are remembered.
const MAX_USED: usize = 16;

/// Where variables come from.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// A variable without a value or default, and its place in the text, bytes.
pub type Unset = (String, Range<usize>);

/// Why a text cannot be interpolated.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// All that is wrong.
    pub problems: Vec<Problem>,
    /// Variables without a value or default.
    pub unset: Vec<Unset>,
}

/// One thing that is wrong with a text.
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
    /// `${NAME` and no `}`.
    Unclosed,
    /// Too much of that.
    TooMany,
    /// `${}`, `${ NAME}`.
    Unnamed,
    /// `${NAME!}`, with what stands where the operator should.
    Operator(String),
    /// Nested too deep.
    TooDeep,
    /// The values of variables make too much text.
    TooLong,
    /// `${NAME:?message}` and no value.
    Required {
        /// The variable.
        name: String,
        /// The user's message, may be empty.
        message: String,
    },
}

impl ProblemKind {
    /// Of a diagnostic.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Required { .. } => "required-variable",
            Self::TooLong => "too-much-text",
            _ => "invalid-variable",
        }
    }

    /// In words.
    pub fn message(&self) -> String {
        match self {
            Self::Unclosed => "this variable has no closing `}`".to_owned(),
            Self::TooMany => "too many variables have no closing `}`".to_owned(),
            Self::Unnamed => "there is no variable name behind this `${`".to_owned(),
            Self::Operator(operator) => format!("`{operator}` is no operator of a variable"),
            Self::TooDeep => format!("variables nested deeper than {MAX_NESTING}"),
            Self::TooLong => budget::too_much_text(),
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
        let hint = match self {
            Self::Required { name, .. } => {
                return format!(
                    "set it: `export {name}=…`, or write `{name}=…` to the `.env` file"
                );
            }
            Self::Unclosed | Self::TooMany => {
                "write `${NAME}`, or `$$` for a dollar sign that begins no variable"
            }
            Self::Unnamed => {
                "a name has letters, digits and `_`, no digit first, no blanks: `${NAME}`; a dollar sign alone is `$$`"
            }
            Self::Operator(_) => {
                "write `${NAME:-default}`, `${NAME:?message}` or `${NAME:+other}`; a dollar sign alone is `$$`"
            }
            Self::TooDeep => "write the default without so many variables in it",
            Self::TooLong => {
                "values are long, or made of each other: look at what this variable and those before it stand for"
            }
        };
        hint.to_owned()
    }
}

/// The result of a substitution.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Substituted {
    /// The text.
    pub text: String,
    /// Variables without a value or default.
    pub unset: Vec<Unset>,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<&'static str> {
        match name {
            "FOO" => Some("foo"),
            "EMPTY" => Some(""),
            _ => None,
        }
    }

    fn substitute(text: &str, lookup: Lookup<'_>) -> Result<Substituted, Refused> {
        super::substitute(text, lookup, &mut 1000)
    }

    fn expand(text: &str) -> String {
        substitute(text, &lookup).unwrap().text
    }

    fn problem(text: &str) -> Problem {
        let mut problems = substitute(text, &lookup).unwrap_err().problems;
        assert_eq!(problems.len(), 1, "{text}");
        problems.remove(0)
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
        let operator = |text: &str| ProblemKind::Operator(text.to_owned());
        for (text, kind) in [
            ("${", ProblemKind::Unclosed),
            ("${}", ProblemKind::Unnamed),
            ("${ }", ProblemKind::Unnamed),
            ("${ foo}", ProblemKind::Unnamed),
            ("${foo }", operator(" ")),
            ("${foo!}", operator("!")),
            ("${FOO:}", operator(":")),
            ("${FOO:x}", operator(":x")),
        ] {
            let problem = problem(&format!("ab{text}"));
            assert_eq!(problem.kind, kind, "{text}");
            assert_eq!(problem.range, 2..2 + text.len(), "{text}");
        }
    }

    #[test]
    fn all_problems_of_a_text_are_told_each_at_its_place() {
        let text = "$U ${A:?a} ${ } ${B?b$V} ${FOO:-${C?}${D!}} ${E:-x${F?}} ${\n${G?}";
        let refused = substitute(text, &lookup).unwrap_err();
        let places = refused.problems.iter().map(|it| &text[it.range.clone()]);
        let found: Vec<&str> = places.collect();
        assert_eq!(
            found,
            [
                "${A:?a}", "${ }", "${B?b$V}", "${D!}", "${F?}", "${", "${G?}"
            ]
        );
        assert_eq!(refused.unset, [("U".to_owned(), 0..2)]);
    }

    #[test]
    fn what_is_wrong_very_often_is_told_often_enough() {
        let text = "${} $U ".repeat(1000);
        let refused = substitute(&text, &lookup).unwrap_err();
        assert_eq!((refused.problems.len(), refused.unset.len()), (50, 49));
    }

    /// Each was searched to the end of the text.
    #[test]
    fn braces_without_counterparts_cost_no_square_of_time() {
        let begun = std::time::Instant::now();
        let text = "${A-{{}\n".repeat(200_000);
        let refused = substitute(&text, &lookup).unwrap_err();
        assert_eq!(refused.problems[0].kind, ProblemKind::TooMany);
        assert!(expressions(&text).len() < 1000);
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }

    #[test]
    fn required_variables_carry_their_message() {
        assert_eq!(
            problem("${NO:?need $FOO}").kind.message(),
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
    fn more_text_than_there_is_room_for_is_told_once() {
        let mut room = 10;
        let refused = super::substitute("$FOO ${NO:-$FOO} ${FOO?} $FOO $FOO", &lookup, &mut room);
        let problems = refused.unwrap_err().problems;
        let kinds: Vec<_> = problems
            .iter()
            .map(|it| (it.range.clone(), &it.kind))
            .collect();
        assert_eq!(kinds, [(25..29, &ProblemKind::TooLong)]);
        assert_eq!(room, 0);
    }

    #[test]
    fn deep_nesting_ends_in_an_error() {
        let deep = "${A:-".repeat(5000) + &"}".repeat(5000);
        assert_eq!(problem(&deep).kind, ProblemKind::TooDeep);
    }
}
