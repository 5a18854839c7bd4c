//! The canonical tree: what a project is, in the language of Compose and nothing else.
//!
//! `config` prints it, the model is read from it, and as JSON it is what a command sends to its supervisor, with
//! `x-hoist` for what Compose has no words for.
//!
//! Invariants: long forms only, paths absolute, names full; reading its text back gives the same tree without places.

use super::diagnostic::Diagnostic;
use super::diagnostic::Diagnostics;
use super::model::FileContent;
use super::render::to_json;
use super::source::SourceMap;
use super::source::Span;
use super::yaml::Entry;
use super::yaml::Map;
use super::yaml::Node;
use super::yaml::Value;
use crate::id::ProjectName;
use crate::id::ServiceName;
use indexmap::IndexMap;
use std::path::PathBuf;

/// The key of the text under which everything is that Compose has no words for.
pub const EXTENSION: &str = "x-hoist";

/// A project as a tree.
#[derive(Debug, Clone)]
pub struct Canonical {
    /// The tree; its services are those that are on.
    pub root: Node,
    /// The name.
    pub name: ProjectName,
    /// Absolute.
    pub directory: PathBuf,
    /// Absolute.
    pub files: Vec<PathBuf>,
    /// Services that are off.
    pub disabled: Vec<ServiceName>,
    /// The variables that secrets and configs are made of.
    pub variables: IndexMap<String, String>,
    /// Whether variables were replaced: a `$` in a text is one.
    pub interpolated: bool,
}

/// A project as it is written, merged but with its variables still there.
#[derive(Debug, Clone)]
pub struct Written {
    /// The tree.
    pub root: Node,
    /// Warnings, sorted by place.
    pub warnings: Vec<Diagnostic>,
    /// What their places point into.
    pub sources: SourceMap,
}

/// Leaves nothing of a tree but the images of its services.
pub fn only_images(root: &mut Node) {
    let Some(sections) = root.map_mut() else {
        return;
    };
    sections.retain(|section, _| section == "services");
    let services = sections.get_mut("services");
    for entry in services.into_iter().filter_map(|it| it.value.map_mut()) {
        for service in entry.values_mut().filter_map(|it| it.value.map_mut()) {
            service.retain(|key, _| key == "image");
        }
    }
}

/// The images of the services of a tree.
pub fn images(root: &mut Node) -> impl Iterator<Item = &mut String> {
    let services = root.entry_mut("services").and_then(Node::map_mut);
    let services = services.into_iter().flat_map(|map| map.values_mut());
    services.filter_map(|entry| match entry.value.entry_mut("image") {
        Some(Node {
            value: Value::String(image),
            ..
        }) => Some(image),
        _ => None,
    })
}

impl Canonical {
    /// Whether a service is brought up by a program outside.
    pub fn has_providers(&self) -> bool {
        let services = self
            .root
            .get("services")
            .into_iter()
            .flat_map(Node::entries);
        let mut services = services.map(|(_, entry)| &entry.value);
        services.any(|service| service.get("provider").is_some())
    }

    /// JSON on one line, that [`Canonical::parse`] reads back.
    pub fn text(&self) -> String {
        let mut value = to_json(&self.root);
        let path = |path: &PathBuf| serde_json::Value::from(path.to_string_lossy());
        let disabled = self.disabled.iter().map(|name| name.as_str());
        let variables = self.variables.iter();
        let variables = variables.map(|(name, value)| (name.clone(), value.as_str().into()));
        let variables: serde_json::Map<String, serde_json::Value> = variables.collect();
        let extension = serde_json::json!({
            "directory": path(&self.directory),
            "files": self.files.iter().map(path).collect::<Vec<_>>(),
            "disabled": disabled.collect::<Vec<_>>(),
            "environment": variables,
        });
        value["name"] = self.name.as_str().into();
        value[EXTENSION] = extension;
        value.to_string()
    }

    /// Reads the text back. No file and no variable is looked at.
    pub fn parse(text: &str) -> Result<Self, Diagnostics> {
        let broken = |problem: String| {
            let message = format!("this is not the canonical text of a project: {problem}");
            Diagnostics::single("canonical", message, None)
        };
        let mut json: serde_json::Value =
            serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
        let extension = json
            .as_object_mut()
            .and_then(|fields| fields.remove(EXTENSION));
        extension
            .and_then(|extension| Self::assemble(json, &extension))
            .ok_or_else(|| broken("it has no name, folder or files".to_owned()))
    }

    fn assemble(json: serde_json::Value, extension: &serde_json::Value) -> Option<Self> {
        let texts = |key: &str| -> Option<Vec<&str>> {
            let items = extension.get(key)?.as_array()?;
            items.iter().map(serde_json::Value::as_str).collect()
        };
        let disabled = texts("disabled")?.into_iter().map(ServiceName::new);
        let variables = extension.get("environment")?.as_object()?.iter();
        let variable = |(name, value): (&String, &serde_json::Value)| {
            Some((name.clone(), value.as_str()?.to_owned()))
        };
        Some(Self {
            name: ProjectName::new(json.get("name")?.as_str()?).ok()?,
            directory: PathBuf::from(extension.get("directory")?.as_str()?),
            files: texts("files")?.into_iter().map(PathBuf::from).collect(),
            disabled: disabled.collect::<Result<_, _>>().ok()?,
            variables: variables.map(variable).collect::<Option<_>>()?,
            root: node(json),
            interpolated: true,
        })
    }

    /// The service `name`.
    pub fn service(&self, name: &str) -> Option<&Node> {
        self.root.get("services")?.get(name)
    }

    /// The names of a section.
    pub fn names(&self, section: &str) -> impl Iterator<Item = &str> {
        let section = self.root.get(section).into_iter();
        section
            .flat_map(Node::entries)
            .map(|(name, _)| name.as_str())
    }

    /// The content of a secret or config, where it is not a file.
    pub fn content(&self, object: &Node) -> Option<FileContent> {
        if let Some(text) = object.text_at("content") {
            return Some(FileContent::Inline(text.to_owned()));
        }
        let name = object.text_at("environment")?;
        let value = self.variables.get(name)?;
        Some(FileContent::Environment(name.to_owned(), value.clone()))
    }
}

fn node(json: serde_json::Value) -> Node {
    let value = match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(whole)) => Value::Unsigned(whole),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::String(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(node).collect()),
        serde_json::Value::Object(fields) => Value::Map(Box::new(map(fields))),
    };
    Node::new(value, Span::default())
}

fn map(fields: serde_json::Map<String, serde_json::Value>) -> Map {
    let entry = |value| Entry {
        key: Span::default(),
        value: node(value),
    };
    let entries = fields.into_iter().map(|(key, value)| (key, entry(value)));
    entries.collect()
}
