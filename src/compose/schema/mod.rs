//! The language as data: every attribute of Compose, what may be written there, and what becomes of it.
//!
//! One table a section; a row is an [`Attribute`], its value a [`Shape`]. Everything that treats all attributes alike
//! is driven by these tables: writing short forms out, merging, unicity, checking, casting, relative paths, the order of
//! printing, and what is said about attributes that have no effect here yet.
//!
//! Invariants: each attribute of the specification is in exactly one row; the rows of an object are in the order in
//! which `config` prints them.

mod build;
mod deploy;
mod forms;
mod mounts;
mod network;
mod process;
mod resources;
mod service;
mod shapes;
mod top;

pub use forms::describe;
pub use forms::describe_item;
pub use forms::describe_scalar;
pub use service::SERVICE;
use shapes::object;
pub use top::PROJECT;

/// The whole document.
pub const DOCUMENT: Shape = object(PROJECT);

/// One service.
pub const SERVICE_SHAPE: Shape = object(SERVICE);

/// One attribute of an object.
#[derive(Clone, Copy)]
pub struct Attribute {
    /// Its key.
    pub name: &'static str,
    /// What may be written there.
    pub shape: Shape,
    /// What becomes of it when a container runs.
    pub state: State,
    /// A word on the state.
    pub note: &'static str,
    /// Must be there.
    pub required: bool,
    /// Is printed even if it says nothing (`false`, `""`, `[]`).
    pub keep: bool,
    /// May be written without a value, which is as if it were not written.
    pub nullable: bool,
    /// What it is if it is not written.
    pub default: Option<Default>,
    /// What the JSON of `config` shows if it says nothing.
    pub zero: Option<Zero>,
}

/// A value that says nothing and is shown all the same, as docker compose's JSON does for some attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    /// `null`
    Null,
    /// `0`
    Number,
    /// `""`
    Text,
    /// `{}`, with the zeros of its own attributes
    Object,
}

/// The value of an attribute that is not written.
#[derive(Clone, Copy)]
pub enum Default {
    /// `true`
    True,
    /// A text.
    Text(&'static str),
}

/// What becomes of an attribute at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does what the specification says.
    Honoured,
    /// A part of it does.
    Partly,
    /// It means nothing on one host of Linux: kept, with a warning.
    Accepted,
    /// It would mean something but is not there yet: `config` prints it, `up` refuses it.
    Rejected,
}

/// What may be written at one place.
#[derive(Clone, Copy)]
pub struct Shape {
    /// The form that all others lead to.
    pub kind: Kind,
    /// How shorter forms are written out.
    pub long: Long,
    /// How a later file changes it.
    pub rule: Rule,
    /// In a list: which items are the same thing.
    pub same: Same,
    /// Whether it is a path of the host.
    pub path: Path,
}

