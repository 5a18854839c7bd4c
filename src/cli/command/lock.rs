//! `lock` and `vendor`.

use super::show;
use crate::cli::args::{LockImages, Vendor};
use crate::cli::context::{Context, no_such_service};
use crate::cli::exit::{Error, Exit};
use crate::compose::Loaded;
use crate::engine;
use crate::id::ServiceName;
use std::collections::BTreeSet;

/// Writes `compose.lock`.
pub fn lock(context: &Context, args: &LockImages) -> Result<Exit, Error> {
    super::refuse_dry_run(context, "lock")?;
    let loaded = context.load(&context.options()?)?;
    let services: Vec<ServiceName> = loaded.project.services.keys().cloned().collect();
    let known = || services.iter().map(ServiceName::as_str);
    if let Some(name) = args.services.iter().find(|name| !services.contains(name)) {
        return Err(no_such_service(name.as_str(), known()));
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
    let update: BTreeSet<String> = images_of(&loaded, updated);
    let policy = engine::Policy {
        flag: None,
        otherwise: engine::When::Missing,
    };
    let request = engine::Pull {
        images: engine::wanted(&loaded, &services, policy),
        settings: super::registries(context)?,
        ignore_failures: false,
        tell_skipped: false,
    };
    let lock = of_project(&loaded, &services, false);
    let mut progress = context.progress("lock");
    let changed = engine::lock(
        &context.engine(),
        &lock,
        (&request, &args.platform),
        &update,
        &mut |event| progress.event(event),
    )?;
    drop(progress);
    let lines = changed.iter().map(|name| format!("Locked: {name}\n"));
    show(context, &lines.collect::<String>())
}

/// Puts all that is locked into one OCI layout.
pub fn vendor(context: &Context, args: &Vendor) -> Result<Exit, Error> {
    super::refuse_dry_run(context, "vendor")?;
    let loaded = context.load(&context.options()?)?;
    let lock = of_project(&loaded, &[], false);
    let count = engine::vendor(&context.engine(), &lock, &args.dir)?;
    show(
        context,
        &format!("Vendored {count} images into {}\n", args.dir.display()),
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

fn images_of(loaded: &Loaded, services: &[ServiceName]) -> BTreeSet<String> {
    let all = &loaded.project.services;
    let chosen = services.iter().filter_map(|name| all.get(name));
    chosen.map(|service| service.image.clone()).collect()
}
