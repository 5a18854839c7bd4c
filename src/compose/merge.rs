//! How a later document changes an earlier one, by the rules of the schema.
//!
//! Both sides are written out already, so a list meets a list and a mapping a mapping. Maps merge, scalars replace,
//! lists append; a row of the schema says where it is otherwise. Items that are the same thing are found later.
//!
//! Invariant: the result holds no `!reset` and no `!override`, unless it goes on over others; each node keeps the place it
//! came from, and its history says over what it stands.

use super::diagnostic::Report;
use super::lengthen::sequence;
use super::schema::DOCUMENT;
use super::schema::Kind;
use super::schema::Long;
use super::schema::Rule;
use super::schema::SERVICE_SHAPE;
use super::schema::Shape;
use super::trail::Trail;
use super::yaml::Map;
use super::yaml::Node;
use super::yaml::Tag;
use super::yaml::Value;

/// What a merge is of.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Variables are still there, so that pairs may be lists here and mappings there.
    pub wrapped: bool,
    /// The result is merged over others yet: its directives are for those, too, and stay in it.
    pub goes_on: bool,
}

/// Merges `over`, a whole document, over `base`.
pub fn documents(base: Node, over: Node, how: How, report: &mut Report) -> Node {
    let mut merge = Merge {
        report,
        path: Trail::default(),
        how,
    };
    merge.nodes(base, over, Some(&DOCUMENT))
}

/// Merges one service over another, as `extends` does. What `base` changes itself is changed.
pub fn services(mut base: Node, over: Node, how: How, report: &mut Report) -> Node {
    settle(&mut base);
    let mut merge = Merge {
        report,
        path: Trail::from("services"),
        how,
    };
    merge.below("service", |merge| {
        merge.nodes(base, over, Some(&SERVICE_SHAPE))
    })
}

/// Takes the merge directives out of a document that nothing was merged into.
pub fn settle(node: &mut Node) {
    node.tag = node.tag.filter(|tag| *tag == Tag::Broken);
    match &mut node.value {
        Value::List(items) => {
            items.retain(|item| item.tag != Some(Tag::Reset));
            items.iter_mut().for_each(settle);
        }
        Value::Map(map) => {
            map.retain(|_, entry| entry.value.tag != Some(Tag::Reset));
            map.values_mut().for_each(|entry| settle(&mut entry.value));
        }
        _ => {}
    }
}

struct Merge<'a> {
    report: &'a mut Report,
    path: Trail,
    how: How,
}

