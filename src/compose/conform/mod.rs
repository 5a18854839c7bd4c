//! The merged tree against the schema: what does not fit is reported and spoilt, what fits gets its canonical value.
//!
//! One walk does it: types, words, patterns, unknown and missing keys; casts (`"5"` is 5, `64m` is 67108864 bytes);
//! items that are the same thing; defaults; and empty values, which are dropped unless they mean something.
//!
//! Invariants: behind this stage every value is of the type that its row says, or broken; keys of objects are known or
//! begin with `x-`; whatever is broken is reported, and only once.

mod cast;
mod hint;
mod names;
mod structure;
mod unique;
mod via;

pub use hint::misplaced;

use super::diagnostic::Diagnostic;
use super::diagnostic::Report;
use super::diagnostic::did_you_mean;
use super::diagnostic::one_of_few;
use super::schema::Attribute;
use super::schema::Default;
use super::schema::Kind;
use super::schema::Long;
use super::schema::Same;
use super::schema::Scalar;
use super::schema::Shape;
use super::schema::describe;
use super::schema::describe_item;
use super::source::Span;
use super::trail::Trail;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Step;
use super::yaml::Value;

/// Objects with fewer rows than this are listed whole when one of their keys is wrong.
const FEW: usize = 12;

/// Checks and casts everything below `node`.
pub fn conform(node: &mut Node, shape: &Shape, report: &mut Report) {
    check((node, shape), false, report);
}

/// Checks the structure of what is below `node`, whose variables are still there: scalars stay as they are written.
pub fn structure(node: &mut Node, shape: &Shape, report: &mut Report) {
    check((node, shape), true, report);
}

fn check((node, shape): (&mut Node, &Shape), only_structure: bool, report: &mut Report) {
    let mut walk = Conform {
        report,
        only_structure,
        path: Trail::default(),
        via: Vec::new(),
        key: node.span,
        variables: String::new(),
    };
    walk.node(node, shape);
}

struct Conform<'a> {
    report: &'a mut Report,
    /// Scalars and short forms are not looked at, and nothing is dropped.
    only_structure: bool,
    /// `services.web.ports[0]`
    path: Trail,
    /// Where the values on the way here came from elsewhere, and how.
    via: Vec<(Span, &'static str)>,
    /// Where the key is whose value is looked at.
    key: Span,
    /// The variables that the value is made of.
    variables: String,
}

