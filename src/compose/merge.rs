//! How a later document changes an earlier one.
//!
//! Maps merge, scalars replace, lists append; [`rule`] names the paths that differ. Duplicates in appended lists are
//! resolved when they are parsed (the later entry wins at the earlier place).
//!
//! Invariant: the result holds no `!reset` and no `!override`; each node keeps the place it came from.

use super::diagnostic::Report;
use super::yaml::Entry;
use super::yaml::Map;
use super::yaml::Node;
use super::yaml::Tag;
use super::yaml::Value;

/// How two values at a path become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Maps merge, lists append, scalars replace; a later null changes nothing.
    Deep,
    /// The later value, also if it is null.
    Replace,
    /// Both as `KEY: value`, the later key wins.
    KeyValue,
    /// Both as lists of text, appended.
    Strings,
    /// A list of names is a map of empty values.
    Names,
    /// A text is the `context` of a map.
    Build,
    /// Merged if both have the same driver, else replaced.
    Logging,
    /// A list of maps, matched by `subnet`.
    Subnets,
}

/// The rule of a path.
fn rule(path: &[&str]) -> Rule {
    let inner = match path {
        ["services", _, inner @ ..] => inner,
        ["networks", _, "ipam", "config"] => return Rule::Subnets,
        ["networks" | "volumes" | "secrets" | "configs", _, "labels"] => return Rule::KeyValue,
        _ => return Rule::Deep,
    };
    match inner {
        ["command" | "entrypoint"] | ["healthcheck", "test"] | ["ulimits", _] => Rule::Replace,
        ["annotations" | "environment" | "labels" | "sysctls"]
        | ["deploy", "labels"]
        | ["build", "args" | "labels" | "additional_contexts"] => Rule::KeyValue,
        ["dns" | "dns_opt" | "dns_search" | "tmpfs" | "env_file" | "label_file"] => Rule::Strings,
        ["depends_on" | "networks" | "models"] => Rule::Names,
        ["build"] => Rule::Build,
        ["logging"] => Rule::Logging,
        _ => Rule::Deep,
    }
}

/// Merges `over`, a whole document, over `base`.
pub fn documents(base: Node, over: Node, report: &mut Report) -> Node {
    merge(base, over, &[], report)
}

/// Merges one service over another, as `extends` does.
pub fn services(base: Node, over: Node, report: &mut Report) -> Node {
    merge(base, over, &["services", "service"], report)
}

/// Takes the merge directives out of a document that nothing was merged into.
pub fn settle(node: &mut Node) {
    node.tag = None;
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

fn merge(base: Node, mut over: Node, path: &[&str], report: &mut Report) -> Node {
    if over.tag == Some(Tag::Override) {
        settle(&mut over);
        return over;
    }
    let rule = rule(path);
    let (base, over) = match rule {
        Rule::Replace => {
            settle(&mut over);
            return over;
        }
        Rule::KeyValue => (key_values(base), key_values(over)),
        Rule::Strings => (as_list(base), as_list(over)),
        Rule::Names => (names(base, path), names(over, path)),
        Rule::Build => (context(base), context(over)),
        Rule::Logging if different_drivers(&base, &over) => {
            settle(&mut over);
            return over;
        }
        Rule::Logging | Rule::Subnets | Rule::Deep => (base, over),
    };
    if over.is_null() {
        return base;
    }
    let Node { value, span, .. } = base;
    let value = match (value, over.value) {
        (Value::Map(from), Value::Map(to)) => {
            Value::Map(Box::new(maps(*from, *to, path, rule, report)))
        }
        (Value::List(from), Value::List(to)) if rule == Rule::Subnets => {
            Value::List(subnets(from, to, path, report))
        }
        (Value::List(from), Value::List(to)) => Value::List(append(from, to)),
        (from @ (Value::Map(_) | Value::List(_)), to) => {
            let (old, new) = (Node::new(from, span), Node::new(to, over.span));
            let what = path.join(".");
            report
                .error(
                    "cannot-override",
                    format!("`{what}` is {} here", new.kind()),
                )
                .at(new.span)
                .also(span, format!("but it was {} before", old.kind()))
                .hint("write it in the same form in all files, or put `!override` in front of it");
            old.value
        }
        (_, to) => {
            let mut node = Node::new(to, over.span);
            settle(&mut node);
            return node;
        }
    };
    Node::new(value, over.span)
}

fn maps(mut base: Map, over: Map, path: &[&str], rule: Rule, report: &mut Report) -> Map {
    for (key, mut entry) in over {
        if entry.value.tag == Some(Tag::Reset) {
            base.shift_remove(&key);
            continue;
        }
        match base.get_mut(&key) {
            Some(old) if rule != Rule::KeyValue => {
                let before =
                    std::mem::replace(&mut old.value, Node::new(Value::Null, entry.value.span));
                old.key = entry.key;
                old.value = below(before, entry.value, path, &key, report);
            }
            _ => {
                settle(&mut entry.value);
                base.insert(key, entry);
            }
        }
    }
    base
}

/// Merges the values of `key`, with the path one longer.
fn below(base: Node, over: Node, path: &[&str], key: &str, report: &mut Report) -> Node {
    let longer = [path, &[key]].concat();
    merge(base, over, &longer, report)
}

/// Appends; a directive on the n-th later entry is about the n-th earlier one.
fn append(base: Vec<Node>, over: Vec<Node>) -> Vec<Node> {
    let mut index = 0;
    let mut kept = base;
    kept.retain(|_| {
        let directed = over.get(index).is_some_and(|item| item.tag.is_some());
        index += 1;
        !directed
    });
    for mut item in over {
        if item.tag != Some(Tag::Reset) {
            settle(&mut item);
            kept.push(item);
        }
    }
    kept
}

fn subnets(mut base: Vec<Node>, over: Vec<Node>, path: &[&str], report: &mut Report) -> Vec<Node> {
    for mut item in over {
        let wanted = item.get("subnet").cloned().map(|node| node.value);
        let same = base.iter().position(|old| {
            wanted.is_some() && old.get("subnet").map(|n| &n.value) == wanted.as_ref()
        });
        match same {
            Some(index) => {
                let old = std::mem::replace(&mut base[index], Node::new(Value::Null, item.span));
                base[index] = below(old, item, path, "[]", report);
            }
            None => {
                settle(&mut item);
                base.push(item);
            }
        }
    }
    base
}

fn different_drivers(base: &Node, over: &Node) -> bool {
    match (base.get("driver"), over.get("driver")) {
        (Some(a), Some(b)) => a.value != b.value,
        _ => false,
    }
}

/// `[A=1, B]` as `{A: "1", B: null}`; anything else as it is.
pub fn key_values(node: Node) -> Node {
    if !all_texts(&node) {
        return node;
    }
    let Value::List(items) = node.value else {
        return node;
    };
    let mut map = Map::new();
    for item in items {
        let Value::String(text) = &item.value else {
            continue;
        };
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Value::String(value.to_owned())),
            None => (text.clone(), Value::Null),
        };
        let key_span = item.span;
        let value = Node { value, ..item };
        let entry = Entry {
            key: key_span,
            value,
        };
        map.insert(key, entry);
    }
    let value = Value::Map(Box::new(map));
    Node { value, ..node }
}

