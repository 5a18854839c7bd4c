//! Archives: `docker save`'s, which is an OCI layout with docker's list beside it, and the OCI layout alone.

use super::save::{Out, Outgoing};
use crate::id::{ContainerId, Digest};
use crate::image::oci::{self, Index};
use crate::image::reference::{ArchiveKind, Name};
use crate::image::{Error, archive};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// A tar stream. Equal images give equal bytes.
pub(super) struct ArchiveOut<'a> {
    tar: tar::Builder<&'a mut dyn Write>,
    kind: ArchiveKind,
    tag: Option<String>,
    written: BTreeSet<Digest>,
}

/// Docker's list of images.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl<'a> ArchiveOut<'a> {
    pub fn new(out: &'a mut dyn Write, kind: ArchiveKind, tag: Option<String>) -> Self {
        Self {
            tar: tar::Builder::new(out),
            kind,
            tag,
            written: BTreeSet::new(),
        }
    }

    fn member(&mut self, path: &str, size: u64, content: &mut dyn Read) -> Result<(), Error> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(size);
        header.set_mtime(0);
        // A blob that became shorter meanwhile must not shift what follows it.
        let mut exact = content.chain(io::repeat(0)).take(size);
        self.tar
            .append_data(&mut header, path, &mut exact)
            .map_err(Error::Output)
    }

    fn json(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.member(path, bytes.len() as u64, &mut &*bytes)
    }

    /// Docker's names; `docker-archive:FILE:NAME` renames.
    fn listed(&self, image: &Outgoing) -> Result<Listed, Error> {
        let mut names: Vec<String> = image.names.iter().map(|n| archive::familiar(n)).collect();
        if let Some(tag) = &self.tag {
            names = vec![Name::parse(tag)?.familiar()];
        }
        let blob = |digest: &Digest| archive::blob(digest);
        let layers = image.manifest.layers.iter();
        Ok(Listed {
            config: blob(&image.manifest.config.digest),
            repo_tags: (!names.is_empty()).then_some(names),
            layers: layers.map(|layer| blob(&layer.digest)).collect(),
        })
    }
}

impl Out for ArchiveOut<'_> {
    fn has(&self, digest: &Digest) -> bool {
        self.written.contains(digest)
    }

    fn blob(&mut self, digest: &Digest, size: u64, content: &mut dyn Read) -> Result<(), Error> {
        self.member(&archive::blob(digest), size, content)?;
        self.written.insert(digest.clone());
        Ok(())
    }

    fn finish(&mut self, images: &[Outgoing]) -> Result<(), Error> {
        if self.tag.is_some() && images.len() != 1 {
            return Err(Error::OneImage {
                count: images.len(),
            });
        }
        let mut index = Index::default();
        if self.kind == ArchiveKind::Docker {
            let mut list = Vec::new();
            for image in images {
                let listed = self.listed(image)?;
                let name = listed.repo_tags.as_ref().and_then(|names| names.first());
                let full = name.and_then(|name| Name::parse(name).ok());
                let tag = full.filter(|_| self.tag.is_some()).map(|n| n.to_string());
                index.manifests.extend(image.entries(tag.as_deref()));
                list.push(listed);
            }
            self.json("manifest.json", &oci::write(&list))?;
        } else {
            let entries = images
                .iter()
                .map(|image| image.entries(self.tag.as_deref()));
            index.manifests.extend(entries.flatten());
        }
        self.json("index.json", &oci::write(&index))?;
        self.json("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        self.tar.finish().map_err(Error::Output)?;
        self.tar.get_mut().flush().map_err(Error::Output)
    }
}

/// A file that is there whole or not at all; what is no regular file (a pipe, `/dev/null`) is written as it is.
pub struct WholeFile {
    writer: BufWriter<File>,
    /// Where it is written, and where it belongs.
    rename: Option<(PathBuf, PathBuf)>,
}

impl WholeFile {
    /// Begins a file beside `path`.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let special = fs::metadata(path).is_ok_and(|found| !found.is_file());
        let place = match special {
            true => path.to_owned(),
            false => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                path.with_file_name(format!(".{name}.{}", ContainerId::random().short()))
            }
        };
        let file = match special {
            true => File::options().write(true).open(&place),
            false => File::create_new(&place),
        };
        Ok(Self {
            writer: BufWriter::with_capacity(128 << 10, file.map_err(Error::io("make", path))?),
            rename: (!special).then(|| (place, path.to_owned())),
        })
    }

    /// Where to write.
    pub fn writer(&mut self) -> &mut dyn Write {
        &mut self.writer
    }

    /// Puts it in its place.
    pub fn finish(mut self) -> Result<(), Error> {
        self.writer.flush().map_err(Error::Output)?;
        if let Some((from, to)) = self.rename.take() {
            fs::rename(&from, &to).map_err(Error::io("make", &to))?;
        }
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some((unfinished, _)) = &self.rename {
            let _ = fs::remove_file(unfinished);
        }
    }
}
