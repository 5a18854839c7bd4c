//! From what a user typed to an entry of the index.

use super::Store;
use super::index::ID;
use crate::id::Digest;
use crate::image::oci::{Descriptor, Index, REF_NAME};
use crate::image::{Error, Name};

/// Fewer digits than this are never an id.
const SHORTEST_ID: usize = 3;

impl Store {
    /// The entry that a name or id leads to.
    pub(in crate::image) fn entry<'a>(
        &self,
        index: &'a Index,
        text: &str,
    ) -> Result<&'a Descriptor, Error> {
        self.find(index, text)
    }

    /// Whether a name or id leads to an image.
    pub fn contains(&self, text: &str) -> Result<bool, Error> {
        match self.find(&self.index()?, text) {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether an image has this very name, and not only what it leads to.
    pub fn is_named(&self, name: &str) -> Result<bool, Error> {
        Ok(self.named(&Name::parse(name)?.to_string())?.is_some())
    }

    /// The entry with exactly this canonical name.
    pub(in crate::image) fn named(&self, name: &str) -> Result<Option<Descriptor>, Error> {
        let mut entries = self.index()?.manifests.into_iter();
        Ok(entries.find(|entry| entry.annotation(REF_NAME) == Some(name)))
    }

    /// Finds an image by name, digest or short id, in this order.
    pub(in crate::image) fn find<'a>(
        &self,
        index: &'a Index,
        text: &str,
    ) -> Result<&'a Descriptor, Error> {
        if let Some(entry) = find_name(index, text) {
            return Ok(entry);
        }
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        if prefix.len() < SHORTEST_ID || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(not_found(index, text));
        }
        let mut found: Vec<(Digest, &Descriptor)> = Vec::new();
        for entry in &index.manifests {
            let id = self.id_of(entry)?;
            let digests = [&id, &entry.digest];
            let fits = digests.iter().any(|it| it.hex().starts_with(prefix));
            if fits && found.iter().all(|(other, _)| *other != id) {
                found.push((id, entry));
            }
        }
        match found.as_slice() {
            [] => Err(not_found(index, text)),
            [(_, entry)] => Ok(entry),
            several => Err(Error::Ambiguous {
                prefix: text.to_owned(),
                count: several.len(),
            }),
        }
    }

    /// The image id of an entry: from its annotation or, if another tool wrote it, from its manifest.
    pub(super) fn id_of(&self, entry: &Descriptor) -> Result<Digest, Error> {
        match entry.annotation(ID).map(Digest::new) {
            Some(Ok(id)) => Ok(id),
            _ => Ok(self.manifest(entry, entry.digest.as_str())?.config.digest),
        }
    }
}

fn find_name<'a>(index: &'a Index, text: &str) -> Option<&'a Descriptor> {
    let with_name = |name: &str| {
        let mut entries = index.manifests.iter();
        entries.find(|entry| entry.annotation(REF_NAME) == Some(name))
    };
    let exact = with_name(text);
    if exact.is_some() {
        return exact;
    }
    let name = Name::parse(text).ok()?;
    match name.digest() {
        Some(digest) => index.manifests.iter().find(|entry| entry.digest == *digest),
        None => with_name(&name.to_string()),
    }
}

fn not_found(index: &Index, text: &str) -> Error {
    let names = index
        .manifests
        .iter()
        .filter_map(|entry| entry.annotation(REF_NAME));
    let familiar = names.map(familiar).collect::<Vec<_>>();
    Error::NotFound {
        name: text.to_owned(),
        similar: similar(text, &familiar),
    }
}

/// The familiar form of a name in the index.
pub(super) fn familiar(name: &str) -> String {
    Name::parse(name).map_or_else(|_| name.to_owned(), |name| name.familiar())
}

/// Names like `text`, best first: another tag of the same repository, or a typing mistake away.
fn similar(text: &str, names: &[String]) -> Vec<String> {
    let repository = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    let wanted = repository(text);
    let mut ranked: Vec<(usize, &String)> = names
        .iter()
        .map(|name| (distance(&wanted, &repository(name)), name))
        .filter(|(distance, _)| *distance <= wanted.len() / 3)
        .collect();
    ranked.sort();
    ranked
        .into_iter()
        .map(|(_, name)| name.clone())
        .take(3)
        .collect()
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_the_same_repository_or_a_slip_away() {
        let names = [
            "redis:7".to_owned(),
            "postgres:16".into(),
            "nginx:latest".into(),
        ];
        assert_eq!(similar("redis:8", &names), ["redis:7"]);
        assert_eq!(similar("postgers", &names), ["postgres:16"]);
        assert_eq!(similar("mysql", &names), Vec::<String>::new());
    }
}
