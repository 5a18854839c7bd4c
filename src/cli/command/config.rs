//! `config`.

use super::show;
use crate::cli::args::{Config, ConfigFormat};
use crate::cli::context::{Context, no_such_service};
use crate::cli::exit::{Error, Exit};
use crate::cli::view::config as view;
use crate::compose::LoadOptions;
use crate::compose::Loaded;
use crate::compose::canonical;
use crate::compose::explain;
use crate::compose::fingerprint;
use crate::compose::render;
use crate::compose::variables;
use crate::compose::yaml::Node;
use crate::engine;
use crate::id::ServiceName;
use std::collections::BTreeSet;
use std::mem::ManuallyDrop;

/// Checks the file and prints it, or a part of it.
pub fn run(context: &Context, args: &Config) -> Result<Exit, Error> {
    check_format(args)?;
    let options = options(context, args)?;
    let text = if args.no_interpolate || args.variables {
        written(context, args, &options)?
    } else if args.asks_for_part() {
        part(args, &context.load(&options)?)?
    } else {
        whole(context, args, &options)?
    };
    // As with docker compose, a part that is asked for is printed all the same.
    if text.is_empty() && args.quiet {
        return Ok(Exit::Done);
    }
    let Some(file) = &args.output else {
        return show(context, &text);
    };
    std::fs::write(file, text).map_err(Error::io(format!("write `{}`", file.display())))?;
    Ok(Exit::Done)
}

/// Pictures are only of graphs.
fn check_format(args: &Config) -> Result<(), Error> {
    use ConfigFormat::{Dot, Json, Mermaid, Svg, Yaml};
    let hint = |text: &str| Some(text.to_owned());
    match (args.format, args.graph) {
        (Some(Dot | Mermaid | Svg), false) => Err(Error::usage(
            "only a graph has this format",
            hint("add `--graph`"),
        )),
        (Some(_), false) if args.explain.is_some() => Err(Error::usage(
            "an explanation is text, and has no other format",
            hint("leave out `--format`"),
        )),
        (Some(Yaml | Json), true) => Err(Error::usage(
            "a graph is no `yaml` and no `json`",
            hint("its formats are `dot`, `mermaid` and `svg`; without `--format` it is a tree"),
        )),
        _ => Ok(()),
    }
}

fn options(context: &Context, args: &Config) -> Result<LoadOptions, Error> {
    let mut options = context.options()?;
    options.services = args.services.clone();
    options.narrow = true;
    options.normalize = !args.no_normalize && !context.compatibility();
    options.resolve_paths = !args.no_path_resolution;
    options.consistency = !args.no_consistency;
    options.resolve_env = !args.no_env_resolution;
    if args.profiles {
        // also those that are not active
        options.profiles = vec!["*".to_owned()];
    }
    Ok(options)
}

/// The tree with its variables, or what is asked about it.
fn written(context: &Context, args: &Config, options: &LoadOptions) -> Result<String, Error> {
    let mut tree = context.load_written(options)?;
    if args.variables {
        return Ok(view::variables(&variables(&tree.root), args.format));
    }
    let section = match () {
        () if args.list_services => Some("services"),
        () if args.volumes => Some("volumes"),
        () if args.networks => Some("networks"),
        () if args.models => Some("models"),
        () => None,
    };
    if let Some(section) = section {
        let entries = tree.root.get(section).into_iter().flat_map(Node::entries);
        return Ok(lines(entries.map(|(name, _)| name)));
    }
    if args.images {
        return Ok(lines(canonical::images(&mut tree.root)));
    }
    let other = [
        (args.hash.is_some(), "--hash"),
        (args.profiles, "--profiles"),
        (args.environment, "--environment"),
        (args.explain.is_some(), "--explain"),
        (args.graph, "--graph"),
    ];
    if let Some((_, flag)) = other.iter().find(|(given, _)| *given) {
        let message = format!("`{flag}` needs the values of variables");
        let hint = Some("leave out `--no-interpolate`".to_owned());
        return Err(Error::usage(message, hint));
    }
    pin(context, args, &mut tree.root)?;
    Ok(match args.format {
        _ if args.quiet => String::new(),
        Some(ConfigFormat::Json) => render::written_json(&tree.root),
        _ => render::written_yaml(&tree.root),
    })
}

