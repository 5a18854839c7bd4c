//! Parser events to trees.

use super::Entry;
use super::Node;
use super::Step;
use super::Tag;
use super::Value;
use super::Weight;
use super::mistakes;
use super::scalar::typed;
use super::tabs::smooth;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::diagnostic::Report;
use crate::compose::source::Position;
use crate::compose::source::Span;
use saphyr_parser::Event;
use saphyr_parser::Marker;
use saphyr_parser::Parser;
use saphyr_parser::ScalarStyle;
use saphyr_parser::ScanError;
use std::collections::HashMap;
use std::collections::HashSet;

/// Deepest nesting accepted; the deepest attribute of the specification is at nine.
const MAX_DEPTH: usize = 64;
/// Most nodes of all documents of one file, aliases expanded.
const MAX_NODES: usize = 750_000;
/// Most text that aliases may copy, bytes.
const MAX_COPIED: usize = 64 * 1024 * 1024;

/// Parses all documents of `text`. Empty documents are left out; problems go to `report`.
pub fn parse(text: &str, source: u32, report: &mut Report) -> Vec<Node> {
    let mut builder = Builder {
        text,
        source,
        report,
        stack: Vec::new(),
        anchors: HashMap::new(),
        documents: Vec::new(),
        nodes: 0,
        copied: 0,
    };
    for event in Parser::new_from_str(&smooth(text)) {
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
    /// In a map: where its `<<` is.
    merge: Option<Span>,
}

struct Key {
    text: Option<String>,
    merge: bool,
    span: Span,
}

struct Builder<'a> {
    text: &'a str,
    source: u32,
    report: &'a mut Report,
    stack: Vec<Open>,
    /// Finished anchored nodes with the number of nodes in them.
    anchors: HashMap<usize, (Node, Weight)>,
    documents: Vec<Node>,
    nodes: usize,
    copied: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: saphyr_parser::Span) -> Result<(), Stop> {
        let span = self.span(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let mut node = Node::new(Value::Null, span);
                let plain = style == ScalarStyle::Plain;
                let merges = plain && text == "<<";
                node.tag = tag.as_deref().and_then(directive);
                node.value = typed(text, plain, tag.as_deref(), node.tag);
                self.finish(node, anchor, merges)
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
            merge: None,
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
        self.copied += weight.bytes + weight.nodes * size_of::<Node>();
        if self.nodes > MAX_NODES || self.copied > MAX_COPIED {
            self.report
                .error("alias-bomb", "aliases make this document too large")
                .at(span)
                .hint(format!(
                    "at most {MAX_NODES} values are accepted, aliases expanded"
                ));
            return Err(Stop);
        }
        let mut node = node.clone();
        node.history.add(Step::Alias(span));
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
            let weight = node.weight();
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
            let span = node.span;
            let text = match node.value {
                Value::String(text) => Some(text),
                _ => {
                    self.no_key(&node);
                    None
                }
            };
            if let Some(parent) = self.stack.last_mut() {
                parent.key = Some(Key { text, merge, span });
            }
            return;
        };
        if key.merge {
            if let Some(first) = parent.merge.replace(key.span) {
                twice("<<", first, key.span, self.report)
                    .hint("merge several at once: `<<: [*one, *other]`");
            }
            merge_key(parent, node, self.report);
        } else if let Some(text) = key.text {
            insert(parent, text, key.span, node, self.report);
        }
    }

    /// Reports a key that is no text.
    fn no_key(&mut self, node: &Node) {
        let Some(shown) = node
            .scalar()
            .or_else(|| node.is_null().then(|| "null".to_owned()))
        else {
            let message = format!("{} cannot be a key", node.kind());
            let hint = "a template that was not filled in? Otherwise write the value in quotes: `\"{{ … }}\"`";
            let error = self.report.error("key-not-a-string", message);
            error.at(node.span).hint(hint);
            return;
        };
        let mut outer = self.stack.iter().rev().skip(1).map(|open| &open.node.value);
        let pair = match outer.next() {
            Some(Value::List(_)) => mistakes::pair(mistakes::rest(self.text, node.span.start)),
            _ => None,
        };
        let written = pair.unwrap_or_else(|| shown.clone());
        self.report
            .error("key-not-a-string", format!("key `{shown}` is not a text"))
            .at(node.span)
            .hint(format!("write it in quotes: `\"{written}\"`"));
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
        let hint = mistakes::hint(error.info(), mistakes::rest(self.text, start), self.text);
        let bracket = self.bracket();
        let diagnostic = self
            .report
            .error("yaml", format!("invalid YAML: {}", error.info()));
        diagnostic.at(span);
        match (hint, bracket) {
            (Some(hint), _) => diagnostic.hint(hint),
            (None, Some((place, opens, closes))) => diagnostic
                .also(place, format!("this `{opens}` is not closed before it"))
                .hint(format!(
                    "close it with `{closes}`, and write `,` between what is in it"
                )),
            (None, None) => diagnostic,
        };
        Stop
    }

    /// The bracket that is open, with its place and what closes it.
    fn bracket(&self) -> Option<(Span, char, char)> {
        let span = self.stack.last()?.node.span;
        let line = self
            .text
            .lines()
            .nth(span.start.line.checked_sub(1)? as usize)?;
        match line.chars().nth(span.start.column as usize)? {
            '[' => Some((span, '[', ']')),
            '{' => Some((span, '{', '}')),
            _ => None,
        }
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
        twice(&text, first, key, report);
        return;
    }
    map.insert(text, Entry { key, value });
}

fn twice<'a>(key: &str, first: Span, second: Span, report: &'a mut Report) -> &'a mut Diagnostic {
    report
        .error("duplicate-key", format!("key `{key}` is given twice"))
        .at(second)
        .also(first, "first given here")
}

/// `<<: *a` and `<<: [*a, *b]`: what is there already wins.
fn merge_key(open: &mut Open, node: Node, report: &mut Report) {
    match (node.value, &mut open.node.value) {
        (Value::Map(from), Value::Map(map)) => {
            for (key, mut entry) in *from {
                if !map.contains_key(&key) {
                    node.history
                        .steps()
                        .iter()
                        .cloned()
                        .for_each(|step| entry.value.history.add(step));
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
            let problem = report.error("merge-key", "`<<` needs a mapping or a list of mappings");
            match node.history.detour() {
                Some((used, _)) => problem.at(used).also(node.span, "it stands for this"),
                None => problem.at(node.span),
            };
        }
    }
}
