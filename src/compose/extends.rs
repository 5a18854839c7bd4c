//! `extends`: a service that begins as a copy of another one, of the same file or another.
//!
//! Invariant: a chain of services that comes back to itself is an error that shows the chain.

use super::diagnostic::one_of_few;
use super::merge;
use super::normalize::Environment;
use super::schema::SERVICE_SHAPE as SHAPE;
use super::source;
use super::source::Span;
use super::tree::Forest;
use super::tree::Named;
use super::tree::Scope;
use super::tree::Step;
use super::yaml::Entry;
use super::yaml::Map;
use super::yaml::Node;
use super::yaml::Step as HistoryStep;
use super::yaml::Value;
use super::yaml::Weight;
use std::path::Path;
use std::path::PathBuf;

/// Longest chain of services that extend each other.
const MAX_CHAIN: usize = 50;

/// What a value counts as beside its text, bytes: what the schema does not know is counted nowhere else.
const VALUE: usize = 12;

/// What `extends` says, and where.
struct Extends {
    service: String,
    span: Span,
    file: Option<(PathBuf, Span)>,
}

/// One service of a chain, and where the one before says that it extends it.
struct Link {
    step: Step,
    span: Option<Span>,
}

impl Forest<'_> {
    /// Completes all services of `document` that extend another one.
    pub fn extend(&mut self, mut document: Node, scope: &Scope<'_>) -> Node {
        let extending = |entry: &Entry| entry.value.get("extends").is_some_and(|e| !e.is_null());
        let services = document.get("services").and_then(Node::as_map);
        let services = match services.filter(|all| all.values().any(extending)) {
            Some(services) => services.clone(),
            None => return document,
        };
        let names: Vec<&String> = services
            .iter()
            .filter(|(_, entry)| extending(entry))
            .map(|(name, _)| name)
            .collect();
        for name in names {
            let mut chain = vec![Link {
                step: (None, name.clone()),
                span: None,
            }];
            let service = services[name].value.clone();
            let node = self.extended_service(service, &services, scope, &mut chain);
            let target = document
                .entry_mut("services")
                .and_then(|s| s.entry_mut(name));
            match (node, target) {
                (Some(node), Some(target)) => *target = node,
                // What it lacks may be what it extends.
                (None, Some(target)) => {
                    if let Some(extends) = target.entry_mut("extends") {
                        extends.spoil();
                    }
                }
                _ => {}
            }
        }
        document
    }

    /// `service` over what it extends; `None` if that cannot be had.
    fn extended_service(
        &mut self,
        mut service: Node,
        siblings: &Map,
        scope: &Scope<'_>,
        chain: &mut Vec<Link>,
    ) -> Option<Node> {
        if self.budget.is_spent() {
            return None;
        }
        let Value::Map(fields) = &mut service.value else {
            return Some(service);
        };
        let extends = match fields.shift_remove("extends") {
            Some(entry) if entry.value.is_broken() => return None,
            Some(entry) if !entry.value.is_null() => self.parse_extends(&entry.value)?,
            _ => return Some(service),
        };
        let file = extends.file.as_ref().map(|(path, _)| path.clone());
        let file = file.or_else(|| chain.last()?.step.0.clone());
        let known = chain
            .iter()
            .position(|link| link.step.0 == file && link.step.1 == extends.service);
        chain.push(Link {
            step: (file, extends.service.clone()),
            span: Some(extends.span),
        });
        if known.is_some() || chain.len() > MAX_CHAIN {
            self.circle(&chain[known.unwrap_or(0)..], known.is_some());
            return None;
        }
        let base = match &extends.file {
            None => {
                let base = siblings
                    .get(&extends.service)
                    .map(|entry| entry.value.clone());
                let base = self.found(base, siblings, &extends)?;
                self.extended_service(base, siblings, scope, chain)?
            }
            Some((file, place)) => {
                let siblings = self.other_file(file, *place, scope.environment)?;
                let base = siblings
                    .get(&extends.service)
                    .map(|entry| entry.value.clone());
                let base = self.found(base, &siblings, &extends)?;
                self.extended_service(base, &siblings, scope, chain)?
            }
        };
        let mut base = base;
        for entry in base.map_mut().into_iter().flat_map(|map| map.values_mut()) {
            let step = HistoryStep::Extends(extends.span);
            entry.value.history.add(step);
        }
        let how = self.how(true);
        Some(merge::services(base, service, how, &mut self.report))
    }

    fn parse_extends(&mut self, node: &Node) -> Option<Extends> {
        if let Value::Map(fields) = &node.value {
            self.check_keys(fields);
        }
        let service = match node.as_map() {
            Some(_) => node.get("service").unwrap_or(node),
            None => node,
        };
        let Some(name) = service.as_str() else {
            self.report
                .error("wrong-type", "`extends` needs the name of a service")
                .at(service.span)
                .hint("write `extends: NAME`, or `extends: {file: FILE, service: NAME}`");
            return None;
        };
        let file = match node.get("file").filter(|file| !file.is_null()) {
            Some(file) => Some((self.other_path(file)?, file.span)),
            None => None,
        };
        Some(Extends {
            service: name.to_owned(),
            span: service.span,
            file,
        })
    }

    fn other_path(&mut self, file: &Node) -> Option<PathBuf> {
        if let Some(path) = file.as_str() {
            return self.locate(path, file.span);
        }
        let message = format!("`file` of `extends` must be a text, not {}", file.kind());
        self.report
            .error("wrong-type", message)
            .at(file.span)
            .hint("write `extends: {file: FILE, service: NAME}`");
        None
    }

    fn check_keys(&mut self, fields: &Map) {
        for (key, entry) in fields {
            let known = ["file", "service"];
            if !known.contains(&key.as_str()) && !key.starts_with("x-") {
                self.report
                    .error(
                        "unknown-attribute",
                        format!("unknown attribute `{key}` in `extends`"),
                    )
                    .at(entry.key)
                    .hint(one_of_few(key, &known));
            }
        }
    }

    fn found(&mut self, base: Option<Node>, siblings: &Map, extends: &Extends) -> Option<Node> {
        let mut base = base;
        if let Some(base) = &mut base {
            let path = format!("services.{}", extends.service);
            self.lengthen(base, &SHAPE, &path);
            let Weight { nodes, bytes } = base.weight();
            let bytes = bytes + nodes * VALUE;
            self.budget.take_text(bytes, extends.span, &mut self.report);
        } else {
            let name = &extends.service;
            let place = match &extends.file {
                Some((file, _)) => {
                    let file = source::display_name(&self.options.working_directory, file);
                    format!(" in `{file}`")
                }
                None => String::new(),
            };
            let known = siblings.keys().map(String::as_str);
            let near = super::diagnostic::did_you_mean(name, known);
            let diagnostic = self.report.error(
                "undefined",
                format!("there is no service `{name}` to extend{place}"),
            );
            diagnostic.at(extends.span);
            if let Some(near) = near {
                diagnostic.hint(format!("did you mean `{near}`?"));
            }
        }
        base
    }

    /// Reports a chain that ends where it begins, or that is too long.
    fn circle(&mut self, chain: &[Link], is_closed: bool) {
        let mut members: Vec<Step> = chain[1..].iter().map(|link| link.step.clone()).collect();
        members.sort();
        if !self.circles.insert(members) {
            return;
        }
        let names: Vec<&str> = chain.iter().map(|link| link.step.1.as_str()).collect();
        let message = match is_closed {
            true => format!(
                "services extend each other in a circle: {}",
                names.join(" → ")
            ),
            false => format!("a chain of more than {MAX_CHAIN} services that extend each other"),
        };
        let diagnostic = self.report.error("extends-cycle", message);
        for (index, link) in chain.iter().enumerate().skip(1).rev() {
            let Some(span) = link.span.filter(|_| is_closed || index + 1 == chain.len()) else {
                continue;
            };
            let words = format!("`{}` extends `{}`", names[index - 1], names[index]);
            match diagnostic.primary {
                None => diagnostic.at(span).label(words),
                Some(_) => diagnostic.also(span, words),
            };
        }
    }

    /// The services of another file, whose paths are relative to its own folder.
    fn other_file(&mut self, file: &Path, span: Span, environment: &Environment) -> Option<Map> {
        if !self.extended.contains_key(file) {
            let folder = file.parent().unwrap_or(file).to_owned();
            let documents = self.parse(file, &folder, Named::At(span, "extended here"));
            let mut merged: Option<Node> = None;
            for mut document in documents.unwrap_or_default() {
                self.interpolate(&mut document, environment);
                merged = Some(match merged {
                    Some(base) => self.over(base, document),
                    None => document,
                });
            }
            self.extended.insert(file.to_owned(), merged);
        }
        let root = self.extended.get(file)?.as_ref()?;
        Some(
            root.get("services")
                .and_then(Node::as_map)
                .cloned()
                .unwrap_or_default(),
        )
    }
}
