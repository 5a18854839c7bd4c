//! `index.json` of an OCI archive.

use super::{Candidate, Incoming};
use crate::id::Digest;
use crate::image::oci::{self, CONTAINERD_NAME, Descriptor, Index, Manifest, Platform, REF_NAME};
use crate::image::store::choose_for;
use crate::image::{Error, Name};

/// Name of a blob's member.
pub(in crate::image) fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

pub(super) fn candidates(
    incoming: &Incoming,
    platform: &Platform,
) -> Result<Vec<Candidate>, Error> {
    let index: Index = oci::parse("index.json", &incoming.json("index.json")?)?;
    let mut candidates: Vec<Candidate> = Vec::new();
    for entry in &index.manifests {
        if entry
            .platform
            .as_ref()
            .is_some_and(|offered| !platform.runs(offered))
        {
            continue;
        }
        let names = names(entry);
        let tag = entry.annotation(REF_NAME).map(str::to_owned);
        let read = |descriptor: &Descriptor| incoming.json(&blob(&descriptor.digest));
        let chosen = choose_for(entry.clone(), entry.digest.as_str(), platform, read)?;
        // One image under several names is several entries.
        let same = |candidate: &&mut Candidate| {
            candidate
                .manifest
                .as_ref()
                .is_some_and(|m| m.digest == chosen.digest)
        };
        if let Some(known) = candidates.iter_mut().find(same) {
            known.names.extend(names);
            known.tags.extend(tag);
            continue;
        }
        let bytes = incoming.json(&blob(&chosen.digest))?;
        let manifest: Manifest = oci::parse(chosen.digest.as_str(), &bytes)?;
        candidates.push(Candidate {
            names,
            tags: tag.into_iter().collect(),
            config: blob(&manifest.config.digest),
            layers: manifest
                .layers
                .iter()
                .map(|layer| blob(&layer.digest))
                .collect(),
            manifest: Some(chosen),
        });
    }
    if candidates.is_empty() {
        return Err(Error::Platform {
            name: "archive".into(),
            platform: platform.to_string(),
        });
    }
    Ok(candidates)
}

/// Gives the images of docker's list the manifests that the index beside it has for them: so their digests are kept.
/// An index that is of no use here is not needed.
pub(super) fn complete(incoming: &Incoming, platform: &Platform, listed: &mut [Candidate]) {
    let Ok(known) = candidates(incoming, platform) else {
        return;
    };
    for image in listed {
        let same = |it: &&Candidate| it.config == image.config && it.layers == image.layers;
        if let Some(known) = known.iter().find(same) {
            image.manifest = known.manifest.clone();
            image.tags = known.tags.clone();
        }
    }
}

/// The full name as containerd gives it, or a `ref.name` that is more than a tag: a tag alone names no image.
pub(in crate::image) fn names(entry: &Descriptor) -> Vec<String> {
    let full = entry.annotation(CONTAINERD_NAME);
    let name = full.or(entry
        .annotation(REF_NAME)
        .filter(|name| name.contains(['/', ':'])));
    name.and_then(|name| Name::parse(name).ok())
        .iter()
        .map(Name::to_string)
        .collect()
}