impl Merge<'_> {
    fn nodes(&mut self, base: Node, over: Node, shape: Option<&Shape>) -> Node {
        let rule = shape.map_or(Rule::Deep, |shape| shape.rule);
        let replaces = over.tag == Some(Tag::Override)
            || rule == Rule::Replace
            || (rule == Rule::SameDriver && different_drivers(&base, &over));
        if replaces {
            return self.replaced(base, over);
        }
        if over.is_null() && !over.is_broken() {
            return base;
        }
        let loose = |shape: &Shape| matches!(shape.long, Long::Pairs | Long::List | Long::Hosts);
        if self.how.wrapped && !base.is_null() && shape.is_some_and(loose) {
            return sequence::over(base, over);
        }
        let mut base = base;
        pass_on(&mut base);
        let (span, history) = (base.span, base.history);
        let mut result = Node {
            tag: None,
            ..Node::new(Value::Null, over.span)
        };
        result.history = over.history;
        result.value = match (base.value, over.value) {
            (Value::Map(from), Value::Map(to)) => {
                Value::Map(Box::new(self.maps(*from, *to, shape)))
            }
            (Value::List(from), Value::List(to)) => Value::List(self.lists(from, to, shape)),
            (from @ (Value::Map(_) | Value::List(_)), to) if over.tag != Some(Tag::Broken) => {
                let (old, new) = (Node::new(from, span), Node::new(to, over.span));
                self.mismatch(&old, &new);
                result.span = span;
                old.value
            }
            (_, to) => {
                let mut node = Node::new(to, over.span);
                node.history = std::mem::take(&mut result.history);
                self.done(&mut node);
                node.tag = over.tag.filter(|tag| *tag == Tag::Broken);
                node.history.over(history, span);
                return node;
            }
        };
        result.history.over(history, span);
        result
    }

    fn mismatch(&mut self, old: &Node, new: &Node) {
        let message = format!("`{}` is {} here", self.path, new.kind());
        self.report
            .error("cannot-override", message)
            .at(new.span)
            .also(old.span, format!("but it was {} before", old.kind()))
            .hint("write it in the same form in all files, or put `!override` in front of it");
    }

    fn maps(&mut self, mut base: Map, over: Map, shape: Option<&Shape>) -> Map {
        let whole = shape.is_some_and(|shape| shape.rule == Rule::Entries);
        for (key, mut entry) in over {
            if entry.value.tag == Some(Tag::Reset) {
                base.shift_remove(&key);
                if self.how.goes_on {
                    base.insert(key, entry);
                }
                continue;
            }
            match base.get_mut(&key) {
                Some(old) => {
                    let blank = Node::new(Value::Null, entry.value.span);
                    let before = std::mem::replace(&mut old.value, blank);
                    old.key = entry.key;
                    let inner = shape.and_then(|shape| inner(shape, &key));
                    old.value = match whole {
                        true => self.replaced(before, entry.value),
                        false => self.below(&key, |merge| merge.nodes(before, entry.value, inner)),
                    };
                }
                None => {
                    self.done(&mut entry.value);
                    base.insert(key, entry);
                }
            }
        }
        base
    }

    fn lists(&mut self, base: Vec<Node>, over: Vec<Node>, shape: Option<&Shape>) -> Vec<Node> {
        match shape.map(|shape| (shape.rule, shape.kind)) {
            Some((Rule::Keyed(key), Kind::List(items))) => self.keyed(base, over, key, items),
            _ => append(base, over),
        }
    }

    fn keyed(
        &mut self,
        mut base: Vec<Node>,
        over: Vec<Node>,
        key: &str,
        shape: &Shape,
    ) -> Vec<Node> {
        for mut item in over {
            let wanted = item.text_at(key).map(str::to_owned);
            let same = base
                .iter()
                .position(|old| wanted.is_some() && old.text_at(key) == wanted.as_deref());
            match same {
                Some(index) => {
                    let blank = Node::new(Value::Null, item.span);
                    let old = std::mem::replace(&mut base[index], blank);
                    base[index] = self.below("[]", |merge| merge.nodes(old, item, Some(shape)));
                }
                None => {
                    self.done(&mut item);
                    base.push(item);
                }
            }
        }
        base
    }

    fn replaced(&self, base: Node, mut over: Node) -> Node {
        self.done(&mut over);
        over.history.over(base.history, base.span);
        over
    }

    /// Nothing of this is about what it was merged over now.
    fn done(&self, node: &mut Node) {
        if !self.how.goes_on {
            settle(node);
        }
    }

    fn below<T>(&mut self, key: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        let is_service = &*self.path == "services";
        let outer = is_service.then(|| self.report.scope.replace(key.to_owned()));
        let mark = self.path.key(key);
        let result = run(self);
        self.path.back(mark);
        if let Some(outer) = outer {
            self.report.scope = outer;
        }
        result
    }
}

/// What comes of a mapping or list into another one came the way of the whole.
fn pass_on(node: &mut Node) {
    let history = &node.history;
    match &mut node.value {
        Value::Map(map) => map
            .values_mut()
            .for_each(|entry| entry.value.history.inherit(history)),
        Value::List(items) => items
            .iter_mut()
            .for_each(|item| item.history.inherit(history)),
        _ => {}
    }
}

fn inner(shape: &Shape, key: &str) -> Option<&'static Shape> {
    match shape.kind {
        Kind::Map(values) => Some(values),
        _ => shape.field(key).map(|field| &field.shape),
    }
}

/// Appends; a directive on the n-th later entry is about the n-th earlier one.
fn append(base: Vec<Node>, over: Vec<Node>) -> Vec<Node> {
    let mut index = 0;
    let mut kept = base;
    kept.retain(|_| {
        let directive = over.get(index).and_then(|item| item.tag);
        index += 1;
        !matches!(directive, Some(Tag::Reset | Tag::Override))
    });
    for mut item in over {
        if item.tag != Some(Tag::Reset) {
            settle(&mut item);
            kept.push(item);
        }
    }
    kept
}

