//! Every tag of a repository, at its registry or in the store: what `--all-tags` means.

use super::{Engine, Error};
use crate::image::registry::{Client, Settings};
use crate::image::{Filter, Name, Store};

/// The names that a repository has at its registry.
pub fn tags_there(settings: Settings, repository: &str) -> Result<Vec<String>, Error> {
    let failed = |source: crate::image::Error| Error::Transfer {
        verb: "pull",
        image: repository.to_owned(),
        place: None,
        source: Box::new(source),
    };
    let name = parse(repository).map_err(failed)?;
    let tags = Client::new(settings).tags(&name);
    let tags = tags.map_err(|error| failed(error.into()))?;
    found(tags.iter().map(Name::familiar).collect(), repository).map_err(failed)
}

/// The names that a repository has in the store.
pub fn tags_here(engine: &Engine, repository: &str) -> Result<Vec<String>, Error> {
    let failed = |source: crate::image::Error| Error::Transfer {
        verb: "push",
        image: repository.to_owned(),
        place: None,
        source: Box::new(source),
    };
    let wanted = parse(repository).map_err(failed)?.repository();
    let store = Store::open(&engine.paths.root)?;
    let images = store.filtered(&Filter::default())?;
    let names = images.into_iter().flat_map(|image| image.names);
    let of_it = |name: &String| Name::parse(name).is_ok_and(|it| it.repository() == wanted);
    found(names.filter(of_it).collect(), repository).map_err(failed)
}

/// A name that says no tag and no digest.
fn parse(repository: &str) -> Result<Name, crate::image::Error> {
    let last = repository.rsplit('/').next().unwrap_or(repository);
    if last.contains([':', '@']) {
        return Err(crate::image::Error::Reference {
            text: repository.to_owned(),
            rule: "with --all-tags a name has neither tag nor digest",
        });
    }
    Name::parse(repository)
}

fn found(names: Vec<String>, repository: &str) -> Result<Vec<String>, crate::image::Error> {
    match names.is_empty() {
        true => Err(crate::image::Error::NotFound {
            name: repository.to_owned(),
            similar: Vec::new(),
        }),
        false => Ok(names),
    }
}
