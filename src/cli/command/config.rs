//! `config`.

use super::show;
use crate::cli::args::{Config, ConfigFormat};
use crate::cli::context::{Context, no_such_service};
use crate::cli::exit::{Error, Exit};
use crate::compose::Loaded;
use crate::compose::fingerprint;
use crate::compose::render;
use crate::id::ServiceName;
use std::collections::BTreeSet;

/// Checks the file and prints it, or a part of it.
pub fn run(context: &Context, args: &Config) -> Result<Exit, Error> {
    let mut options = context.options()?;
    options.interpolate = !args.no_interpolate;
    options.services = args.services.clone();
    options.narrow = true;
    if args.profiles {
        // also those that are not active
        options.profiles = vec!["*".to_owned()];
    }
    let loaded = context.load(&options)?;
    if args.quiet {
        return Ok(Exit::Done);
    }
    let text = text(args, &loaded)?;
    let Some(file) = &args.output else {
        return show(context, &text);
    };
    std::fs::write(file, text).map_err(Error::io(format!("write `{}`", file.display())))?;
    Ok(Exit::Done)
}

fn text(args: &Config, loaded: &Loaded) -> Result<String, Error> {
    let project = &loaded.project;
    let services = project.services.values();
    if args.list_services {
        return Ok(lines(project.services.keys()));
    }
    if args.volumes {
        return Ok(lines(project.volumes.keys()));
    }
    if args.networks {
        return Ok(lines(project.networks.keys()));
    }
    if args.images {
        return Ok(lines(services.map(|service| &service.image)));
    }
    if args.profiles {
        let profiles: BTreeSet<_> = services.flat_map(|service| &service.profiles).collect();
        return Ok(lines(profiles));
    }
    if let Some(wanted) = &args.hash {
        return hashes(wanted, loaded);
    }
    Ok(match args.format {
        ConfigFormat::Yaml => render::yaml(&loaded.canonical),
        ConfigFormat::Json => render::json(&loaded.canonical),
    })
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
            let known = services.keys().map(ServiceName::as_str);
            return Err(no_such_service(name, known));
        }
        let hash = fingerprint::service(&loaded.canonical, name);
        text.push_str(&format!("{name} {}\n", hash.hex()));
    }
    Ok(text)
}

fn lines(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    names.into_iter().map(|name| format!("{name}\n")).collect()
}
