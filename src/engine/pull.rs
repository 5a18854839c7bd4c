//! `pull`: images come here before anything else happens.
//!
//! It runs in the process that asks, see [`crate::image::registry`]; several images at once, each on a thread.

use super::transfer::{self, Outcome, Task};
use super::{Engine, Error};
use crate::compose::Loaded;
use crate::compose::model::{Mount, Service};
use crate::id::{Digest, ImageRef, ServiceName};
use crate::image::registry::{Client, PullRequest, Pulled, Settings};
use crate::image::{Name, Reference, Store};
use crate::state::event::Event;
use crate::state::event::What;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Whatever is here; what is here and the same is not fetched again.
    Always,
    /// If it is not here.
    Missing,
    /// If it is not here, or was last looked up longer ago than this.
    Older(Duration),
    /// Not at all; the text says why.
    Never(&'static str),
}

/// An image that somebody needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// As the user wrote it.
    pub image: String,
    /// `os/architecture[/variant]`, if not this machine's.
    pub platform: Option<String>,
    /// When to fetch it.
    pub when: When,
    /// The digest that it is to have.
    pub pin: Option<Digest>,
    /// Where the user wrote it: `file:line:column`.
    pub place: Option<String>,
}

/// Which images, and how.
#[derive(Debug, Clone)]
pub struct Pull {
    /// The images; one that is named twice is fetched once.
    pub images: Vec<Wanted>,
    /// What is configured about registries.
    pub settings: Settings,
    /// Go on after a failure.
    pub ignore_failures: bool,
    /// Tell of images that need no fetching, too.
    pub tell_skipped: bool,
}

/// What decides over the services' own pull policies, and what holds where they have none.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// `always`, `missing` or `never`, from the command line.
    pub flag: Option<&'a str>,
    /// Without any policy: `up` fetches what is missing, `pull` everything.
    pub otherwise: When,
    /// The platform of services that say none.
    pub platform: Option<&'a str>,
}

/// What services want.
pub fn wanted(loaded: &Loaded, services: &[ServiceName], policy: Policy<'_>) -> Vec<Wanted> {
    let all = &loaded.project.services;
    let otherwise = policy.platform.map(str::to_owned);
    let mut wanted = Vec::new();
    let with_image = |service: &&Service| !service.image.is_empty();
    for service in services
        .iter()
        .filter_map(|name| all.get(name))
        .filter(with_image)
    {
        let place = loaded.image_place(&service.name);
        wanted.push(Wanted {
            image: service.image.clone(),
            platform: service.platform.clone().or_else(|| otherwise.clone()),
            when: when(service, policy),
            pin: None,
            place: place.clone(),
        });
        let hooks = service.life.hooks.pre_start.iter();
        let of_hooks = hooks.filter_map(|hook| hook.image.as_deref());
        wanted.extend(mounted(service).chain(of_hooks).map(|image| Wanted {
            image: image.to_owned(),
            platform: None,
            when: match policy.flag {
                Some("never") => When::Never("its pull policy is never"),
                _ => When::Missing,
            },
            pin: None,
            place: place.clone(),
        }));
    }
    wanted
}

/// Images that a service mounts.
pub fn mounted(service: &Service) -> impl Iterator<Item = &str> {
    service.mounts.iter().filter_map(|mount| match mount {
        Mount::Image(image) => Some(image.source.as_str()),
        _ => None,
    })
}

fn when(service: &Service, policy: Policy<'_>) -> When {
    match (policy.flag, service.pull_policy.as_deref()) {
        (Some("always"), _) | (None, Some("always")) => When::Always,
        (Some("never"), _) | (None, Some("never")) => When::Never("its pull policy is never"),
        (Some(_), _) | (None, Some("missing" | "if_not_present")) => When::Missing,
        (None, Some("build")) => When::Never("it is built"),
        (None, Some(_)) => service.refresh_after().map_or(When::Missing, When::Older),
        (None, None) => policy.otherwise,
    }
}

