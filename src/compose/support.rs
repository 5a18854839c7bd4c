//! What is written but does nothing here yet, by the states of the schema.
//!
//! Invariant: no attribute is silently ignored: it is honoured, or somebody says that it is not.

use super::diagnostic::Report;
use super::schema::DOCUMENT;
use super::schema::Kind;
use super::schema::Shape;
use super::schema::State;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Step;

/// Reports the attributes without effect: errors for those that matter, warnings for those that cannot.
pub fn check(root: &Node, report: &mut Report) {
    let mut walk = Support {
        report,
        path: String::new(),
    };
    walk.node(root, &DOCUMENT);
}

struct Support<'a> {
    report: &'a mut Report,
    path: String,
}

impl Support<'_> {
    fn node(&mut self, node: &Node, shape: &Shape) {
        match shape.kind {
            Kind::List(items) => {
                for (index, item) in node.items().iter().enumerate() {
                    self.below(&format!("[{index}]"), |walk| walk.node(item, items));
                }
            }
            Kind::Map(values) => {
                for (key, entry) in node.entries() {
                    let outer = self.report.scope.clone();
                    if self.path == "services" {
                        self.report.scope = Some(key.clone());
                    }
                    self.below(&format!(".{key}"), |walk| walk.node(&entry.value, values));
                    self.report.scope = outer;
                }
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
        let place = match self.path.as_str() {
            "" => String::new(),
            path => format!(" in `{path}`"),
        };
        match field.state {
            State::Honoured | State::Partly => {
                let step = match self.path.is_empty() {
                    true => key.to_owned(),
                    false => format!(".{key}"),
                };
                self.below(&step, |walk| walk.node(&entry.value, &field.shape));
            }
            State::Accepted => {
                self.report
                    .warning("no-effect", format!("`{key}`{place} has no effect here"))
                    .at(entry.key);
            }
            State::Rejected if key == "build" => self.build(parent, entry),
            State::Rejected => {
                self.report
                    .error(
                        "unsupported",
                        format!("`{key}`{place} is not supported yet"),
                    )
                    .at(entry.key);
            }
        }
    }

    /// An image that is there already need not be built.
    fn build(&mut self, service: &Node, entry: &Entry) {
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

    fn below(&mut self, step: &str, run: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(step);
        run(self);
        self.path.truncate(length);
    }
}