/// What is asked about the project.
fn part(args: &Config, loaded: &Loaded) -> Result<String, Error> {
    if let Some(text) = names(args, loaded) {
        return Ok(text);
    }
    if args.environment {
        let variables = loaded.origins.environment.iter();
        return Ok(lines(
            variables.map(|(name, value)| format!("{name}={value}")),
        ));
    }
    if let Some(path) = &args.explain {
        return explain::explain(loaded, path)
            .map_err(|error| Error::hinted(error.to_string(), error.hint()));
    }
    if let Some(wanted) = &args.hash {
        return hashes(wanted, loaded);
    }
    Ok(graph(args.format, loaded))
}

/// The project as it is printed.
fn whole(context: &Context, args: &Config, options: &LoadOptions) -> Result<String, Error> {
    // What ends with the process is not taken apart before: of a large project that is a good part of the time.
    let mut resolved = ManuallyDrop::new(context.load_resolved(options)?);
    let canonical = &mut resolved.canonical;
    pin(context, args, &mut canonical.root)?;
    Ok(match args.format {
        _ if args.quiet => String::new(),
        Some(ConfigFormat::Json) => render::json(canonical),
        _ => render::yaml(canonical),
    })
}

/// The parts that are lists of names.
fn names(args: &Config, loaded: &Loaded) -> Option<String> {
    let project = &loaded.project;
    let services = project.services.values();
    if args.list_services {
        return Some(lines(project.services.keys()));
    }
    if args.volumes {
        return Some(lines(project.volumes.keys()));
    }
    if args.networks {
        return Some(lines(project.networks.keys()));
    }
    if args.models {
        let models = loaded.canonical.root.get("models");
        let models = models.into_iter().flat_map(Node::entries);
        let named = models.filter_map(|(_, entry)| entry.value.text_at("model"));
        return Some(lines(named));
    }
    if args.images {
        let images = services.map(|service| match service.image.as_str() {
            "" => format!("{}-{}", project.name, service.name),
            image => image.to_owned(),
        });
        return Some(lines(images));
    }
    if args.profiles {
        let profiles: BTreeSet<_> = services.flat_map(|service| &service.profiles).collect();
        return Some(lines(profiles));
    }
    None
}

fn graph(format: Option<ConfigFormat>, loaded: &Loaded) -> String {
    let project = &loaded.project;
    match format {
        Some(ConfigFormat::Svg) => render::svg(project),
        Some(ConfigFormat::Mermaid) => render::mermaid(project),
        Some(ConfigFormat::Dot) => {
            let graph = render::Graph {
                indent: "  ",
                networks: true,
                ports: true,
                image: true,
            };
            render::dot(project, &graph)
        }
        _ => render::tree(project),
    }
}

/// Puts digests for tags, if that is asked for.
fn pin(context: &Context, args: &Config, root: &mut Node) -> Result<(), Error> {
    if !args.resolve_image_digests && !args.lock_image_digests {
        return Ok(());
    }
    resolve(context, root)?;
    if args.lock_image_digests {
        canonical::only_images(root);
    }
    Ok(())
}

fn resolve(context: &Context, root: &mut Node) -> Result<(), Error> {
    let images: BTreeSet<String> = canonical::images(root).map(|image| image.clone()).collect();
    let pinned = engine::digests(super::registries(context)?, &images)?;
    for image in canonical::images(root) {
        if let Some(pinned) = pinned.get(image.as_str()) {
            image.clone_from(pinned);
        }
    }
    Ok(())
}

/// An override file with the digests of a project's images.
pub fn digests(context: &Context, mut loaded: Loaded) -> Result<String, Error> {
    resolve(context, &mut loaded.canonical.root)?;
    canonical::only_images(&mut loaded.canonical.root);
    Ok(render::yaml(&loaded.canonical))
}

/// `web 0123…`, a line a service.
fn hashes(wanted: &str, loaded: &Loaded) -> Result<String, Error> {
    let services = &loaded.project.services;
    let names: Vec<&str> = match wanted {
        "*" => services.keys().map(ServiceName::as_str).collect(),
        list => list.split(',').map(str::trim).collect(),
    };
    let mut text = String::new();
    for name in names {
        if !services.contains_key(name) {
            return Err(no_such_service(name, loaded));
        }
        let hash = fingerprint::service(&loaded.canonical, name);
        text.push_str(&format!("{name} {}\n", hash.hex()));
    }
    Ok(text)
}

fn lines(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    names.into_iter().map(|name| format!("{name}\n")).collect()
}
