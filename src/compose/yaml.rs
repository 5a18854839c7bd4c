//! YAML text to a tree of [`Node`]s that know where they come from.
//!
//! Anchors, aliases and merge keys are expanded here, with a budget: a text cannot grow by more than [`MAX_NODES`]
//! nodes, whatever its aliases say. Scalars resolve as in Go's YAML: `yes` and `22:22` are text, `0440` is octal.
//!
//! Invariants: keys are strings and unique; a tree is at most [`MAX_DEPTH`] deep, so recursion over it is safe; what a
//! document produces is bounded in memory.

use super::diagnostic::Report;
use super::source::Position;
use super::source::Span;
use indexmap::IndexMap;
use saphyr_parser::Event;
use saphyr_parser::Marker;
use saphyr_parser::Parser;
use saphyr_parser::ScalarStyle;
use saphyr_parser::ScanError;
use std::collections::HashMap;
use std::collections::HashSet;

/// Deepest nesting accepted; the deepest attribute of the specification is at nine.
pub const MAX_DEPTH: usize = 64;
/// Most nodes of all documents of one file, aliases expanded.
pub const MAX_NODES: usize = 1_000_000;
/// Most text that aliases may copy, bytes.
const MAX_COPIED: usize = 64 * 1024 * 1024;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Scalars: the whole text; maps and lists: their beginning.
    pub span: Span,
    /// `!reset` or `!override` in front of it.
    pub tag: Option<Tag>,
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
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Box<Map>),
}

/// A mapping.
pub type Map = IndexMap<String, Entry>;

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
}

impl Node {
    /// A node without a tag.
    pub fn new(value: Value, span: Span) -> Self {
        Self {
            value,
            span,
            tag: None,
        }
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

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
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
            Value::Float(value) => Some(format_float(*value)),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

/// A number as Go's `%v` prints it.
pub fn format_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&exponent) {
        format!("{value}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

/// Parses all documents of `text`. Empty documents are left out; problems go to `report`.
pub fn parse(text: &str, source: u32, report: &mut Report) -> Vec<Node> {
    let mut builder = Builder {
        source,
        report,
        stack: Vec::new(),
        anchors: HashMap::new(),
        documents: Vec::new(),
        nodes: 0,
        copied: 0,
    };
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => Err(builder.syntax(&error)),
        };
        if step.is_err() {
            return Vec::new();
        }
    }
    builder.documents
}

/// The text cannot be parsed further; the report says why.
struct Stop;

/// A list or map whose end is not read yet.
struct Open {
    node: Node,
    anchor: usize,
    /// In a map: the key whose value comes next.
    key: Option<Key>,
    /// In a map: keys that came in through `<<`, so that an explicit one may still replace them.
    merged: HashSet<String>,
}

struct Key {
    text: Option<String>,
    merge: bool,
    span: Span,
}

struct Builder<'a> {
    source: u32,
    report: &'a mut Report,
    stack: Vec<Open>,
    /// Finished anchored nodes with the number of nodes in them.
    anchors: HashMap<usize, (Node, Weight)>,
    documents: Vec<Node>,
    nodes: usize,
    copied: usize,
}

/// What copying a node costs.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: saphyr_parser::Span) -> Result<(), Stop> {
        let span = self.span(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let mut node = Node::new(Value::Null, span);
                let plain = style == ScalarStyle::Plain;
                node.tag = tag.as_deref().and_then(directive);
                node.value = typed(text.as_ref(), plain, tag.as_deref(), node.tag);
                self.finish(node, anchor, plain && text == "<<")
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(Value::List(Vec::new()), anchor, tag.as_deref(), span)
            }
            Event::MappingStart(anchor, tag) => {
                self.open(Value::Map(Box::default()), anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(open) => self.finish(open.node, open.anchor, false),
                None => Ok(()),
            },
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        value: Value,
        anchor: usize,
        tag: Option<&saphyr_parser::Tag>,
        span: Span,
    ) -> Result<(), Stop> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        let mut node = Node::new(value, span);
        node.tag = tag.and_then(directive);
        self.stack.push(Open {
            node,
            anchor,
            key: None,
            merged: HashSet::new(),
        });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            self.report
                .error("alias-cycle", "an alias inside of the node it stands for")
                .at(span)
                .hint("an anchor can be used only after the value it names has ended");
            return Err(Stop);
        };
        self.nodes += weight.nodes;
        self.copied += weight.bytes;
        if self.nodes > MAX_NODES || self.copied > MAX_COPIED {
            self.report
                .error("alias-bomb", "aliases make this document too large")
                .at(span)
                .hint(format!(
                    "at most {MAX_NODES} values are accepted, aliases expanded"
                ));
            return Err(Stop);
        }
        let node = node.clone();
        self.finish(node, 0, false)
    }

    /// A node is complete: hang it where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, merge: bool) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.report
                .error("too-many-values", format!("more than {MAX_NODES} values"))
                .at(node.span);
            return Err(Stop);
        }
        if anchor != 0 {
            let weight = weigh(&node);
            // Anchors of anchors copy too: `&a [&b [...]]` keeps a copy a level.
            self.copied += weight.bytes + weight.nodes * size_of::<Node>();
            if self.copied > MAX_COPIED {
                self.report
                    .error("alias-bomb", "anchors make this document too large")
                    .at(node.span);
                return Err(Stop);
            }
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        let Some(parent) = self.stack.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return Ok(());
        };
        match &mut parent.node.value {
            Value::List(items) => items.push(node),
            Value::Map(_) => self.map_part(node, merge),
            _ => {}
        }
        Ok(())
    }

    fn map_part(&mut self, node: Node, merge: bool) {
        let Some(parent) = self.stack.last_mut() else {
            return;
        };
        let Some(key) = parent.key.take() else {
            let text = node.as_str().map(str::to_owned);
            if text.is_none() {
                let shown = node.scalar().unwrap_or_else(|| node.kind().to_owned());
                self.report
                    .error("key-not-a-string", format!("key `{shown}` is not a text"))
                    .at(node.span)
                    .hint(format!("write it in quotes: `\"{shown}\"`"));
            }
            parent.key = Some(Key {
                text,
                merge,
                span: node.span,
            });
            return;
        };
        if key.merge {
            merge_key(parent, node, self.report);
        } else if let Some(text) = key.text {
            insert(parent, text, key.span, node, self.report);
        }
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        let start = position(&span.start);
        let mut end = position(&span.end);
        // Block scalars end at the beginning of a later line; one line is enough to find them.
        if end.line != start.line {
            end = Position {
                line: start.line,
                column: start.column + 1,
            };
        }
        Span {
            source: self.source,
            start,
            end,
        }
    }

    fn too_deep(&mut self, span: Span) -> Stop {
        self.report
            .error(
                "too-deep",
                format!("more than {MAX_DEPTH} levels of nesting"),
            )
            .at(span);
        Stop
    }

    fn syntax(&mut self, error: &ScanError) -> Stop {
        let start = position(error.marker());
        let span = Span {
            source: self.source,
            start,
            end: start,
        };
        if error.info().contains("recursion") {
            return self.too_deep(span);
        }
        let diagnostic = self
            .report
            .error("yaml", format!("invalid YAML: {}", error.info()));
        diagnostic.at(span);
        if error.info().contains("tab") {
            diagnostic.hint("indent with spaces");
        }
        Stop
    }
}