fn different_drivers(base: &Node, over: &Node) -> bool {
    match (base.get("driver"), over.get("driver")) {
        (Some(a), Some(b)) => a.value != b.value,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::budget::Budget;
    use crate::compose::lengthen::lengthen;
    use crate::compose::render::to_json;
    use crate::compose::yaml;

    fn merged(base: &str, over: &str) -> serde_json::Value {
        let mut report = Report::default();
        let mut nodes = yaml::parse(&format!("{base}\n---\n{over}\n"), 0, &mut report);
        for node in &mut nodes {
            lengthen(node, &DOCUMENT, "", (&mut report, &mut Budget::default()));
        }
        let over = nodes.pop().unwrap();
        let result = documents(nodes.pop().unwrap(), over, How::default(), &mut report);
        assert!(!report.has_errors(), "{:?}", report.messages());
        to_json(&result)["services"]["a"].clone()
    }

    fn service(body: &str) -> String {
        format!("services: {{a: {body}}}")
    }

    const MERGES: [(&str, &str, &str); 15] = [
        (
            "{image: x, user: u}",
            "{image: y}",
            r#"{"image":"y","user":"u"}"#,
        ),
        ("{command: [a]}", "{command: [b]}", r#"{"command":["b"]}"#),
        ("{command: [a]}", "{command: }", r#"{"command":null}"#),
        ("{image: x}", "{image: }", r#"{"image":"x"}"#),
        (
            "{expose: ['1']}",
            "{expose: ['2']}",
            r#"{"expose":["1","2"]}"#,
        ),
        (
            "{environment: [A=1, B=2]}",
            "{environment: {A: 3, C: }}",
            r#"{"environment":{"A":3,"B":"2","C":null}}"#,
        ),
        (
            "{dns: 1.1.1.1}",
            "{dns: [8.8.8.8]}",
            r#"{"dns":["1.1.1.1","8.8.8.8"]}"#,
        ),
        (
            "{depends_on: [b]}",
            "{depends_on: {b: {condition: service_healthy}}}",
            r#"{"depends_on":{"b":{"condition":"service_healthy","required":true}}}"#,
        ),
        (
            "{networks: [n]}",
            "{networks: {n: {aliases: [x]}, m: }}",
            r#"{"networks":{"n":{"aliases":["x"]},"m":null}}"#,
        ),
        (
            "{ulimits: {nofile: {soft: 1, hard: 2}}}",
            "{ulimits: {nofile: 5}}",
            r#"{"ulimits":{"nofile":5}}"#,
        ),
        (
            "{build: .}",
            "{build: {target: t}}",
            r#"{"build":{"context":".","target":"t"}}"#,
        ),
        (
            "{logging: {driver: a, options: {x: 1}}}",
            "{logging: {driver: b}}",
            r#"{"logging":{"driver":"b"}}"#,
        ),
        (
            "{expose: ['1'], image: x}",
            "{expose: !reset []}",
            r#"{"image":"x"}"#,
        ),
        (
            "{expose: ['1']}",
            "{expose: !override ['2']}",
            r#"{"expose":["2"]}"#,
        ),
        (
            "{environment: {A: 1, B: 2}}",
            "{environment: {A: !reset }}",
            r#"{"environment":{"B":2}}"#,
        ),
    ];

    #[test]
    fn each_path_merges_by_its_rule() {
        for (base, over, wanted) in MERGES {
            let wanted: serde_json::Value = serde_json::from_str(wanted).unwrap();
            assert_eq!(
                merged(&service(base), &service(over)),
                wanted,
                "{base} + {over}"
            );
        }
    }

    #[test]
    fn directives_that_go_on_reach_what_is_below() {
        let mut report = Report::default();
        let text = "{a: {b: [1], c: {d: 1}, e: 1}}\n---\n{a: {b: [2]}}\n---\n{a: {b: !override [3], c: {d: !reset }, e: !reset }}\n";
        let nodes = yaml::parse(text, 0, &mut report);
        let [first, second, third] = nodes.try_into().unwrap();
        let goes_on = How {
            goes_on: true,
            ..How::default()
        };
        let upper = documents(second, third, goes_on, &mut report);
        let all = documents(first, upper, How::default(), &mut report);
        assert_eq!(to_json(&all), serde_json::json!({"a": {"b": [3], "c": {}}}));
    }

    #[test]
    fn a_change_of_form_is_an_error_at_both_places() {
        let mut report = Report::default();
        let mut nodes = yaml::parse(
            "services: {a: {ports: [1]}}\n---\nservices: {a: {ports: {}}}\n",
            0,
            &mut report,
        );
        let over = nodes.pop().unwrap();
        documents(nodes.pop().unwrap(), over, How::default(), &mut report);
        assert_eq!(report.messages(), ["`services.a.ports` is a mapping here"]);
    }
}
