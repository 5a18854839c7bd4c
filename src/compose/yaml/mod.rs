//! YAML text to a tree of [`Node`]s that know where they come from.
//!
//! Anchors, aliases and merge keys are expanded here, with a budget: a text cannot grow beyond `MAX_NODES`
//! nodes, whatever its aliases say. Scalars resolve as in Go's YAML: `yes` and `22:22` are text, `0440` is octal.
//!
//! Invariants: keys are strings and unique; a tree is at most 64 levels deep, so recursion over it is safe; what a
//! document produces is bounded in memory.

mod build;
mod history;
mod mistakes;
mod scalar;
mod tabs;

pub use build::parse;
pub use history::History;
pub use history::Step;
pub use scalar::format_float;
pub use scalar::resolve;

use super::source::Span;
use indexmap::IndexMap;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Scalars: the whole text; maps and lists: their beginning.
    pub span: Span,
    /// `!reset` or `!override` in front of it, or that it is of no use.
    pub tag: Option<Tag>,
    /// How it came here, if not straight from its place.
    pub history: History,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is too large for that, as hashes are.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Box<Map>),
}

/// A mapping. Its hashes are quick and, so that no file can be made to slow them down, other ones in each process.
pub type Map = IndexMap<String, Entry, foldhash::fast::RandomState>;

/// What copying a node costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    /// Nodes, itself among them.
    pub nodes: usize,
    /// Bytes of its texts and keys.
    pub bytes: usize,
}

/// One entry of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where the key is.
    pub key: Span,
    /// The value.
    pub value: Node,
}

/// A directive for merging files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// `!reset`: take away what earlier files say.
    Reset,
    /// `!override`: replace what earlier files say.
    Override,
    /// Something is wrong with it, and that is reported: there is a value, but nobody knows which.
    Broken,
}

impl Node {
    /// A node without a tag.
    pub fn new(value: Value, span: Span) -> Self {
        Self {
            value,
            span,
            tag: None,
            history: History::default(),
        }
    }

