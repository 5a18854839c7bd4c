//! Where values came from, as `config --explain PATH` tells it: file and line, variables, overrides, `extends`, `include`,
//! anchors, or nobody.
//!
//! Invariant: only what the tree remembers is told; nothing is read again.

use super::Loaded;
use super::diagnostic::did_you_mean;
use super::origins::Origin;
use super::source::Span;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Step;

/// Why there is nothing to explain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no `{missing}` in {place}")]
pub struct NotThere {
    missing: String,
    place: String,
    known: Vec<String>,
}

impl NotThere {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let known = self.known.iter().map(String::as_str);
        let is_name = !self.missing.starts_with('[');
        if let Some(near) = did_you_mean(&self.missing, known).filter(|_| is_name) {
            return format!("did you mean `{near}`?");
        }
        let shown: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
        match shown.as_slice() {
            [] => "it has no parts".to_owned(),
            all => format!("it has {}", all.join(", ")),
        }
    }
}

/// Explains the value at `path` (`services.web.ports[0].target`), or all values below it.
pub fn explain(loaded: &Loaded, path: &str) -> Result<String, NotThere> {
    let mut told = Explanation {
        loaded,
        path: String::new(),
        trail: Vec::new(),
        text: String::new(),
        with_lines: false,
    };
    let mut node = &loaded.canonical.root;
    let mut rest = path.trim_start_matches('.');
    while !rest.is_empty() {
        told.trail.push(node);
        let (part, next, behind) = part_of(node, rest).ok_or_else(|| told.missing(node, rest))?;
        told.path = joined(&told.path, &part);
        (node, rest) = (next, behind);
    }
    told.with_lines = is_leaf(node);
    told.below(node);
    Ok(told.text)
}

/// The first part of a path as it is shown, what it names, and the rest. Keys may have dots in them: the longest wins.
fn part_of<'n, 'p>(node: &'n Node, path: &'p str) -> Option<(String, &'n Node, &'p str)> {
    if let Some(inner) = path.strip_prefix('[') {
        let (index, rest) = inner.split_once(']')?;
        let item = node.items().get(index.parse::<usize>().ok()?)?;
        return Some((format!("[{index}]"), item, rest.trim_start_matches('.')));
    }
    let fits = |key: &&String| {
        let behind = path.strip_prefix(key.as_str());
        behind.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let keys = node.entries().map(|(key, _)| key).filter(fits);
    let key = keys.max_by_key(|key| key.len())?;
    let rest = path[key.len()..].trim_start_matches('.');
    Some((key.clone(), node.get(key)?, rest))
}

fn joined(path: &str, part: &str) -> String {
    match (path, part.starts_with('[')) {
        ("", _) => part.to_owned(),
        (path, true) => format!("{path}{part}"),
        (path, false) => format!("{path}.{part}"),
    }
}

fn is_leaf(node: &Node) -> bool {
    node.items().is_empty() && node.entries().next().is_none()
}

/// What is told so far, and the way to what is told next.
struct Explanation<'a> {
    loaded: &'a Loaded,
    path: String,
    trail: Vec<&'a Node>,
    text: String,
    /// Show the lines of the files, too.
    with_lines: bool,
}

impl<'a> Explanation<'a> {
    fn missing(&self, node: &Node, rest: &str) -> NotThere {
        let part = rest
            .split(['.', '['])
            .next()
            .filter(|part| !part.is_empty());
        let entries: Vec<(&String, &Entry)> = node.entries().collect();
        let keys = entries.iter().map(|(key, _)| (*key).clone());
        let items = (0..node.items().len()).map(|index| format!("[{index}]"));
        NotThere {
            missing: part.unwrap_or(rest).to_owned(),
            place: match self.path.as_str() {
                "" => "the project".to_owned(),
                path => format!("`{path}`"),
            },
            known: keys.chain(items).collect(),
        }
    }

    fn below(&mut self, node: &'a Node) {
        if is_leaf(node) {
            return self.leaf(node);
        }
        self.trail.push(node);
        for (key, entry) in node.entries() {
            self.part(key, &entry.value);
        }
        for (index, item) in node.items().iter().enumerate() {
            self.part(&format!("[{index}]"), item);
        }
        self.trail.pop();
    }

    fn part(&mut self, part: &str, node: &'a Node) {
        let longer = joined(&self.path, part);
        let outer = std::mem::replace(&mut self.path, longer);
        self.below(node);
        self.path = outer;
    }

    fn leaf(&mut self, node: &'a Node) {
        let value = super::render::to_json(node);
        self.text.push_str(&format!("{} = {value}\n", self.path));
        let ancestors = self.trail.iter().rev().copied();
        let whole = std::iter::once(node).chain(ancestors);
        let steps = |node: &'a Node| node.history.steps().iter();
        let default = |node: &'a Node| steps(node).any(|step| *step == Step::Default);
        let by_default = whole.clone().any(default);
        let ways: Vec<&Step> = whole.flat_map(steps).collect();
        let is_given = ways.iter().any(|step| matches!(step, Step::Given(_)));
        match by_default {
            true => self.line("nobody wrote it: this is the default"),
            false if is_given => {}
            false => self.place("written at", node.span),
        }
        let own = steps(node).count();
        for (number, step) in ways.into_iter().enumerate() {
            self.step(step, number < own);
        }
    }

