//! `lock` and `vendor`.

use super::show;
use crate::cli::args::{LockImages, Vendor};
use crate::cli::context::{Context, no_such_service};
use crate::cli::exit::{Error, Exit};
use crate::compose::Loaded;
use crate::engine;
use crate::id::ServiceName;
use std::collections::BTreeMap;

/// Writes `compose.lock`.
pub fn lock(context: &Context, args: &LockImages) -> Result<Exit, Error> {
    super::refuse_dry_run(context, "lock")?;
    let loaded = context.load(&context.options()?)?;
    let services: Vec<ServiceName> = loaded.project.services.keys().cloned().collect();
    if let Some(name) = args.services.iter().find(|name| !services.contains(name)) {
        return Err(no_such_service(name.as_str(), &loaded));
    }
    let updated = match (args.update, args.services.as_slice()) {
        (false, []) => &[],
        (false, _) => {
            let hint = Some("hoist lock --update SERVICE".to_owned());
            return Err(Error::usage(
                "`lock` names services with `--update` only",
                hint,
            ));
        }
        (true, []) => services.as_slice(),
        (true, named) => named,
    };
    let locking = engine::Locking {
        pull: request(context, &loaded)?,
        platforms: args.platform.clone(),
        update: images_of(&loaded, updated).into_keys().collect(),
    };
    let lock = of_project(&loaded, &services, false);
    let mut progress = context.progress("lock");
    let change = engine::lock(&context.engine(), &lock, &locking, &mut |event| {
        progress.event(event);
    })?;
    drop(progress);
    let mut text = String::new();
    for name in change.locked {
        text.push_str(&format!("Locked: {name}\n"));
    }
    for name in change.dropped {
        text.push_str(&format!("Dropped: {name}\n"));
    }
    show(context, &text)
}

/// Puts all that is locked into one OCI layout.
pub fn vendor(context: &Context, args: &Vendor) -> Result<Exit, Error> {
    super::refuse_dry_run(context, "vendor")?;
    let loaded = context.load(&context.options()?)?;
    let lock = of_project(&loaded, &[], false);
    let request = request(context, &loaded)?;
    let mut progress = context.progress("vendor");
    let count = engine::vendor(
        &context.engine(),
        &lock,
        (&args.dir, &request),
        &mut |event| progress.event(event),
    )?;
    drop(progress);
    let noun = if count == 1 { "image" } else { "images" };
    show(
        context,
        &format!("Vendored {count} {noun} into {}\n", args.dir.display()),
    )
}

/// The lock of a project and the images of these services.
pub fn of_project(loaded: &Loaded, services: &[ServiceName], offline: bool) -> engine::Lock {
    engine::Lock {
        file: loaded.project.directory.join(engine::LOCK_FILE),
        images: images_of(loaded, services),
        offline,
    }
}

/// How images come that are not here.
fn request(context: &Context, loaded: &Loaded) -> Result<engine::Pull, Error> {
    let services: Vec<ServiceName> = loaded.project.services.keys().cloned().collect();
    let policy = engine::Policy {
        flag: None,
        otherwise: engine::When::Missing,
        platform: context.env.get("DOCKER_DEFAULT_PLATFORM"),
    };
    Ok(engine::Pull {
        images: engine::wanted(loaded, &services, policy),
        settings: super::registries(context)?,
        ignore_failures: false,
        tell_skipped: false,
    })
}

/// What services run on and mount. `image: host` is the machine itself, and what is built here comes from no registry.
fn images_of(loaded: &Loaded, services: &[ServiceName]) -> BTreeMap<String, Option<String>> {
    let mut images = BTreeMap::new();
    let all = &loaded.project.services;
    for service in services.iter().filter_map(|name| all.get(name)) {
        if !loaded.is_buildable(&service.name) {
            images.insert(service.image.clone(), service.platform.clone());
        }
        for mounted in engine::mounted(service) {
            images.entry(mounted.to_owned()).or_insert(None);
        }
    }
    images.remove("host");
    images
}
