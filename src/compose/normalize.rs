//! Makes explicit what a file leaves unsaid: the default network, implied dependencies, values from the environment.
//!
//! Invariant: idempotent: what comes out changes nothing when it comes in again.

use super::diagnostic::Report;
use super::dotenv;
use super::dotenv::Variables;
use super::model::Condition;
use super::model::Dependency;
use super::model::FileContent;
use super::model::FileObject;
use super::model::NamespaceOf;
use super::model::Network;
use super::model::NetworkMode;
use super::model::ServiceNetwork;
use super::parse::Document;
use super::parse::Draft;
use super::parse::EnvFile;
use super::parse::Origin;
use super::source;
use super::source::Source;
use super::source::SourceMap;
use crate::id::NetworkName;
use crate::id::ProjectName;
use crate::id::ServiceName;
use indexmap::IndexMap;

/// The variables of the project: name to value.
pub type Environment = std::collections::BTreeMap<String, String>;

/// What normalizing needs to know.
pub struct Surroundings<'a> {
    /// The project's name.
    pub project: &'a ProjectName,
    /// Variables.
    pub environment: &'a Environment,
    /// Where a service's `env_file` is added when it is read.
    pub sources: &'a mut SourceMap,
    /// Where problems go.
    pub report: &'a mut Report,
    /// What file names are shown relative to.
    pub working_directory: &'a std::path::Path,
}

/// Completes all services.
pub fn services(document: &mut Document, around: &mut Surroundings<'_>) {
    let mut default_used = false;
    for draft in document.services.entries.values_mut() {
        environment(draft, around);
        implied_dependencies(draft);
        let service = &mut draft.service;
        if service.network_mode != NetworkMode::Networks {
            continue;
        }
        if service.networks.is_empty() {
            let membership = ServiceNetwork::default();
            service.networks.insert("default".to_owned(), membership);
        }
        default_used |= service.networks.contains_key("default");
    }
    if default_used && !document.networks.entries.contains_key("default") {
        let name = NetworkName::new(format!("{}_default", around.project))
            .expect("a project name and `_default` are made of the characters of a network name");
        let network = default_network(name);
        document
            .networks
            .entries
            .insert("default".to_owned(), network);
    }
}

fn default_network(name: NetworkName) -> Network {
    Network {
        name,
        external: false,
        driver: None,
        driver_opts: IndexMap::new(),
        internal: false,
        enable_ipv6: false,
        subnets: Vec::new(),
        labels: IndexMap::new(),
    }
}

/// `env_file` below `environment`; variables without a value get that of the project, if it has one.
fn environment(draft: &mut Draft, around: &mut Surroundings<'_>) {
    let mut all: IndexMap<String, Option<String>> = IndexMap::new();
    let mut from_files = Variables::new();
    for file in &draft.env_files {
        read_env_file(file, draft, around, &mut from_files);
    }
    all.extend(
        from_files
            .into_iter()
            .map(|(key, value)| (key, Some(value))),
    );
    for (key, (value, _)) in std::mem::take(&mut draft.environment) {
        let value = value.or_else(|| around.environment.get(&key).cloned());
        all.insert(key, value);
    }
    draft.service.environment = all;
}

fn read_env_file(
    file: &EnvFile,
    draft: &Draft,
    around: &mut Surroundings<'_>,
    into: &mut Variables,
) {
    let text = match source::read(&file.path) {
        Ok(text) => text,
        Err(error) if error.is_missing() && !file.required => return,
        Err(error) if error.is_missing() => {
            let name = source::display_name(around.working_directory, &file.path);
            let message = format!("there is no file `{name}`");
            around
                .report
                .error("missing-file", message)
                .at(file.span)
                .hint("create it, or write `{path: …, required: false}`");
            return;
        }
        Err(error) => {
            around
                .report
                .error("unreadable-file", with_cause(&error))
                .at(file.span);
            return;
        }
    };
    let lookup = |name: &str| {
        let own = || {
            draft
                .environment
                .get(name)
                .and_then(|(value, _)| value.clone())
        };
        around.environment.get(name).cloned().or_else(own)
    };
    let index = around.sources.add(Source {
        name: source::display_name(around.working_directory, &file.path),
        directory: file.path.parent().unwrap_or(&file.path).to_owned(),
        text: text.as_str().into(),
    });
    match file.raw {
        true => dotenv::parse_raw(&text, index, &lookup, into, around.report),
        false => dotenv::parse(&text, index, &lookup, into, around.report),
    }
}

/// An error with its causes on one line.
pub fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_cause(cause)),
        None => error.to_string(),
    }
}

/// Using another service's name or namespace means to need it.
fn implied_dependencies(draft: &mut Draft) {
    let service = &mut draft.service;
    let mut needed: Vec<ServiceName> = service.links.iter().map(|(name, _)| name.clone()).collect();
    if let NetworkMode::Service(name) = &service.network_mode {
        needed.push(name.clone());
    }
    for namespace in [&service.pid, &service.ipc] {
        if let Some(NamespaceOf::Service(name)) = namespace {
            needed.push(name.clone());
        }
    }
    for name in needed {
        service.depends_on.entry(name).or_insert(Dependency {
            condition: Condition::Started,
            required: true,
            restart: true,
        });
    }
}

/// Looks up where the bytes of a secret or config come from; the environment only now that it is known to be used.
pub fn file_object(
    name: String,
    origin: Origin,
    environment: &Environment,
    report: &mut Report,
) -> Option<FileObject> {
    let content = match origin {
        Origin::File(path) => FileContent::File(path),
        Origin::Inline(text) => FileContent::Inline(text),
        Origin::Environment(variable, span) => match environment.get(&variable) {
            Some(value) => FileContent::Environment(variable, value.clone()),
            None => {
                report
                    .error(
                        "required-variable",
                        format!("variable `{variable}` is not set"),
                    )
                    .at(span)
                    .hint(format!("set it: `export {variable}=…`"));
                return None;
            }
        },
    };
    Some(FileObject { name, content })
}
