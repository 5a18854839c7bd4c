//! `network …` and `volume …`: those of the whole installation.

use super::{pairs, show};
use crate::cli::args::resources::{CreateVolume, Inspect};
use crate::cli::args::{Network, Volume};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::document::Document;
use crate::cli::view::resources::{
    NETWORKS, VOLUMES, inspect_network, inspect_volume, network as network_row,
    volume as volume_row,
};
use crate::engine;
use crate::id::VolumeName;
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs a `network` command.
pub fn network(context: &Context, args: Network) -> Result<Exit, Error> {
    let engine = context.engine();
    match args {
        Network::Ls(args) => {
            let form = super::form(&NETWORKS, &args.format)?;
            let filters = filters(&args.filter)?;
            let mut list = engine::networks(&engine)?;
            list.retain(|it| {
                filters.iter().all(|filter| match filter {
                    Filter::Name(text) => it.name.as_str().contains(text.as_str()),
                    Filter::Label(key, wanted) => has_label(&it.labels, key, wanted.as_ref()),
                    Filter::Dangling(wanted) => it.containers.is_empty() == *wanted,
                })
            });
            if args.quiet {
                let names: String = list.iter().map(|it| format!("{}\n", it.name)).collect();
                return show(context, &names);
            }
            let rows: Vec<_> = list.iter().map(network_row).collect();
            show(
                context,
                &NETWORKS.fitted(&rows, &form, context.view.columns())?,
            )
        }
        Network::Create(args) => super::network_create::run(context, &args),
        Network::Inspect(args) => {
            let list = engine::networks(&engine)?;
            let find = |name: &str| list.iter().find(|it| it.name.as_str() == name);
            inspect(context, "network", &args, |name| {
                find(name).map(inspect_network)
            })
        }
        Network::Rm(args) => each(context, &args.names, "remove network", |name| {
            let known = engine::networks(&engine)?;
            if args.force && !known.iter().any(|it| it.name.as_str() == name) {
                return Ok(());
            }
            engine::remove_network(&engine, name, &mut |_| ())
        }),
        Network::Prune(args) => {
            let unused = engine::networks(&engine)?.into_iter();
            let unused: Vec<String> = unused
                .filter(|it| it.containers.is_empty())
                .filter(|it| engine::ps(&engine, &it.project).is_ok_and(|all| all.is_empty()))
                .map(|it| it.name.to_string())
                .collect();
            prune(context, "networks", &unused, args.force, |name| {
                // Its project's other networks may have gone with the first.
                let known = engine::networks(&engine)?;
                match known.iter().any(|it| it.name.as_str() == name) {
                    true => engine::remove_network(&engine, name, &mut |_| ()),
                    false => Ok(()),
                }
            })
        }
    }
}

/// Runs a `volume` command.
pub fn volume(context: &Context, args: Volume) -> Result<Exit, Error> {
    let engine = context.engine();
    match args {
        Volume::Ls(args) => {
            let form = super::form(&VOLUMES, &args.format)?;
            let filters = filters(&args.filter)?;
            let mut list = engine::volumes(&engine)?;
            list.retain(|it| filters.iter().all(|filter| takes(filter, it)));
            if args.quiet {
                let names: String = list.iter().map(|it| format!("{}\n", it.name)).collect();
                return show(context, &names);
            }
            let rows: Vec<_> = list.iter().map(volume_row).collect();
            show(
                context,
                &VOLUMES.fitted(&rows, &form, context.view.columns())?,
            )
        }
        Volume::Create(args) => create_volume(context, args),
        Volume::Inspect(args) => {
            let list = engine::volumes(&engine)?;
            let find = |name: &str| list.iter().find(|it| it.name.as_str() == name);
            inspect(context, "volume", &args, |name| {
                find(name).map(inspect_volume)
            })
        }
        Volume::Rm(args) => each(context, &args.names, "remove volume", |name| {
            let known = engine::volumes(&engine)?;
            if args.force && !known.iter().any(|it| it.name.as_str() == name) {
                return Ok(());
            }
            engine::remove_volume(&engine, name)
        }),
        Volume::Prune(args) => {
            let unused = engine::volumes(&engine)?.into_iter();
            let unused: Vec<String> = unused
                .filter(|it| it.containers.is_empty() && (args.all || it.anonymous))
                .map(|it| it.name.to_string())
                .collect();
            prune(context, "volumes", &unused, args.force, |name| {
                engine::remove_volume(&engine, name)
            })
        }
    }
}