fn position(marker: &Marker) -> Position {
    Position {
        line: marker.line() as u32,
        column: marker.col() as u32,
    }
}

fn directive(tag: &saphyr_parser::Tag) -> Option<Tag> {
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", "reset") => Some(Tag::Reset),
        ("!", "override") => Some(Tag::Override),
        _ => None,
    }
}

fn insert(open: &mut Open, text: String, key: Span, value: Node, report: &mut Report) {
    let Value::Map(map) = &mut open.node.value else {
        return;
    };
    if let Some(old) = map.get_mut(&text) {
        if open.merged.remove(&text) {
            *old = Entry { key, value };
            return;
        }
        let first = old.key;
        report
            .error("duplicate-key", format!("key `{text}` is given twice"))
            .at(key)
            .also(first, "first given here");
        return;
    }
    map.insert(text, Entry { key, value });
}

/// `<<: *a` and `<<: [*a, *b]`: what is there already wins.
fn merge_key(open: &mut Open, node: Node, report: &mut Report) {
    match (node.value, &mut open.node.value) {
        (Value::Map(from), Value::Map(map)) => {
            for (key, entry) in *from {
                if !map.contains_key(&key) {
                    open.merged.insert(key.clone());
                    map.insert(key, entry);
                }
            }
        }
        (Value::List(items), _) if items.iter().all(|item| item.as_map().is_some()) => {
            for item in items {
                merge_key(open, item, report);
            }
        }
        _ => {
            report
                .error("merge-key", "`<<` needs a mapping or a list of mappings")
                .at(node.span);
        }
    }
}

fn weigh(node: &Node) -> Weight {
    let mut weight = Weight { nodes: 1, bytes: 0 };
    let mut add = |node: &Node, key: usize| {
        let inner = weigh(node);
        weight.nodes += inner.nodes;
        weight.bytes += inner.bytes + key;
    };
    match &node.value {
        Value::String(text) => weight.bytes = text.len(),
        Value::List(items) => items.iter().for_each(|item| add(item, 0)),
        Value::Map(map) => map
            .iter()
            .for_each(|(key, e)| add(&e.value, key.len() + 64)),
        _ => {}
    }
    weight
}

fn typed(
    text: &str,
    plain: bool,
    tag: Option<&saphyr_parser::Tag>,
    directive: Option<Tag>,
) -> Value {
    let core = tag.filter(|tag| tag.is_yaml_core_schema());
    match core.map(|tag| tag.suffix.as_str()) {
        Some("str" | "binary") => Value::String(text.to_owned()),
        Some(_) => resolve(text),
        None if plain && (tag.is_none() || directive.is_some()) => resolve(text),
        None => Value::String(text.to_owned()),
    }
}

/// The type of a plain scalar, by Go's YAML rules.
pub fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if !numeric || text.len() > 64 {
        return Value::String(text.to_owned());
    }
    let bare = text.replace('_', "");
    integer(&bare)
        .or_else(|| float(&bare))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, radix) = match digits.get(..2) {
        Some("0x" | "0X") => (&digits[2..], 16),
        Some("0o" | "0O") => (&digits[2..], 8),
        Some("0b" | "0B") => (&digits[2..], 2),
        Some(two) if two.starts_with('0') => (&digits[1..], 8),
        _ => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    match i64::try_from(value) {
        Ok(value) => Some(Value::Int(value)),
        Err(_) => Some(Value::Float(value as f64)),
    }
}

fn float(text: &str) -> Option<Value> {
    let simple = text
        .chars()
        .all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    let has_digit = text.contains(|c: char| c.is_ascii_digit());
    if !simple || !has_digit {
        return None;
    }
    text.parse().ok().map(Value::Float)
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