/// Fetches images. Readability of `cancel` ends it; what has come stays for the next time.
pub fn pull(
    engine: &Engine,
    request: &Pull,
    on_event: &mut dyn FnMut(&Event),
    cancel: Option<BorrowedFd<'_>>,
) -> Result<Vec<Pulled>, Error> {
    let store = Store::open(&engine.paths.root)?;
    let client = Arc::new(Client::new(request.settings.clone()));
    let mut tasks: Vec<Task<Pulled>> = Vec::new();
    let mut seen: Vec<(String, Option<String>)> = Vec::new();
    for image in &request.images {
        let key = (image.image.clone(), image.platform.clone());
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        match decide(&store, image)? {
            Ok(name) => tasks.push(task(&store, &client, image, name)),
            Err(why) if request.tell_skipped => {
                on_event(&transfer::event(&image.image, What::Skipped, why));
            }
            Err(_) => {}
        }
    }
    transfer::run(
        &client,
        tasks,
        transfer::Manner {
            verb: "pull",
            ignore_failures: request.ignore_failures,
        },
        on_event,
        cancel,
    )
}

/// The name to fetch, or why nothing is to be fetched.
fn decide(store: &Store, wanted: &Wanted) -> Result<Result<Name, &'static str>, Error> {
    let failed = |source| Error::Transfer {
        verb: "pull",
        image: wanted.image.clone(),
        place: wanted.place.clone(),
        source: Box::new(source),
    };
    let reference = ImageRef::new(&wanted.image).map_err(|error| {
        failed(crate::image::Error::Reference {
            text: error.text,
            rule: error.rule,
        })
    })?;
    let Reference::Name(name) = Reference::parse(&reference).map_err(failed)? else {
        return Ok(Err("it comes from no registry"));
    };
    let is_here = || {
        let here = match &wanted.platform {
            Some(platform) => store.contains_for(&wanted.image, platform),
            None => store.contains(&wanted.image),
        };
        here.map_err(failed)
    };
    let due = match wanted.when {
        When::Always => true,
        When::Never(why) => return Ok(Err(why)),
        When::Missing => !is_here()?,
        When::Older(age) => {
            let pulled = store.pulled(&name).map_err(failed)?;
            let since = pulled.map(|time| jiff::Timestamp::now().duration_since(time));
            let since = since.map(|since| since.unsigned_abs());
            !is_here()? || since.is_none_or(|since| since >= age)
        }
    };
    Ok(due.then_some(name).ok_or("it is here already"))
}

fn task(store: &Store, client: &Arc<Client>, wanted: &Wanted, name: Name) -> Task<Pulled> {
    let (store, client) = (store.clone(), client.clone());
    let request = PullRequest {
        name,
        platform: wanted.platform.clone(),
        pin: wanted.pin.clone(),
    };
    Task {
        image: wanted.image.clone(),
        place: wanted.place.clone(),
        work: Box::new(move |observer| {
            let pulled = store.pull(&client, &request, observer)?;
            let cause = match pulled.is_new {
                true => "",
                false => "up to date",
            };
            Ok(Outcome {
                value: pulled,
                cause: cause.to_owned(),
            })
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_say_when() {
        let day = Duration::from_secs(86_400);
        for (file, flag, expected) in [
            (None, None, When::Missing),
            (Some("missing"), None, When::Missing),
            (Some("always"), None, When::Always),
            (Some("never"), None, When::Never("its pull policy is never")),
            (Some("refresh"), None, When::Older(Duration::ZERO)),
            (Some("daily"), None, When::Older(day)),
            (Some("weekly"), None, When::Older(7 * day)),
            (Some("every_36h"), None, When::Older(day * 3 / 2)),
            (Some("never"), Some("always"), When::Always),
            (Some("always"), Some("missing"), When::Missing),
            (Some("daily"), Some("missing"), When::Missing),
        ] {
            let mut service = Service::new(ServiceName::new("web").unwrap(), "x");
            service.pull_policy = file.map(str::to_owned);
            let policy = Policy {
                flag,
                otherwise: When::Missing,
                platform: None,
            };
            assert_eq!(when(&service, policy), expected, "{file:?} {flag:?}");
        }
    }
}
