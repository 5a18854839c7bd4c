//! What the tags of images mean now, as their registries say; nothing is fetched.

use super::Error;
use crate::id::ImageRef;
use crate::image::registry::{Client, Settings};
use crate::image::{Name, Reference};
use std::collections::{BTreeMap, BTreeSet};

/// Registries are asked about so many images at once.
const AT_ONCE: usize = 8;

/// Each image of a registry with its full name and its digest: `docker.io/library/redis:7@sha256:…`. Images that come from
/// no registry are left out.
pub fn digests(
    settings: Settings,
    images: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut wanted: Vec<(&String, Name)> = Vec::new();
    for image in images {
        let reference = ImageRef::new(image).map_err(|error| {
            let (text, rule) = (error.text, error.rule);
            failed(image, crate::image::Error::Reference { text, rule })
        })?;
        if let Reference::Name(name) = Reference::parse(&reference).map_err(|e| failed(image, e))? {
            wanted.push((image, name));
        }
    }
    let client = Client::new(settings);
    let mut found = BTreeMap::new();
    for some in wanted.chunks(AT_ONCE) {
        let asked: Vec<_> = std::thread::scope(|scope| {
            let ask = |(_, name): &(&String, Name)| {
                let (client, name) = (&client, name.clone());
                scope.spawn(move || pinned(client, &name))
            };
            let threads: Vec<_> = some.iter().map(ask).collect();
            let end = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join();
            threads.into_iter().map(end).collect()
        });
        for ((image, _), asked) in some.iter().zip(asked) {
            let pinned = asked.expect("asking does not panic");
            let pinned = pinned.map_err(|error| failed(image, error.into()))?;
            found.insert((*image).clone(), pinned);
        }
    }
    Ok(found)
}

fn pinned(client: &Client, name: &Name) -> Result<String, crate::image::registry::Error> {
    let place = format!("{}/{}", name.domain(), name.path());
    if let Some(digest) = name.digest() {
        return Ok(format!("{place}@{digest}"));
    }
    let digest = client.digest(name)?;
    Ok(format!(
        "{place}:{}@{digest}",
        name.tag().unwrap_or("latest")
    ))
}

fn failed(image: &str, source: crate::image::Error) -> Error {
    Error::Transfer {
        verb: "find the digest of",
        image: image.to_owned(),
        place: None,
        source: Box::new(source),
    }
}
