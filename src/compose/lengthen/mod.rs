//! Short forms written out: behind this stage a value has one form only, and merging, checking and reading know no other.
//!
//! It runs on each document and each extended service, before anything is merged. What is not of a known form is left as
//! it is, for the check behind the merge to complain about; only a text that cannot be taken apart is reported here.
//!
//! Invariants: a written-out value is left as it is, so the stage can run twice; places and merge directives are kept.

mod external;
mod lists;
mod mounts;
mod pairs;
mod ports;
mod words;

use super::diagnostic::Report;
use super::schema::Kind;
use super::schema::Long;
use super::schema::Shape;
use super::source::Span;
use super::yaml::Node;
use super::yaml::Tag;
use super::yaml::Value;

/// Writes out everything below `node`.
pub fn lengthen(node: &mut Node, shape: &Shape, path: &str, report: &mut Report) {
    let mut walk = Lengthen {
        report,
        path: path.to_owned(),
    };
    walk.node(node, shape);
}

/// A walk over a tree.
struct Lengthen<'a> {
    report: &'a mut Report,
    /// `services.web.ports`
    path: String,
}

impl Lengthen<'_> {
    fn node(&mut self, node: &mut Node, shape: &Shape) {
        if matches!(node.tag, Some(Tag::Reset | Tag::Broken)) {
            return;
        }
        self.form(node, shape.long);
        match (shape.kind, &mut node.value) {
            (Kind::List(shape), Value::List(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.below(&format!("[{index}]"), |walk| walk.node(item, shape));
                }
            }
            (Kind::Map(shape), Value::Map(map)) => {
                for (key, entry) in map.iter_mut() {
                    let outer = self.enter(key);
                    self.below_key(key, |walk| walk.node(&mut entry.value, shape));
                    self.report.scope = outer;
                }
            }
            (Kind::Object(_) | Kind::Either(..), Value::Map(map)) => {
                for (key, entry) in map.iter_mut() {
                    if let Some(field) = shape.field(key) {
                        self.below_key(key, |walk| walk.node(&mut entry.value, &field.shape));
                    }
                }
            }
            _ => {}
        }
    }

    /// Notes that what follows is about a service, if it is one; returns what it was about before.
    fn enter(&mut self, key: &str) -> Option<String> {
        match self.path == "services" {
            true => self.report.scope.replace(key.to_owned()),
            false => self.report.scope.clone(),
        }
    }

    fn form(&mut self, node: &mut Node, long: Long) {
        match long {
            Long::Already => {}
            Long::List => lists::one(node),
            Long::Pairs => pairs::pairs(node),
            Long::Names => lists::names(node, |_| Value::Null),
            Long::Dependencies => lists::dependencies(node),
            Long::Words => words::words(self, node),
            Long::Test => words::test(node),
            Long::Build => lists::build(node),
            Long::Gpus => lists::gpus(node),
            Long::Hosts => pairs::hosts(self, node),
            Long::Ssh => pairs::ssh(self, node),
            Long::Ports => ports::ports(self, node),
            Long::Mounts => self.items(node, mounts::mount),
            Long::Devices => self.items(node, mounts::device),
            Long::Files(folder) => self.items(node, |_, item| mounts::file(item, folder)),
            Long::EnvFiles => lists::env_files(node),
            Long::External => external::external(self, node),
        }
    }

    fn items(&mut self, node: &mut Node, mut form: impl FnMut(&mut Self, &mut Node)) {
        let Value::List(items) = &mut node.value else {
            return;
        };
        for (index, item) in items.iter_mut().enumerate() {
            if !matches!(item.tag, Some(Tag::Reset | Tag::Broken)) {
                self.below(&format!("[{index}]"), |walk| form(walk, item));
            }
        }
    }

    fn below_key<T>(&mut self, key: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        match self.path.is_empty() {
            true => self.below(key, run),
            false => self.below(&format!(".{key}"), run),
        }
    }

    fn below<T>(&mut self, step: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(step);
        let result = run(self);
        self.path.truncate(length);
        result
    }

    /// Reports a text that cannot be taken apart.
    fn invalid(&mut self, span: Span, problem: impl AsRef<str>) {
        let message = format!("`{}`: {}", self.path, problem.as_ref());
        self.report.error("invalid-value", message).at(span);
    }

    /// Replaces `node` by its long form, or reports why there is none.
    fn replace(&mut self, node: &mut Node, long: Result<Node, String>) {
        match long {
            Ok(long) => node.value = long.value,
            Err(problem) => {
                self.invalid(node.span, problem);
                node.spoil();
            }
        }
    }
}
