//! What `develop.watch` of a service says.

use super::ignore::Patterns;
use crate::compose::Canonical;
use crate::compose::yaml::Node;
use std::path::{Path, PathBuf};

/// What editors and tools leave for a moment, and what belongs to git: never of interest.
const PASSING: [&str; 14] = [
    "**/.git",
    "**/*___jb_old___",
    "**/*___jb_tmp___",
    "**/.idea",
    "**/.#*",
    "**/#*#",
    "**/4913",
    "**/*~",
    "**/.*.swp",
    "**/.*.swx",
    "**/.*.swo",
    "**/.*.swn",
    "**/.*.kate-swp",
    "**/.~lock.*",
];

/// What is done after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The files are copied.
    Sync,
    /// The files are copied, then the service is restarted.
    SyncRestart,
    /// The files are copied, then a command runs in the container.
    SyncExec(Exec),
    /// The service is restarted.
    Restart,
    /// The image would be built anew.
    Rebuild,
}

/// `exec` of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exec {
    /// Argument vector.
    pub command: Vec<String>,
    /// As whom.
    pub user: Option<String>,
    /// Where.
    pub workdir: Option<String>,
    /// With all capabilities.
    pub privileged: bool,
    /// `KEY=value`.
    pub env: Vec<String>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its service.
    pub service: String,
    /// What is watched, absolute.
    pub path: PathBuf,
    /// What is done.
    pub act: Act,
    /// Where files go in the container.
    pub target: PathBuf,
    /// Copy everything once, when watching begins.
    pub initial_sync: bool,
    ignore: Patterns,
    include: Patterns,
    passing: Patterns,
    context: Option<(PathBuf, Patterns)>,
}

impl Rule {
    /// All rules of a service, in the order of the file.
    pub fn of(canonical: &Canonical, service: &str) -> Vec<Self> {
        let Some(node) = canonical.service(service) else {
            return Vec::new();
        };
        let rules = node.get("develop").and_then(|develop| develop.get("watch"));
        let rules = rules.map_or(&[][..], Node::items);
        let context = dockerignore(node);
        rules
            .iter()
            .filter_map(|rule| Self::read(service, rule, context.clone()))
            .collect()
    }

    fn read(service: &str, node: &Node, context: Option<(PathBuf, Patterns)>) -> Option<Self> {
        let exec = || read_exec(node.get("exec"));
        let act = match node.text_at("action")? {
            "sync" => Act::Sync,
            "sync+restart" => Act::SyncRestart,
            "sync+exec" => Act::SyncExec(exec()),
            "restart" => Act::Restart,
            _ => Act::Rebuild,
        };
        let list = |key: &str| {
            let items = node.get(key).map_or(&[][..], Node::items);
            Patterns::new(items.iter().filter_map(Node::as_str))
        };
        let flag = |key: &str| {
            matches!(
                node.get(key).map(|it| &it.value),
                Some(crate::compose::yaml::Value::Bool(true))
            )
        };
        Some(Self {
            service: service.to_owned(),
            path: PathBuf::from(node.text_at("path")?),
            act,
            target: PathBuf::from(node.text_at("target").unwrap_or("/")),
            initial_sync: flag("initial_sync"),
            ignore: list("ignore"),
            include: list("include"),
            passing: Patterns::new(PASSING),
            context,
        })
    }

    /// Where below the rule's path a changed path is, if the rule is about it.
    pub fn concerns(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.path).ok()?;
        let text = below.to_string_lossy();
        if !text.is_empty() {
            let in_context = self.context.as_ref().is_some_and(|(root, patterns)| {
                let below = path.strip_prefix(root).ok();
                below.is_some_and(|below| patterns.matches(&below.to_string_lossy()))
            });
            let left_out = in_context || self.ignore.matches(&text) || self.passing.matches(&text);
            if left_out || !self.includes(path, &text) {
                return None;
            }
        }
        Some(below.to_owned())
    }

    /// A folder may hold something that is included.
    fn includes(&self, path: &Path, text: &str) -> bool {
        self.include.is_empty() || path.is_dir() || self.include.matches(text)
    }
}

fn read_exec(node: Option<&Node>) -> Exec {
    let Some(node) = node else {
        return Exec::default();
    };
    let command = match node.get("command") {
        Some(list) if !list.items().is_empty() => list
            .items()
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        Some(text) => text
            .as_str()
            .map(|text| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
            .unwrap_or_default(),
        None => Vec::new(),
    };
    let env = node.get("environment").into_iter().flat_map(Node::entries);
    Exec {
        command,
        user: node.text_at("user").map(str::to_owned),
        workdir: node.text_at("working_dir").map(str::to_owned),
        privileged: matches!(
            node.get("privileged").map(|it| &it.value),
            Some(crate::compose::yaml::Value::Bool(true))
        ),
        env: env
            .filter_map(|(key, entry)| Some(format!("{key}={}", entry.value.as_str()?)))
            .collect(),
    }
}

/// The build context of a service, and what its `.dockerignore` leaves out.
fn dockerignore(service: &Node) -> Option<(PathBuf, Patterns)> {
    let context = service.get("build")?.text_at("context")?;
    let context = PathBuf::from(context);
    let text = std::fs::read_to_string(context.join(".dockerignore")).ok()?;
    Some((context, Patterns::of_file(&text)))
}
