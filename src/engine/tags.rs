//! Every tag of a repository, at its registry or in the store: what `--all-tags` means.

use super::{Engine, Error};
use crate::image::registry::{Client, Settings};
use crate::image::{Filter, Name, Store};

/// The names that a repository has at its registry.
pub fn tags_there(settings: Settings, repository: &str) -> Result<Vec<String>, Error> {
    let found = || -> Result<Vec<String>, crate::image::Error> {
        let tags = Client::new(settings).tags(&parse(repository)?)?;
        some(tags.iter().map(Name::familiar).collect(), repository)
    };
    found().map_err(|source| failed("pull", repository, source))
}

/// The names that a repository has in the store.
pub fn tags_here(engine: &Engine, repository: &str) -> Result<Vec<String>, Error> {
    let found = || -> Result<Vec<String>, crate::image::Error> {
        let wanted = parse(repository)?.repository();
        let images = Store::open(&engine.paths.root)?.filtered(&Filter::default())?;
        let names = images.into_iter().flat_map(|image| image.names);
        let of_it = |name: &String| Name::parse(name).is_ok_and(|it| it.repository() == wanted);
        some(names.filter(of_it).collect(), repository)
    };
    found().map_err(|source| failed("push", repository, source))
}

fn failed(verb: &'static str, repository: &str, source: crate::image::Error) -> Error {
    Error::Transfer {
        verb,
        image: repository.to_owned(),
        place: None,
        source: Box::new(source),
    }
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

fn some(names: Vec<String>, repository: &str) -> Result<Vec<String>, crate::image::Error> {
    match names.is_empty() {
        true => Err(crate::image::Error::NotFound {
            name: repository.to_owned(),
            similar: Vec::new(),
        }),
        false => Ok(names),
    }
}
