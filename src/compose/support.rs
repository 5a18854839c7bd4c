//! What is written but does nothing here yet, by the states of the schema.
//!
//! Invariant: no attribute is silently ignored: it is honoured, or somebody says that it is not.

use super::diagnostic::Report;
use super::schema::DOCUMENT;
use super::schema::Kind;
use super::schema::Shape;
use super::schema::State;
use super::trail::Mark;
use super::trail::Trail;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Step;

/// Reports the attributes without effect: errors for those that matter, warnings for those that cannot.
pub fn check(root: &Node, report: &mut Report) {
    let mut walk = Support {
        report,
        path: Trail::default(),
    };
    walk.node(root, &DOCUMENT);
}

struct Support<'a> {
    report: &'a mut Report,
    path: Trail,
}

impl Support<'_> {
    fn node(&mut self, node: &Node, shape: &Shape) {
        match shape.kind {
            Kind::List(items) => {
                for (index, item) in node.items().iter().enumerate() {
                    let mark = self.path.index(index);
                    self.below(mark, |walk| walk.node(item, items));
                }
            }
            Kind::Map(values) => {
                let outer = self.report.scope.clone();
                for (key, entry) in node.entries() {
                    if &*self.path == "services" {
                        self.report.scope = Some(key.clone());
                    }
                    let mark = self.path.key(key);
                    self.below(mark, |walk| walk.node(&entry.value, values));
                }
                self.report.scope = outer;
            }
            Kind::Object(_) => {
                for (key, entry) in node.entries() {
                    self.field(node, key, entry, shape);
                }
            }
            Kind::Any | Kind::Scalar(_) | Kind::Either(..) => {}
        }
    }

    fn field(&mut self, parent: &Node, key: &str, entry: &Entry, shape: &Shape) {
        let Some(field) = shape.field(key) else {
            return;
        };
        if entry.value.history.steps().contains(&Step::Default) {
            return;
        }
        match field.state {
            State::Honoured | State::Partly => {
                let mark = self.path.key(key);
                self.below(mark, |walk| walk.node(&entry.value, &field.shape));
            }
            State::Accepted => {
                let message = format!("{} has no effect here", self.named(key));
                self.report.warning("no-effect", message).at(entry.key);
            }
            State::Rejected if key == "build" => self.build(parent, entry),
            State::Rejected => {
                let message = format!("{} is not supported yet", self.named(key));
                self.report.error("unsupported", message).at(entry.key);
            }
        }
    }

    /// A key of what is looked at, in words.
    fn named(&self, key: &str) -> String {
        match &*self.path {
            "" => format!("`{key}`"),
            path => format!("`{key}` in `{path}`"),
        }
    }

    /// An image that is there already need not be built.
    fn build(&mut self, service: &Node, entry: &Entry) {
        if entry.value.is_broken() {
            return;
        }
        let name = self.path.strip_prefix("services.").unwrap_or(&self.path);
        if service.get("image").is_some() {
            let message =
                format!("service `{name}`: images cannot be built yet, `image` is used as it is");
            self.report
                .warning("build-ignored", message)
                .at(entry.value.span);
            return;
        }
        let message = format!("service `{name}`: building images is not supported yet");
        self.report
            .error("unsupported", message)
            .at(entry.value.span)
            .hint("build the image elsewhere and name it with `image`");
    }

    /// Runs something a step further down, and goes back.
    fn below(&mut self, mark: Mark, run: impl FnOnce(&mut Self)) {
        run(self);
        self.path.back(mark);
    }
}