    /// A mapping of these entries, all at one place.
    pub fn mapping<'a>(span: Span, entries: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let entry = |(key, value): (&str, Value)| {
            let value = Node::new(value, span);
            (key.to_owned(), Entry { key: span, value })
        };
        let map = entries.into_iter().map(entry).collect();
        Self::new(Value::Map(Box::new(map)), span)
    }

    /// Takes the value away, since it is of no use.
    pub fn spoil(&mut self) {
        self.value = Value::Null;
        self.tag = Some(Tag::Broken);
    }

    /// Whether it was of no use.
    pub fn is_broken(&self) -> bool {
        self.tag == Some(Tag::Broken)
    }

    /// Adds an entry to a map, or replaces it.
    pub fn put(&mut self, key: &str, value: Node) {
        if let Some(map) = self.map_mut() {
            let key_span = map.get(key).map_or(value.span, |entry| entry.key);
            map.insert(
                key.to_owned(),
                Entry {
                    key: key_span,
                    value,
                },
            );
        }
    }

    /// The items, if it is a list; none otherwise.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries, if it is a map; none otherwise.
    pub fn entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.as_map().into_iter().flatten()
    }

    /// The text of the entry `key`, if there is one.
    pub fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// A text node.
    pub fn text(text: impl Into<String>, span: Span) -> Self {
        Self::new(Value::String(text.into()), span)
    }

    /// The entries, if it is a map.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The entries, if it is a map.
    pub fn map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The value of `key` in a map.
    pub fn entry_mut(&mut self, key: &str) -> Option<&mut Node> {
        Some(&mut self.map_mut()?.get_mut(key)?.value)
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is nothing.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The entry `key` of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        Some(&self.as_map()?.get(key)?.value)
    }

    /// What copying it costs.
    pub fn weight(&self) -> Weight {
        let mut weight = Weight { nodes: 1, bytes: 0 };
        let mut add = |node: &Node, key: usize| {
            let inner = node.weight();
            weight.nodes += inner.nodes;
            weight.bytes += inner.bytes + key;
        };
        match &self.value {
            Value::String(text) => weight.bytes = text.len(),
            Value::List(items) => items.iter().for_each(|item| add(item, 0)),
            Value::Map(map) => map
                .iter()
                .for_each(|(key, entry)| add(&entry.value, key.len())),
            _ => {}
        }
        weight
    }

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Unsigned(_) | Value::Float(_) => "a number",
            Value::String(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Text of a scalar as Go prints the value; `None` for null, lists and maps.
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Unsigned(value) => Some(value.to_string()),
            Value::Float(value) => Some(format_float(*value)),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::diagnostic::Report;

    fn one(text: &str) -> Result<Node, Vec<String>> {
        let mut report = Report::default();
        let mut documents = parse(text, 0, &mut report);
        if report.has_errors() {
            return Err(report.messages());
        }
        Ok(documents
            .pop()
            .unwrap_or(Node::new(Value::Null, Span::default())))
    }

    #[test]
    fn scalars_resolve_as_in_go() {
        for (text, wanted) in [
            ("yes", Value::String("yes".into())),
            ("22:22", Value::String("22:22".into())),
            ("0440", Value::Int(288)),
            ("0o17", Value::Int(15)),
            ("0x1F", Value::Int(31)),
            ("1_000", Value::Int(1000)),
            ("1.50", Value::Float(1.5)),
            ("1e3", Value::Float(1000.0)),
            ("-5", Value::Int(-5)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("9223372036854775808", Value::Unsigned(1 << 63)),
            ("0xffffffffffffffff", Value::Unsigned(u64::MAX)),
            ("18446744073709551616", Value::Float(18446744073709551616.0)),
            ("+9223372036854775808", Value::Float(9223372036854775808.0)),
            ("-9223372036854775809", Value::Float(-9223372036854775808.0)),
            (
                "0x10000000000000000",
                Value::String("0x10000000000000000".to_owned()),
            ),
            ("1e400", Value::String("1e400".to_owned())),
            ("08", Value::Float(8.0)),
            ("1.2.3", Value::String("1.2.3".into())),
            ("-", Value::String("-".into())),
            ("~", Value::Null),
            ("True", Value::Bool(true)),
        ] {
            assert_eq!(resolve(text), wanted, "{text}");
        }
        assert_eq!(one("'1'").unwrap().value, Value::String("1".into()));
        assert_eq!(one("!!str 1").unwrap().value, Value::String("1".into()));
    }

    #[test]
    fn floats_print_as_in_go() {
        assert_eq!(format_float(1000.0), "1000");
        assert_eq!(format_float(0.5), "0.5");
        assert_eq!(format_float(1e21), "1e+21");
        assert_eq!(format_float(0.00001), "1e-05");
    }

    #[test]
    fn merge_keys_fill_gaps_and_never_win() {
        let node =
            one("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  z: 3\n").unwrap();
        let c = node.get("c").unwrap();
        let values = ["x", "y", "z"].map(|k| c.get(k).unwrap().value.clone());
        assert_eq!(values, [Value::Int(1), Value::Int(1), Value::Int(3)]);
        let before = one("a: &a {x: 1}\nb:\n  x: 2\n  <<: *a\n").unwrap();
        assert_eq!(
            before.get("b").unwrap().get("x").unwrap().value,
            Value::Int(2)
        );
    }

    #[test]
    fn spans_count_characters_also_behind_wide_ones() {
        let node = one("ä: 1 # ßß\nb: 'x'\n").unwrap();
        let span = node.get("b").unwrap().span;
        assert_eq!(
            (span.start.line, span.start.column, span.end.column),
            (2, 3, 6)
        );
    }

    #[test]
    fn bombs_and_pits_are_refused() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..10 {
            let item = format!("*a{},", i - 1).repeat(10);
            bomb += &format!("a{i}: &a{i} [{item}]\n");
        }
        assert!(one(&bomb).unwrap_err()[0].contains("too large"));
        assert!(one(&"[".repeat(5000)).unwrap_err()[0].contains("levels"));
        assert!(one("a: &a [*a]").unwrap_err()[0].contains("inside"));
    }

    #[test]
    fn keys_are_unique_texts() {
        assert!(one("a: 1\na: 2\n").unwrap_err()[0].contains("twice"));
        assert!(one("1: x\n").unwrap_err()[0].contains("not a text"));
        assert!(one("a: *x\n").is_err());
    }
}