fn create_volume(context: &Context, args: CreateVolume) -> Result<Exit, Error> {
    let anonymous = args.name.is_none();
    let name = args.name;
    let name = name.unwrap_or_else(|| crate::id::ContainerId::random().to_string());
    let name = VolumeName::new(&name).map_err(|error| Error::usage(error.to_string(), None))?;
    let mut new = engine::NewVolume {
        driver_opts: pairs(&args.opt),
        labels: pairs(&args.label),
    };
    if anonymous {
        let label = "com.docker.volume.anonymous".to_owned();
        new.labels.insert(label, String::new());
    }
    if context.global.dry_run {
        return super::would(context, &format!("create volume {name}"));
    }
    engine::create_volume(&context.engine(), &name, new)?;
    show(context, &format!("{name}\n"))
}

enum Filter {
    Name(String),
    Label(String, Option<String>),
    Dangling(bool),
}

fn filters(texts: &[String]) -> Result<Vec<Filter>, Error> {
    let read = |text: &String| match text.split_once('=') {
        Some(("name", name)) => Some(Filter::Name(name.to_owned())),
        Some(("label", label)) => Some(match label.split_once('=') {
            Some((key, value)) => Filter::Label(key.to_owned(), Some(value.to_owned())),
            None => Filter::Label(label.to_owned(), None),
        }),
        Some(("dangling", "true" | "1")) => Some(Filter::Dangling(true)),
        Some(("dangling", "false" | "0")) => Some(Filter::Dangling(false)),
        _ => None,
    };
    let known = "write `name=TEXT`, `label=KEY[=VALUE]` or `dangling=true`";
    texts
        .iter()
        .map(|text| {
            read(text).ok_or_else(|| {
                Error::usage(format!("invalid filter `{text}`"), Some(known.to_owned()))
            })
        })
        .collect()
}

fn has_label(labels: &BTreeMap<String, String>, key: &str, wanted: Option<&String>) -> bool {
    let value = labels.get(key);
    value.is_some_and(|value| wanted.is_none_or(|wanted| wanted == value))
}

fn takes(filter: &Filter, volume: &engine::Volume) -> bool {
    match filter {
        Filter::Name(text) => volume.name.as_str().contains(text.as_str()),
        Filter::Label(key, wanted) => has_label(&volume.labels, key, wanted.as_ref()),
        Filter::Dangling(wanted) => volume.containers.is_empty() == *wanted,
    }
}

/// Prints what is known; a name that is not there is an error after the others were shown.
pub fn inspect(
    context: &Context,
    kind: &str,
    args: &Inspect,
    find: impl Fn(&str) -> Option<Value>,
) -> Result<Exit, Error> {
    let format = Documents::read(args.format.as_deref())?;
    let names = &args.names;
    let found: Vec<Value> = names.iter().filter_map(|name| find(name)).collect();
    show(context, &format.render(&found)?)?;
    match names.iter().find(|name| find(name).is_none()) {
        Some(name) => Err(Error::hinted(
            format!("no such {kind}: `{name}`"),
            format!("hoist {kind} ls"),
        )),
        None => Ok(Exit::Done),
    }
}

/// How `inspect` shows what it found.
pub enum Documents {
    /// All as one array.
    Array,
    /// One a line.
    Lines,
    /// By a template, one after the other.
    Template(Document),
}

impl Documents {
    /// Reads `--format`.
    pub fn read(format: Option<&str>) -> Result<Self, Error> {
        match format {
            None | Some("") => Ok(Self::Array),
            Some("json") => Ok(Self::Lines),
            Some(text) => Ok(Self::Template(Document::parse(text)?)),
        }
    }

    /// The text of all that was found.
    pub fn render(&self, found: &[Value]) -> Result<String, Error> {
        let mut text = String::new();
        match self {
            Self::Array => text = serde_json::to_string_pretty(found).unwrap_or_default() + "\n",
            Self::Lines => found.iter().for_each(|it| text += &format!("{it}\n")),
            Self::Template(template) => {
                for it in found {
                    text += &template.render(it)?;
                    text.push('\n');
                }
            }
        }
        Ok(text)
    }
}

/// Does something to each, and prints the names it was done to; the first error ends it.
pub fn each(
    context: &Context,
    names: &[String],
    words: &str,
    act: impl Fn(&str) -> Result<(), engine::Error>,
) -> Result<Exit, Error> {
    for name in names {
        if context.global.dry_run {
            super::would(context, &format!("{words} {name}"))?;
            continue;
        }
        act(name)?;
        show(context, &format!("{name}\n"))?;
    }
    Ok(Exit::Done)
}

/// The same to what nobody uses, once the user agrees.
pub fn prune(
    context: &Context,
    kind: &str,
    names: &[String],
    force: bool,
    act: impl Fn(&str) -> Result<(), engine::Error>,
) -> Result<Exit, Error> {
    if names.is_empty() {
        context.view.note(&format!("No {kind} to remove\n"));
        return Ok(Exit::Done);
    }
    if !force && !context.global.dry_run {
        let question = format!("Going to remove {}\nAre you sure?", names.join(", "));
        if !context.view.confirm(&question) {
            return Ok(Exit::Done);
        }
    }
    each(context, names, "remove", act)
}
