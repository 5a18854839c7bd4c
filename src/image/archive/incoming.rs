//! Reads an archive once: every member is hashed and staged, what looks like a layer is unpacked on the way.

use super::{Incoming, digest_in, normal};
use crate::image::Error;
use crate::image::decompress::{self, Compression};
use crate::image::store::{Progress, StagedBlob, StagedLayer, Store, Work, ingest, stage};
use crate::image::tarball::{Kind, Members, TarError};
use std::cell::RefCell;
use std::io::{self, Read};

/// More members than any image archive has (a layer is one member), so that names of members stay bounded in memory.
const MAX_MEMBERS: u64 = 20_000;
/// Longest name of a member.
const MAX_NAME: usize = 4096;

/// A member, staged.
pub(super) struct Item {
    pub blob: StagedBlob,
    pub layer: Option<Result<StagedLayer, Error>>,
}

impl Incoming {
    pub(super) fn read(
        store: &Store,
        work: &Work,
        input: impl Read,
        on_progress: &RefCell<&mut dyn FnMut(Progress)>,
    ) -> Result<Self, Error> {
        let limits = work.limits()?;
        let counted = Counted::new(input, on_progress);
        let (plain, _) = decompress::open(counted).map_err(Error::Input)?;
        let mut members = Members::new(plain.take(limits.bytes));
        let mut incoming = Self::default();
        let mut count = 0;
        while let Some(member) = members.next().map_err(archive_error)? {
            count += 1;
            if count > MAX_MEMBERS || member.path.len() > MAX_NAME {
                return Err(Error::malformed(
                    "archive",
                    "it has too many members, or too long names, for an image",
                ));
            }
            let Some(name) = normal(&String::from_utf8_lossy(&member.path)) else {
                continue;
            };
            match member.kind {
                Kind::File => {
                    let item = Item::read(store, work, &name, Body(&mut members))?;
                    if let Some(Ok(layer)) = &item.layer {
                        on_progress.borrow_mut()(Progress::Layer {
                            diff_id: layer.diff_id.clone(),
                            bytes: layer.bytes,
                        });
                    }
                    incoming.items.insert(name, item);
                }
                Kind::Symlink(target) => incoming.link(&name, &target, true),
                Kind::HardLink(target) => incoming.link(&name, &target, false),
                _ => {}
            }
        }
        members.drain().map_err(Error::Input)?;
        Ok(incoming)
    }

    fn link(&mut self, name: &str, target: &[u8], relative: bool) {
        let target = String::from_utf8_lossy(target);
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let target = if relative {
            format!("{folder}/{target}")
        } else {
            target.into_owned()
        };
        if let Some(target) = normal(&target) {
            self.links.insert(name.to_owned(), target);
        }
    }
}

impl Item {
    fn read(store: &Store, work: &Work, name: &str, mut body: impl Read) -> Result<Self, Error> {
        let mut head = Vec::with_capacity(512);
        body.by_ref()
            .take(512)
            .read_to_end(&mut head)
            .map_err(Error::Input)?;
        let known = digest_in(name).is_some_and(|digest| store.blob_path(&digest).exists());
        let is_layer = looks_like_layer(&head) && !known;
        let input = head.chain(body);
        if is_layer {
            let (blob, layer) = ingest(work, name, input)?;
            Ok(Self {
                blob,
                layer: Some(layer),
            })
        } else {
            Ok(Self {
                blob: stage(work, input)?,
                layer: None,
            })
        }
    }
}

fn looks_like_layer(head: &[u8]) -> bool {
    let is_tar = head.get(257..262) == Some(b"ustar");
    is_tar || decompress::detect(head).is_ok_and(|compression| compression != Compression::None)
}

fn archive_error(error: TarError) -> Error {
    match error {
        TarError::Read(source) => Error::Input(source),
        TarError::Malformed(why) => Error::malformed("archive", why),
    }
}

/// The body of the current member.
struct Body<'a, R>(&'a mut Members<R>);

impl<R: Read> Read for Body<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_body(buffer)
    }
}

/// Reports how much was read, a MiB at a time.
struct Counted<'a, 'b, R> {
    inner: R,
    bytes: u64,
    reported: u64,
    on_progress: &'a RefCell<&'b mut dyn FnMut(Progress)>,
}

impl<'a, 'b, R> Counted<'a, 'b, R> {
    fn new(inner: R, on_progress: &'a RefCell<&'b mut dyn FnMut(Progress)>) -> Self {
        Self {
            inner,
            bytes: 0,
            reported: 0,
            on_progress,
        }
    }
}

impl<R: Read> Read for Counted<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.bytes += n as u64;
        if self.bytes - self.reported >= 1 << 20 || n == 0 && self.bytes > self.reported {
            self.reported = self.bytes;
            self.on_progress.borrow_mut()(Progress::Read(self.bytes));
        }
        Ok(n)
    }
}
