//! `publish`: the compose files go to a registry.

use super::{config, show};
use crate::cli::args::Publish;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::compose::Loaded;
use crate::compose::publish::{File, Kind, publish};
use crate::compose::yaml::Node;
use crate::engine;

/// The name of the override with the digests of images.
const DIGESTS: &str = "image-digests.yaml";

/// Publishes the files of the project, with what they name.
pub fn run(context: &Context, args: Publish) -> Result<Exit, Error> {
    let mut options = context.options()?;
    options.profiles = vec!["*".to_owned()];
    options.resolve_env = false;
    let loaded = context.load(&options)?;
    check(&loaded, args.with_env)?;
    if context.global.dry_run {
        return super::would(context, &format!("publish to `{}`", args.repository));
    }
    if !args.yes && !agrees(context, &loaded) {
        return Err(Error::failed("nothing was published"));
    }
    let lookup = |name: &str| loaded.origins.environment.get(name).map(String::as_str);
    let mut files = publish(&loaded.project.files, &lookup)
        .map_err(|error| Error::hinted(error.to_string(), error.hint()))?;
    if args.resolve_image_digests {
        files.push(File {
            kind: Kind::Compose,
            name: DIGESTS.to_owned(),
            text: config::digests(context, loaded)?,
        });
    }
    let published = engine::publish(engine::Publish {
        repository: args.repository,
        files,
        insecure: args.insecure,
        plain: args.oci_version == "1.0",
        settings: super::registries(context)?,
    })?;
    show(
        context,
        &format!(
            "{}: digest: {} size: {}\n",
            published.tag, published.digest, published.size
        ),
    )
}

/// Refuses what nobody could run, and what may be a secret.
fn check(loaded: &Loaded, with_env: bool) -> Result<(), Error> {
    let says = |node: &Node, key: &str| node.get(key).is_some_and(|node| !node.is_null());
    let only_built = |service: &Node| says(service, "build") && !says(service, "image");
    if let Some((name, _)) = services(loaded).find(|(_, service)| only_built(service)) {
        return Err(Error::hinted(
            format!(
                "service `{name}` has no image, only `build`: nobody could run what is published"
            ),
            "name its image with `image`, and push that first",
        ));
    }
    if with_env {
        return Ok(());
    }
    let mut told: Vec<String> = Vec::new();
    for (name, service) in services(loaded) {
        for key in ["env_file", "environment"] {
            if says(service, key) {
                told.push(format!("`{key}` of service `{name}`"));
            }
        }
    }
    for (name, config) in section(loaded, "configs") {
        if says(config, "environment") {
            told.push(format!("`environment` of config `{name}`"));
        }
    }
    match told.as_slice() {
        [] => Ok(()),
        told => Err(Error::hinted(
            format!("not everybody may be meant to read {}", told.join(", ")),
            "publish it with `--with-env`, or take it out of the compose file",
        )),
    }
}

/// Asks about what says something of this machine.
fn agrees(context: &Context, loaded: &Loaded) -> bool {
    let mut told = String::new();
    for (name, service) in services(loaded) {
        let mounts = service.get("volumes").map_or(&[][..], Node::items);
        let bound = mounts
            .iter()
            .filter(|mount| mount.text_at("type") == Some("bind"));
        for source in bound.filter_map(|mount| mount.text_at("source")) {
            told.push_str(&format!(
                "service `{name}` mounts `{source}`: its content is not published, its place is\n"
            ));
        }
        for (variable, _) in service
            .get("environment")
            .into_iter()
            .flat_map(Node::entries)
        {
            told.push_str(&format!(
                "service `{name}` sets `{variable}`: its value is published\n"
            ));
        }
    }
    if told.is_empty() {
        return true;
    }
    context.view.note(&told);
    context.view.confirm("Publish it?")
}

fn services(loaded: &Loaded) -> impl Iterator<Item = (&String, &Node)> {
    section(loaded, "services")
}

fn section<'a>(loaded: &'a Loaded, name: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
    let entries = loaded
        .canonical
        .root
        .get(name)
        .into_iter()
        .flat_map(Node::entries);
    entries.map(|(name, entry)| (name, &entry.value))
}