/// The long form of a value.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Whatever it is.
    Any,
    /// One value.
    Scalar(Scalar),
    /// A list.
    List(&'static Shape),
    /// Keys of the user's choice.
    Map(&'static Shape),
    /// Keys of the language.
    Object(&'static [Attribute]),
    /// One value, or something longer.
    Either(Scalar, &'static Shape),
}

/// What a scalar may be, and what it becomes.
#[derive(Clone, Copy)]
pub enum Scalar {
    /// Text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text that passes a test; otherwise it is not "…".
    Tested(fn(&str) -> bool, &'static str),
    /// A boolean, or one of docker's words for it.
    Bool,
    /// `true` or `false` and no other word.
    TrueFalse,
    /// A whole number.
    Int,
    /// A whole number from the first to the second.
    Within(i64, i64),
    /// A number of which the whole part counts.
    Truncated,
    /// A number.
    Number,
    /// A size, printed as decimal text.
    Bytes,
    /// A size, and only as text.
    BytesText,
    /// A size, without fractions unless it is text.
    WholeBytes,
    /// A size, or -1.
    SignedBytes,
    /// A duration, printed as Go does.
    Duration,
    /// Permission bits, printed as octal text.
    Mode,
    /// Permission bits, printed as a number.
    ModeNumber,
    /// A path inside of a container, cleaned.
    Target,
    /// A number of devices, or `all` (-1).
    Count,
    /// An address.
    Address,
    /// Text or a whole number, kept as text.
    TextOrInt,
    /// Text or a number, kept as text.
    TextOrNumber,
    /// Text, a number or nothing, kept as text.
    TextNumberOrNothing,
    /// Text or a boolean, kept as text.
    TextOrBool,
    /// Any scalar, kept as text; nothing stays nothing.
    Loose,
    /// Any scalar, kept as text; nothing becomes empty text.
    Label,
}

/// How the short forms of a value are written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Long {
    /// There is none.
    Already,
    /// A single value is a list of one.
    List,
    /// `[A=1, B]` is `{A: 1, B: }`.
    Pairs,
    /// `[a, b]` is `{a: , b: }`.
    Names,
    /// `[a, b]` is a map of `service_started`.
    Dependencies,
    /// A text is split into words.
    Words,
    /// A text is run by a shell.
    Test,
    /// A text is the `context`.
    Build,
    /// `all`, or a list.
    Gpus,
    /// Host to address, in either of its forms: a list of `HOST=IP`.
    Hosts,
    /// `[id, id=path]` or a map: a list of `id` and `id=path`.
    Ssh,
    /// Each item `[[IP:]HOST:]CONTAINER`.
    Ports,
    /// Each item `[SOURCE:]TARGET[:OPTIONS]`.
    Mounts,
    /// Each item a name, mounted below a folder, if it says so.
    Files(Option<&'static str>),
    /// Each item `HOST[:CONTAINER[:rwm]]`.
    Devices,
    /// Each item a path.
    EnvFiles,
    /// The old `external: {name: …}`.
    External,
}

/// How two values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Maps merge, lists append, scalars replace; a later null changes nothing.
    Deep,
    /// The later value, also if it is null.
    Replace,
    /// A map whose later entries replace earlier ones whole, also with null.
    Entries,
    /// Merged if both have the same driver, else replaced.
    SameDriver,
    /// A list of maps, matched by this key.
    Keyed(&'static str),
}

/// Which items of a list are the same thing: the later one wins at the earlier place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// All are kept.
    Never,
    /// Those that are equal.
    Equal,
    /// Those with the same text before `=`.
    BeforeEquals,
    /// Those with the same value of this key.
    Key(&'static str),
    /// Ports: address, both ports and protocol.
    Port,
    /// Mounted files: where they are mounted, by default below this folder.
    Target(&'static str),
    /// None may be repeated.
    Distinct,
}

/// Which scalars are paths of the host, relative to the folder that their file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// No path.
    No,
    /// A path.
    Host,
    /// A path, unless it is a URL or begins with a scheme.
    OrUrl,
    /// `id=path`.
    Ssh,
}

impl Shape {
    /// The rows of an object.
    pub fn fields(&self) -> &'static [Attribute] {
        match self.kind {
            Kind::Object(fields) => fields,
            Kind::Either(_, longer) => longer.fields(),
            _ => &[],
        }
    }

    /// The row of a key of an object.
    pub fn field(&self, name: &str) -> Option<&'static Attribute> {
        // The first letter tells most rows apart without a call.
        let first = name.as_bytes().first();
        let mut rows = self.fields().iter();
        rows.find(|field| field.name.as_bytes().first() == first && field.name == name)
    }
}

/// Calls `visit` for each attribute with its path (`services.*.ports.[].target`), in the order of the tables.
pub fn each(visit: &mut dyn FnMut(&str, &Attribute)) {
    below("", &DOCUMENT, visit);
}

fn below(path: &str, shape: &Shape, visit: &mut dyn FnMut(&str, &Attribute)) {
    match shape.kind {
        Kind::List(items) => below(&format!("{path}.[]"), items, visit),
        Kind::Map(values) => below(&format!("{path}.*"), values, visit),
        _ => {
            for field in shape.fields() {
                let path = match path {
                    "" => field.name.to_owned(),
                    path => format!("{path}.{}", field.name),
                };
                visit(&path, field);
                below(&path, &field.shape, visit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_attribute_is_in_one_row() {
        let mut seen = BTreeSet::new();
        each(&mut |path, _| assert!(seen.insert(path.to_owned()), "{path} twice"));
        // 353, of which four are the old `external.name`, written out before anything else looks.
        assert!(seen.len() >= 349, "{}", seen.len());
    }

    #[test]
    fn what_is_not_honoured_says_why() {
        each(&mut |path, row| {
            assert!(
                row.state == State::Honoured || !row.note.is_empty(),
                "{path}"
            );
        });
    }
}
