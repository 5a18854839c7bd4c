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
pub mod sequence;
mod words;

use super::budget::Budget;
use super::diagnostic::Report;
use super::schema::Kind;
use super::schema::Long;
use super::schema::Path;
use super::schema::Shape;
use super::source::Span;
use super::trail::Mark;
use super::trail::Trail;
use super::yaml::Node;
use super::yaml::Tag;
use super::yaml::Value;

/// Writes out everything below `node`, as long as the budget lasts.
pub fn lengthen(node: &mut Node, shape: &Shape, path: &str, limits: (&mut Report, &mut Budget)) {
    Lengthen::new(path, limits, false).node(node, shape);
}

/// Writes out what only wraps, as docker compose does where variables stay as they are written: texts are taken apart
/// only where that can be done.
pub fn wrap(node: &mut Node, shape: &Shape, path: &str, limits: (&mut Report, &mut Budget)) {
    Lengthen::new(path, limits, true).node(node, shape);
}

/// A walk over a tree.
struct Lengthen<'a> {
    report: &'a mut Report,
    budget: &'a mut Budget,
    /// `services.web.ports`
    path: Trail,
    /// Only what wraps is written out.
    wraps: bool,
}

impl<'a> Lengthen<'a> {
    fn new(path: &str, limits: (&'a mut Report, &'a mut Budget), wraps: bool) -> Self {
        Self {
            report: limits.0,
            budget: limits.1,
            path: Trail::from(path),
            wraps,
        }
    }

    fn node(&mut self, node: &mut Node, shape: &Shape) {
        if matches!(node.tag, Some(Tag::Reset | Tag::Broken)) {
            return;
        }
        if !self.budget.take(1, node.span, self.report) {
            return;
        }
        let known = self.report.len();
        match self.wraps {
            true => self.wrapped(node, shape),
            false => self.form(node, shape.long),
        }
        self.inner(node, shape);
        if self.report.len() > known
            && let Some((span, how)) = node.history.detour()
        {
            self.report.lead(known, span, how);
        }
    }

    fn inner(&mut self, node: &mut Node, shape: &Shape) {
        match (shape.kind, &mut node.value) {
            (Kind::List(shape), Value::List(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let mark = self.path.index(index);
                    self.below(mark, |walk| walk.node(item, shape));
                }
            }
            (Kind::Map(shape), Value::Map(map)) => {
                let outer = self.report.scope.clone();
                for (key, entry) in map.iter_mut() {
                    if &*self.path == "services" {
                        self.report.scope = Some(key.clone());
                    }
                    let mark = self.path.key(key);
                    self.below(mark, |walk| walk.node(&mut entry.value, shape));
                }
                self.report.scope = outer;
            }
            (Kind::Object(_) | Kind::Either(..), Value::Map(map)) => {
                for (key, entry) in map.iter_mut() {
                    if let Some(field) = shape.field(key) {
                        let mark = self.path.key(key);
                        self.below(mark, |walk| walk.node(&mut entry.value, &field.shape));
                    }
                }
            }
            _ => {}
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

    /// The forms of a tree whose variables are still there.
    fn wrapped(&mut self, node: &mut Node, shape: &Shape) {
        let holds_paths = matches!(shape.kind, Kind::Map(values) if values.path != Path::No);
        match shape.long {
            Long::Words | Long::Test | Long::Hosts => {}
            Long::Pairs if holds_paths => pairs::pairs(node),
            Long::Pairs => {}
            Long::List if self.path.ends_with(".dns") => lists::one(node),
            Long::List => {}
            Long::Ssh => pairs::pairs(node),
            Long::Gpus if node.as_str() == Some("all") => {
                let all = Value::String("all".to_owned());
                node.value = Value::List(vec![Node::mapping(node.span, [("count", all)])]);
            }
            Long::Ports => ports::ports_if_clear(node),
            long => self.form(node, long),
        }
    }

    fn items(&mut self, node: &mut Node, mut form: impl FnMut(&mut Self, &mut Node)) {
        let Value::List(items) = &mut node.value else {
            return;
        };
        for (index, item) in items.iter_mut().enumerate() {
            if !matches!(item.tag, Some(Tag::Reset | Tag::Broken)) {
                let mark = self.path.index(index);
                self.below(mark, |walk| form(walk, item));
            }
        }
    }

    /// Runs something a step further down, and goes back.
    fn below(&mut self, mark: Mark, run: impl FnOnce(&mut Self)) {
        run(self);
        self.path.back(mark);
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
            Err(_) if self.wraps => {}
            Err(problem) => {
                self.invalid(node.span, problem);
                node.spoil();
            }
        }
    }
}
