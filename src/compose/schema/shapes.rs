//! The words in which the tables are written: builders of shapes and rows, and shapes that many rows share.

use super::Attribute;
use super::Default;
use super::Kind;
use super::Long;
use super::Path;
use super::Rule;
use super::Same;
use super::Scalar;
use super::Shape;
use super::State;
use super::Zero;

pub(super) const fn shape(kind: Kind) -> Shape {
    Shape {
        kind,
        long: Long::Already,
        rule: Rule::Deep,
        same: Same::Never,
        path: Path::No,
    }
}

pub(super) const fn scalar(scalar: Scalar) -> Shape {
    shape(Kind::Scalar(scalar))
}

pub(super) const fn word(words: &'static [&'static str]) -> Shape {
    scalar(Scalar::Word(words))
}

pub(super) const fn list(items: &'static Shape) -> Shape {
    shape(Kind::List(items))
}

pub(super) const fn map(values: &'static Shape) -> Shape {
    shape(Kind::Map(values))
}

pub(super) const fn object(fields: &'static [Attribute]) -> Shape {
    shape(Kind::Object(fields))
}

impl Shape {
    pub(super) const fn long(mut self, long: Long) -> Self {
        self.long = long;
        self
    }

    pub(super) const fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    pub(super) const fn same(mut self, same: Same) -> Self {
        self.same = same;
        self
    }

    pub(super) const fn path(mut self, path: Path) -> Self {
        self.path = path;
        self
    }
}

pub(super) const TEXT: Shape = scalar(Scalar::Text);
pub(super) const BOOL: Shape = scalar(Scalar::Bool);
pub(super) const INT: Shape = scalar(Scalar::Int);
pub(super) const TRUNCATED: Shape = scalar(Scalar::Truncated);
/// A whole number from 0 on.
pub(super) const NATURAL: Shape = scalar(Scalar::Within(0, i64::MAX));
pub(super) const TRUE_FALSE: Shape = scalar(Scalar::TrueFalse);
pub(super) const NUMBER: Shape = scalar(Scalar::Number);
pub(super) const BYTES: Shape = scalar(Scalar::Bytes);
pub(super) const DURATION: Shape = scalar(Scalar::Duration);
pub(super) const TEXT_OR_NUMBER: Shape = scalar(Scalar::TextOrNumber);
pub(super) const TEXT_OR_INT: Shape = scalar(Scalar::TextOrInt);
pub(super) const HOST_PATH: Shape = TEXT.path(Path::Host);
pub(super) const TEXTS: Shape = list(&TEXT);
pub(super) const UNIQUE_TEXTS: Shape = TEXTS.same(Same::BeforeEquals);
pub(super) const DISTINCT_TEXTS: Shape = TEXTS.same(Same::Distinct);
/// A text or a list of texts.
pub(super) const SOME_TEXTS: Shape = TEXTS.long(Long::List).same(Same::BeforeEquals);
/// A text or a list of different texts.
pub(super) const SOME_DISTINCT: Shape = DISTINCT_TEXTS.long(Long::List);
/// `list_or_dict`, missing values stay missing.
pub(super) const ENVIRONMENT: Shape = map(&scalar(Scalar::Loose))
    .long(Long::Pairs)
    .rule(Rule::Entries);
/// `list_or_dict`, missing values are empty.
pub(super) const LABELS: Shape = map(&scalar(Scalar::Label))
    .long(Long::Pairs)
    .rule(Rule::Entries);
/// A map of options.
pub(super) const OPTIONS: Shape = map(&TEXT_OR_NUMBER);
pub(super) const COMMAND: Shape = list(&TEXT).long(Long::Words).rule(Rule::Replace);
pub(super) const HOSTS: Shape = TEXTS.long(Long::Hosts).same(Same::Equal);
pub(super) const ULIMITS: Shape = map(&ULIMIT);
pub(super) const ULIMIT: Shape =
    shape(Kind::Either(Scalar::Int, &object(ULIMIT_FIELDS))).rule(Rule::Replace);
pub(super) const ULIMIT_FIELDS: &[Attribute] = &[
    at("soft", INT).required().keep(),
    at("hard", INT).required().keep(),
];

pub(super) const fn at(name: &'static str, shape: Shape) -> Attribute {
    Attribute {
        name,
        shape,
        state: State::Honoured,
        note: "",
        required: false,
        keep: false,
        nullable: false,
        default: None,
        zero: None,
    }
}

impl Attribute {
    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) const fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    pub(super) const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    pub(super) const fn or(mut self, default: Default) -> Self {
        self.default = Some(default);
        self.keep = true;
        self
    }

    pub(super) const fn zero(mut self, zero: Zero) -> Self {
        self.zero = Some(zero);
        self
    }

    pub(super) const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    pub(super) const fn partly(mut self, note: &'static str) -> Self {
        self.state = State::Partly;
        self.note = note;
        self
    }

    pub(super) const fn accepted(mut self, note: &'static str) -> Self {
        self.state = State::Accepted;
        self.note = note;
        self
    }

    pub(super) const fn rejected(mut self, note: &'static str) -> Self {
        self.state = State::Rejected;
        self.note = note;
        self
    }
}