    /// A step of the value itself, or of something that it is in.
    fn step(&mut self, step: &Step, own: bool) {
        match step {
            Step::Alias(span) => self.place("by the alias at", *span),
            Step::Extends(span) => self.place("by the `extends` at", *span),
            Step::Include(span) => self.place("by the `include` at", *span),
            Step::File(span) => self.place("by the file named at", *span),
            Step::Over(span) if own => self.place("in place of", *span),
            Step::Variables(names, written) => {
                if !written.is_empty() {
                    self.line(&format!("made of `{written}`"));
                }
                names.iter().for_each(|name| self.variable(name));
            }
            Step::Given(how) => self.line(&format!("given {how}")),
            Step::Over(_) | Step::Default => {}
        }
    }

    fn variable(&mut self, name: &str) {
        let steps = self.trail.iter().flat_map(|node| node.history.steps());
        let includes: Vec<Span> = steps
            .filter_map(|step| match step {
                Step::Include(span) => Some(*span),
                _ => None,
            })
            .collect();
        let line = match self.loaded.origins.of(name, &includes) {
            Origin::Unset => format!("variable `{name}` is not set"),
            Origin::Environment(value) if name == "COMPOSE_PROJECT_NAME" => {
                format!("variable `{name}` is `{value}`, the name of the project")
            }
            Origin::Environment(value) => {
                format!("variable `{name}` is `{value}` in the environment")
            }
            Origin::File(variable) => {
                let place = self.loaded.sources.locate(variable.place);
                format!("variable `{name}` is `{}`, from {place}", variable.value)
            }
        };
        self.line(&line);
    }

    fn place(&mut self, how: &str, span: Span) {
        let sources = &self.loaded.sources;
        let line = (span.start.line as usize).checked_sub(1);
        let (Some(line), Some(source)) = (line, sources.get(span.source)) else {
            return;
        };
        let mut text = format!("{how} {}", sources.locate(span));
        if self.with_lines
            && let Some(written) = source.text.lines().nth(line)
        {
            let written: String = written.trim().chars().take(100).collect();
            text.push_str(&format!(":  {written}"));
        }
        self.line(&text);
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(&format!("    {text}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::Value;
    use super::*;
    use crate::compose::LoadOptions;
    use crate::compose::load;

    fn loaded(text: &str) -> Loaded {
        let variables = [("TAG".to_owned(), "9".to_owned())].into();
        let mut options = LoadOptions::new("/nowhere/shop".into(), variables);
        options.files = vec!["-".into()];
        options.stdin = Some(text.as_bytes().to_vec());
        load(&options).unwrap()
    }

    const SHOP: &str = "\
x-base: &base {user: nobody}
services:
  web:
    <<: *base
    image: web:${TAG}
    labels: {a.b: x, a: y}
    ports: ['80:80']
  job: {image: job, extends: web}
---
services:
  web: {image: 'other:${TAG}${NO-}'}
";

    #[test]
    fn each_way_of_a_value_is_told() {
        let loaded = loaded(SHOP);
        let told = |path: &str| explain(&loaded, path).unwrap();
        let image = told("services.web.image");
        assert_eq!(
            image,
            "services.web.image = \"other:9\"\n    \
             written at -:11:16:  web: {image: 'other:${TAG}${NO-}'}\n    \
             in place of -:5:12:  image: web:${TAG}\n    \
             made of `other:${TAG}${NO-}`\n    \
             variable `TAG` is `9` in the environment\n    \
             variable `NO` is not set\n"
        );
        assert!(told("services.job.user").contains("by the `extends` at -:8:30"));
        assert!(told("services.web.labels.a.b").starts_with("services.web.labels.a.b = \"x\""));
        assert!(told("services.web.networks").contains("nobody wrote it"));
        let ports = told("services.web.ports");
        assert!(ports.contains("services.web.ports[0].target = 80\n    written at -:7:13\n"));
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let loaded = loaded(SHOP);
        let wrong = explain(&loaded, "services.wbe.image").unwrap_err();
        assert_eq!(wrong.to_string(), "there is no `wbe` in `services`");
        assert_eq!(wrong.hint(), "did you mean `web`?");
        let wrong = explain(&loaded, "services.web.ports[7]").unwrap_err();
        assert_eq!(wrong.hint(), "it has `[0]`");
    }

    #[test]
    fn an_empty_value_is_a_leaf() {
        assert!(is_leaf(&Node::new(
            Value::List(Vec::new()),
            Span::default()
        )));
    }
}