impl Conform<'_> {
    /// `false` = it says nothing and can be dropped.
    fn node(&mut self, node: &mut Node, shape: &Shape) -> bool {
        if node.is_broken() || (self.only_structure && structure::is_as_written(node, shape)) {
            return true;
        }
        self.variables = via::variables(node);
        let known = self.detour(node);
        let says = match shape.kind {
            Kind::Any => true,
            Kind::Scalar(scalar) => self.scalar(node, scalar),
            Kind::Either(_, longer) if is_longer(node, longer) => self.node(node, longer),
            Kind::Either(scalar, _) => {
                self.scalar(node, scalar);
                true
            }
            Kind::List(items) => self.list(node, shape, items),
            Kind::Map(values) => self.map(node, shape, values),
            Kind::Object(fields) => self.object(node, shape, fields),
        };
        self.via.truncate(known);
        says
    }

    /// Notes how a value came from elsewhere; returns how much was noted before.
    fn detour(&mut self, node: &Node) -> usize {
        let known = self.via.len();
        let steps = node.history.steps().iter();
        self.via.extend(steps.filter_map(Step::detour));
        known
    }

    fn scalar(&mut self, node: &mut Node, scalar: Scalar) -> bool {
        if !cast::cast(self, node, scalar) {
            node.spoil();
            return true;
        }
        match (&node.value, scalar) {
            (Value::Null, _) | (Value::Bool(false), _) | (Value::Int(0), _) => false,
            (
                Value::String(text),
                Scalar::Bytes | Scalar::BytesText | Scalar::WholeBytes | Scalar::SignedBytes,
            ) => text != "0",
            (Value::String(text), Scalar::Duration) => text != "0s",
            (Value::String(text), _) => !text.is_empty(),
            _ => true,
        }
    }

    fn list(&mut self, node: &mut Node, shape: &Shape, items: &Shape) -> bool {
        let Value::List(list) = &mut node.value else {
            self.wrong(node, describe(shape));
            node.spoil();
            return true;
        };
        if shape.same == Same::Distinct
            && let Some((first, second)) = unique::repeated(list)
        {
            self.twice(first, second);
        }
        // Ports are the same if their numbers are, everything else if it is written alike.
        let written = match shape.same {
            Same::Port => None,
            same => Some(unique::identities(list, same)),
        };
        for (index, item) in list.iter_mut().enumerate() {
            self.key = item.span;
            self.at_index(index, |walk| walk.item(item, shape, items));
        }
        let identities = written.unwrap_or_else(|| unique::identities(list, shape.same));
        unique::fold(list, identities);
        !list.is_empty()
    }

    fn item(&mut self, item: &mut Node, list: &Shape, shape: &Shape) {
        let is_scalar = item.as_map().is_none() && !matches!(item.value, Value::List(_));
        if self.only_structure && is_scalar {
            return;
        }
        let short = describe_item(list.long);
        match (short, item.as_map()) {
            (Some(expected), None) if !item.is_broken() => {
                self.wrong(item, expected);
                item.spoil();
            }
            _ => drop(self.node(item, shape)),
        }
    }

    fn map(&mut self, node: &mut Node, shape: &Shape, values: &Shape) -> bool {
        let Value::Map(map) = &mut node.value else {
            self.no_map(node, shape);
            return true;
        };
        let outer = self.report.scope.clone();
        for (key, entry) in map.iter_mut() {
            if &*self.path == "services" {
                self.report.scope = Some(key.clone());
            }
            self.name(key, entry);
            // A resource, a membership or a variable may have no value.
            let may_be_empty = values.fields().iter().all(|field| !field.required);
            if entry.value.is_null() && !values.fields().is_empty() && may_be_empty {
                continue;
            }
            self.key = entry.key;
            self.at_key(key, |walk| walk.node(&mut entry.value, values));
        }
        self.report.scope = outer;
        !map.is_empty()
    }

    fn no_map(&mut self, node: &mut Node, shape: &Shape) {
        let twice = match shape.long {
            Long::Names | Long::Dependencies => unique::repeated(node.items()),
            _ => None,
        };
        if shape.long == Long::Already {
            self.wrong(node, describe(shape));
            return node.spoil();
        }
        match twice {
            Some((first, second)) => self.twice(first, second),
            None => {
                let items = node.items().iter();
                let strange = |item: &&Node| item.as_str().is_none() && !item.is_broken();
                match items.enumerate().find(|(_, item)| strange(item)) {
                    Some((index, item)) => {
                        self.at_index(index, |walk| walk.wrong(item, "a text"));
                    }
                    None => self.wrong(node, describe(shape)),
                }
            }
        }
        node.spoil();
    }

    fn object(&mut self, node: &mut Node, shape: &Shape, fields: &'static [Attribute]) -> bool {
        let (span, key) = (node.span, self.key);
        let Value::Map(map) = &mut node.value else {
            self.wrong(node, describe(shape));
            node.spoil();
            return true;
        };
        let mut misspelt = Vec::new();
        let absent = |field: &&Attribute| field.required && !map.contains_key(field.name);
        let absent: Vec<&str> = fields
            .iter()
            .filter(absent)
            .map(|field| field.name)
            .collect();
        map.retain(|key, entry| self.entry(key, entry, shape, &mut misspelt));
        if misspelt.is_empty() {
            absent.iter().for_each(|name| self.missing(name, key));
        }
        // What was meant to be there is there, only nobody knows its value.
        for name in misspelt {
            let mut meant = Node::new(Value::Null, span);
            meant.spoil();
            let value = meant;
            map.entry(name.to_owned())
                .or_insert(Entry { key: span, value });
        }
        self.defaults(node, fields);
        node.as_map().is_some_and(|map| !map.is_empty())
    }

    /// Whether the entry stays.
    fn entry(
        &mut self,
        key: &str,
        entry: &mut Entry,
        shape: &Shape,
        misspelt: &mut Vec<&'static str>,
    ) -> bool {
        let Some(field) = shape.field(key) else {
            if key.starts_with("x-") {
                return true;
            }
            let known = self.detour(&entry.value);
            misspelt.extend(self.unknown(key, entry, shape));
            self.via.truncate(known);
            return false;
        };
        if entry.value.is_null() && !entry.value.is_broken() {
            if self.only_structure {
                return true;
            }
            if field.nullable {
                return false;
            }
            self.at_key(key, |walk| walk.empty(&entry.value, describe(&field.shape)));
            entry.value.spoil();
            return true;
        }
        self.key = entry.key;
        let says = self.at_key(key, |walk| walk.node(&mut entry.value, &field.shape));
        says || field.keep || self.only_structure
    }

    fn defaults(&mut self, node: &mut Node, fields: &'static [Attribute]) {
        let span = node.span;
        for field in fields {
            let Some(default) = field.default.filter(|_| node.get(field.name).is_none()) else {
                continue;
            };
            let value = match default {
                Default::True => Value::Bool(true),
                Default::Text(text) => Value::String(text.to_owned()),
            };
            let mut value = Node::new(value, span);
            value.history.add(Step::Default);
            node.put(field.name, value);
        }
    }

    fn unknown(&mut self, key: &str, entry: &Entry, shape: &Shape) -> Option<&'static str> {
        if self.report.is_full() {
            return None;
        }
        let place = match &*self.path {
            "" => String::new(),
            path => format!(" in `{path}`"),
        };
        let names: Vec<&'static str> = shape.fields().iter().map(|field| field.name).collect();
        let near = did_you_mean(key, names.iter().copied());
        let hint = match (hint::of_key(&self.path, key, &entry.value), near) {
            (Some(hint), _) => hint,
            (None, None) if names.len() > FEW => {
                "attributes of your own begin with `x-`".to_owned()
            }
            _ => one_of_few(key, &names),
        };
        let message = format!("unknown attribute `{}`{place}", hint::shown(key));
        self.error("unknown-attribute", message, entry.key)
            .hint(hint);
        near
    }

    fn missing(&mut self, name: &str, span: Span) {
        let message = format!("`{}`: `{name}` is missing", self.path);
        self.error("invalid-value", message, span);
    }

    /// Reports a value of a wrong type.
    fn wrong(&mut self, node: &Node, expected: &str) {
        let message = match node.as_str() {
            Some(text) if expected.contains("number") || expected.contains('`') => {
                format!("`{}` must be {expected}, not `{text}`", self.path)
            }
            _ => format!("`{}` must be {expected}, not {}", self.path, node.kind()),
        };
        let hint = hint::of_type(&self.path, node, expected);
        let diagnostic = self.error("wrong-type", message, node.span);
        if let Some(hint) = hint {
            diagnostic.hint(hint);
        }
    }

    /// Reports a value that is of the right type but makes no sense.
    fn invalid(&mut self, span: Span, problem: impl AsRef<str>) {
        let message = format!("`{}`: {}", self.path, problem.as_ref());
        self.error("invalid-value", message, span);
    }

    /// Reports a key without a value.
    fn empty(&mut self, node: &Node, expected: &str) {
        let message = format!("`{}` has no value", self.path);
        self.error("wrong-type", message, node.span)
            .hint(format!("give it {expected}, or remove the key"));
    }

    fn twice(&mut self, first: Span, second: Span) {
        let message = format!("`{}` says the same thing twice", self.path);
        self.error("repeated", message, second)
            .also(first, "first said here")
            .hint("remove one of them");
    }

    /// Reports an error; if the value came from elsewhere, with the place that it came by.
    fn error(&mut self, code: &'static str, message: String, span: Span) -> &mut Diagnostic {
        let via = self.via.last().copied().filter(|(via, _)| *via != span);
        let made_of = std::mem::take(&mut self.variables);
        let diagnostic = self.report.error(code, message);
        diagnostic.at(span);
        if !made_of.is_empty() {
            diagnostic.label(format!("made of {made_of}"));
        }
        if let Some((via, how)) = via {
            diagnostic.also(via, how);
        }
        diagnostic
    }

    fn at_key<T>(&mut self, key: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.path.key(key);
        let result = run(self);
        self.path.back(mark);
        result
    }

    fn at_index<T>(&mut self, index: usize, run: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.path.index(index);
        let result = run(self);
        self.path.back(mark);
        result
    }
}

fn is_longer(node: &Node, longer: &Shape) -> bool {
    match &node.value {
        Value::Map(_) => true,
        Value::List(_) => matches!(longer.kind, Kind::List(_)),
        _ => false,
    }
}
