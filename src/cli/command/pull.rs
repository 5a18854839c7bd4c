//! `pull`: images of services, and images by name.

use super::show;
use crate::cli::args::{Pull, PullWhen};
use crate::cli::context::{Context, no_such_service};
use crate::cli::exit::{Error, Exit};
use crate::cli::view::progress::{Mode, Progress};
use crate::compose::Loaded;
use crate::engine;
use crate::engine::{Policy, Pulled, Wanted, When};
use crate::id::ServiceName;
use crate::state::event::Event;
use std::collections::HashSet;

/// What the words on the command line mean.
pub struct Targets {
    /// Services, with the project they belong to; no project if none of the words is a service.
    pub services: Option<(Loaded, Vec<ServiceName>)>,
    /// Names of images.
    pub images: Vec<String>,
}

impl Targets {
    /// What looks like an image (`a:b`, `a/b`, `a@b`) is one. Another word is a service; without a compose file, an image.
    pub fn of(context: &Context, words: &[String], include_deps: bool) -> Result<Self, Error> {
        let (images, words): (Vec<_>, Vec<_>) = words
            .iter()
            .cloned()
            .partition(|word| word.contains([':', '/', '@']));
        if words.is_empty() && !images.is_empty() {
            return Ok(Self {
                services: None,
                images,
            });
        }
        let options = context.options()?;
        let loaded = match context.try_load()? {
            Err(found) if !words.is_empty() && found.list.iter().any(|it| it.code == "no-file") => {
                return Ok(Self {
                    services: None,
                    images: [images, words].concat(),
                });
            }
            _ => context.load(&options)?,
        };
        let mut services = Vec::new();
        for word in &words {
            let name = ServiceName::new(word.clone()).ok();
            match name.filter(|name| loaded.project.services.contains_key(name)) {
                Some(name) => services.push(name),
                None => return Err(no_such_service(word, &loaded)),
            }
        }
        let services = match (services.is_empty(), include_deps) {
            (true, _) => loaded.project.services.keys().cloned().collect(),
            (false, true) => with_dependencies(&loaded, services),
            (false, false) => services,
        };
        Ok(Self {
            services: Some((loaded, services)),
            images,
        })
    }
}

/// Services with all that they depend on, in the order of the file.
fn with_dependencies(loaded: &Loaded, named: Vec<ServiceName>) -> Vec<ServiceName> {
    let mut wanted: HashSet<ServiceName> = HashSet::new();
    let mut next = named;
    while let Some(name) = next.pop() {
        if wanted.insert(name.clone())
            && let Some(service) = loaded.project.services.get(&name)
        {
            next.extend(service.depends_on.keys().cloned());
        }
    }
    let names = loaded.project.services.keys();
    names
        .filter(|name| wanted.contains(*name))
        .cloned()
        .collect()
}

/// Fetches what these services (all if none is named) and what they depend on lack, as `up` does.
pub fn needed(
    context: &Context,
    loaded: &Loaded,
    services: &[ServiceName],
    (pull, quiet): (Option<PullWhen>, bool),
) -> Result<(), Error> {
    if context.global.dry_run {
        return Ok(());
    }
    let services = match services {
        [] => loaded.project.services.keys().cloned().collect(),
        named => with_dependencies(loaded, named.to_vec()),
    };
    let policy = Policy {
        flag: pull.and_then(PullWhen::policy),
        otherwise: When::Missing,
        platform: context.env.get("DOCKER_DEFAULT_PLATFORM"),
    };
    let request = engine::Pull {
        images: engine::wanted(loaded, &services, policy),
        settings: super::registries(context)?,
        ignore_failures: false,
        tell_skipped: false,
    };
    let mut progress = context.progress("pull");
    let mut show = |event: &Event| {
        if !quiet {
            progress.event(event);
        }
    };
    engine::pull(&context.engine(), &request, &mut show, None)?;
    Ok(())
}

/// Fetches images.
pub fn run(context: &Context, args: &Pull) -> Result<Exit, Error> {
    let mut targets = match args.all_tags {
        true => every_tag(context, &args.targets)?,
        false => Targets::of(context, &args.targets, args.include_deps)?,
    };
    if let (true, Some((loaded, services))) = (args.ignore_buildable, &mut targets.services) {
        services.retain(|name| !loaded.is_buildable(name));
    }
    let policy = Policy {
        flag: args.policy.map(|policy| policy.word()),
        otherwise: When::Always,
        platform: context.env.get("DOCKER_DEFAULT_PLATFORM"),
    };
    let mut images: Vec<Wanted> = Vec::new();
    if let Some((loaded, services)) = &targets.services {
        images = engine::wanted(loaded, services, policy);
    }
    if let Some(platform) = &args.platform {
        for image in &mut images {
            image.platform = Some(platform.clone());
        }
    }
    images.extend(targets.images.iter().map(|image| Wanted {
        image: image.clone(),
        platform: args.platform.clone(),
        when: match args.policy {
            Some(crate::cli::args::PullPolicy::Missing) => When::Missing,
            _ => When::Always,
        },
        pin: None,
        place: None,
    }));
    if context.global.dry_run {
        return show(
            context,
            &images.iter().filter_map(would).collect::<String>(),
        );
    }
    let request = engine::Pull {
        images,
        settings: super::registries(context)?,
        ignore_failures: args.ignore_pull_failures,
        tell_skipped: true,
    };
    let mut progress = progress(context, "pull", args.quiet);
    let pulled = engine::pull(
        &context.engine(),
        &request,
        &mut |event| progress.event(event),
        None,
    )?;
    drop(progress);
    let told: String = match targets.services {
        Some(_) => String::new(),
        None => pulled.iter().map(|it| report(it, args.quiet)).collect(),
    };
    show(context, &told)
}

/// What would be done about an image.
fn would(wanted: &Wanted) -> Option<String> {
    let image = &wanted.image;
    // what is here by itself is fetched from nowhere
    if image == "host" || image.starts_with("oci:") {
        return None;
    }
    match wanted.when {
        When::Never(_) => None,
        When::Missing => Some(format!("fetch `{image}`, unless it is here\n")),
        _ => Some(format!("fetch `{image}`\n")),
    }
}

/// All images of these repositories.
fn every_tag(context: &Context, repositories: &[String]) -> Result<Targets, Error> {
    let settings = super::registries(context)?;
    let mut images = Vec::new();
    for repository in repositories {
        images.extend(engine::tags_there(settings.clone(), repository)?);
    }
    Ok(Targets {
        services: None,
        images,
    })
}

/// Progress of a verb, or none.
pub fn progress(context: &Context, verb: &'static str, quiet: bool) -> Progress {
    let mut view = context.view.clone();
    if quiet {
        view.mode = Mode::Quiet;
    }
    Progress::new(&view, verb)
}

/// The last lines of `docker pull`.
fn report(pulled: &Pulled, quiet: bool) -> String {
    if quiet {
        return format!("{}\n", pulled.name);
    }
    let status = match pulled.is_new {
        true => "Downloaded newer image for",
        false => "Image is up to date for",
    };
    format!(
        "Digest: {}\nStatus: {status} {}\n{}\n",
        pulled.digest, pulled.familiar, pulled.name
    )
}