/// A list of something else than texts is left for the parser to complain about.
fn all_texts(node: &Node) -> bool {
    matches!(&node.value, Value::List(items) if items.iter().all(|item| item.as_str().is_some()))
}

fn as_list(node: Node) -> Node {
    match node.value {
        Value::List(_) | Value::Null => node,
        _ => {
            let (span, tag) = (node.span, node.tag);
            let item = Node { tag: None, ..node };
            Node {
                value: Value::List(vec![item]),
                span,
                tag,
            }
        }
    }
}

/// `[a, b]` as `{a: …, b: …}` with what a bare name means at this path.
fn names(node: Node, path: &[&str]) -> Node {
    if !all_texts(&node) {
        return node;
    }
    let Value::List(items) = node.value else {
        return node;
    };
    let dependency = path.last() == Some(&"depends_on");
    let mut map = Map::new();
    for item in items {
        let span = item.span;
        let value = if dependency {
            dependency_defaults(span)
        } else {
            Value::Null
        };
        if let Value::String(name) = item.value {
            let mut value = Node::new(value, span);
            value.tag = item.tag;
            map.insert(name, Entry { key: span, value });
        }
    }
    let value = Value::Map(Box::new(map));
    Node { value, ..node }
}

fn dependency_defaults(span: super::source::Span) -> Value {
    let mut map = Map::new();
    let condition = Node::text("service_started", span);
    map.insert(
        "condition".to_owned(),
        Entry {
            key: span,
            value: condition,
        },
    );
    Value::Map(Box::new(map))
}

fn context(node: Node) -> Node {
    let Value::String(_) = node.value else {
        return node;
    };
    let (span, tag) = (node.span, node.tag);
    let mut map = Map::new();
    let value = Node { tag: None, ..node };
    map.insert("context".to_owned(), Entry { key: span, value });
    Node {
        value: Value::Map(Box::new(map)),
        span,
        tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::yaml;

    fn plain(node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(v) => (*v).into(),
            Value::Int(v) => (*v).into(),
            Value::Float(v) => (*v).into(),
            Value::String(v) => v.clone().into(),
            Value::List(items) => items.iter().map(plain).collect(),
            Value::Map(map) => serde_json::Value::Object(
                map.iter()
                    .map(|(k, e)| (k.clone(), plain(&e.value)))
                    .collect(),
            ),
        }
    }

    fn merged(base: &str, over: &str) -> serde_json::Value {
        let mut report = Report::default();
        let mut nodes = yaml::parse(&format!("{base}\n---\n{over}\n"), 0, &mut report);
        let over = nodes.pop().unwrap();
        let result = documents(nodes.pop().unwrap(), over, &mut report);
        assert!(!report.has_errors(), "{:?}", report.messages());
        plain(&result)["services"]["a"].clone()
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
        ("{ports: ['1']}", "{ports: ['2']}", r#"{"ports":["1","2"]}"#),
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
            r#"{"depends_on":{"b":{"condition":"service_healthy"}}}"#,
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
            "{ports: ['1'], image: x}",
            "{ports: !reset []}",
            r#"{"image":"x"}"#,
        ),
        (
            "{ports: ['1']}",
            "{ports: !override ['2']}",
            r#"{"ports":["2"]}"#,
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
    fn a_change_of_form_is_an_error_at_both_places() {
        let mut report = Report::default();
        let mut nodes = yaml::parse(
            "services: {a: {ports: [1]}}\n---\nservices: {a: {ports: {}}}\n",
            0,
            &mut report,
        );
        let over = nodes.pop().unwrap();
        documents(nodes.pop().unwrap(), over, &mut report);
        assert_eq!(report.messages(), ["`services.a.ports` is a mapping here"]);
    }
}
