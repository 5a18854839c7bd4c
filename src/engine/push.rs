//! `push`: images go to the registries that their names say.

use super::transfer::{self, Outcome, Task};
use super::{Engine, Error};
use crate::id::ImageRef;
use crate::image::registry::{Client, Pushed, Settings};
use crate::image::{Name, Reference, Store};
use crate::state::event::Event;
use std::sync::Arc;

/// Which images, and how.
#[derive(Debug, Clone)]
pub struct Push {
    /// Names, each with where the user wrote it.
    pub images: Vec<(String, Option<String>)>,
    /// What is configured about registries.
    pub settings: Settings,
    /// Go on after a failure.
    pub ignore_failures: bool,
}

/// Sends images to their registries.
pub fn push(
    engine: &Engine,
    request: &Push,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Vec<Pushed>, Error> {
    let store = Store::open(&engine.paths.root)?;
    let client = Arc::new(Client::new(request.settings.clone()));
    let mut tasks: Vec<Task<Pushed>> = Vec::new();
    for (image, place) in &request.images {
        if tasks.iter().any(|task| task.image == *image) {
            continue;
        }
        // What has no name is one that cannot be pushed, like others.
        let name = name(image);
        let (store, client) = (store.clone(), client.clone());
        tasks.push(Task {
            image: image.clone(),
            place: place.clone(),
            work: Box::new(move |observer| {
                let value = store.push(&client, &name?, observer)?;
                let cause = String::new();
                Ok(Outcome { value, cause })
            }),
        });
    }
    let manner = transfer::Manner {
        verb: "push",
        ignore_failures: request.ignore_failures,
    };
    transfer::run(&client, tasks, manner, on_event, None)
}

fn name(image: &str) -> Result<Name, crate::image::Error> {
    let invalid = |rule| crate::image::Error::Reference {
        text: image.to_owned(),
        rule,
    };
    let reference = ImageRef::new(image).map_err(|error| invalid(error.rule))?;
    match Reference::parse(&reference)? {
        Reference::Name(name) => Ok(name),
        _ => Err(invalid("only an image with a name can be pushed")),
    }
}
