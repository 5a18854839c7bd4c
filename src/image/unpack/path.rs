//! The path of a member, taken apart and checked.

use super::{Error, text};

/// Longest path of a member, as the kernel's PATH_MAX.
const MAX_PATH: usize = 4095;
/// Longest single name, as the kernel's NAME_MAX.
const MAX_NAME: usize = 255;
/// Deepest folder; far beyond real trees, and what keeps removing a hostile tree cheap.
pub(super) const MAX_DEPTH: usize = 256;

/// A path below the root of a layer: no `..`, no empty and no `.` components. Empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemberPath {
    bytes: Vec<u8>,
    /// Where the last component begins.
    name: usize,
}

/// What a whiteout hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whiteout<'a> {
    /// One name of the lower layers.
    Name(&'a [u8]),
    /// Everything the lower layers have in this folder.
    Folder,
    /// Book-keeping of aufs, which means nothing here.
    Nothing,
}

impl MemberPath {
    /// A leading slash means the root of the layer, as for GNU tar and docker; `..` is refused wherever it stands, since
    /// its meaning would depend on links that the archive itself makes.
    pub(super) fn parse(raw: &[u8]) -> Result<Self, Error> {
        let refuse = |rule| Error::Refused {
            path: text(&raw[..raw.len().min(256)]),
            rule,
        };
        if raw.is_empty() || raw.contains(&0) {
            return Err(refuse("a path must not be empty or have NUL bytes"));
        }
        if raw.len() > MAX_PATH {
            return Err(refuse("the path is longer than 4095 bytes"));
        }
        let mut bytes = Vec::with_capacity(raw.len());
        let mut name = 0;
        let mut depth = 0;
        for part in raw.split(|&b| b == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return Err(refuse("a path must not have `..`")),
                _ if part.len() > MAX_NAME => {
                    return Err(refuse("a name is longer than 255 bytes"));
                }
                _ => {}
            }
            if !bytes.is_empty() {
                bytes.push(b'/');
            }
            name = bytes.len();
            bytes.extend_from_slice(part);
            depth += 1;
        }
        if depth > MAX_DEPTH {
            return Err(refuse("the path is deeper than 256 folders"));
        }
        Ok(Self { bytes, name })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The root of the layer itself.
    pub(super) fn is_root(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Everything before the last component; empty for the root.
    pub(super) fn parent(&self) -> &[u8] {
        &self.bytes[..self.name.saturating_sub(1)]
    }

    /// The last component.
    pub(super) fn name(&self) -> &[u8] {
        &self.bytes[self.name..]
    }

    /// Reads `.wh.` names.
    pub(super) fn whiteout(&self) -> Result<Option<Whiteout<'_>>, Error> {
        let Some(hidden) = self.name().strip_prefix(b".wh.") else {
            return Ok(None);
        };
        Ok(Some(match hidden {
            b".wh..opq" => Whiteout::Folder,
            _ if hidden.starts_with(b".wh.") => Whiteout::Nothing,
            b"" | b"." | b".." => {
                return Err(Error::Refused {
                    path: text(&self.bytes),
                    rule: "a whiteout must hide a name",
                });
            }
            _ => Whiteout::Name(hidden),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_reduced_to_names() {
        for (raw, reduced, parent) in [
            ("a/b/c", "a/b/c", "a/b"),
            ("./a//./b/", "a/b", "a"),
            ("/etc/passwd", "etc/passwd", "etc"),
            ("a", "a", ""),
            ("./", "", ""),
            ("/", "", ""),
        ] {
            let path = MemberPath::parse(raw.as_bytes()).unwrap();
            assert_eq!(path.as_bytes(), reduced.as_bytes(), "{raw}");
            assert_eq!(path.parent(), parent.as_bytes(), "{raw}");
        }
    }

    #[test]
    fn paths_that_lead_out_or_cannot_exist_are_refused() {
        let long = "a".repeat(256);
        let longer = "a/".repeat(3000);
        let deep = "a/".repeat(300);
        for raw in [
            "", "..", "a/../b", "../x", "/..", "a/..", "a\0b", &long, &longer, &deep,
        ] {
            assert!(MemberPath::parse(raw.as_bytes()).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn whiteouts_hide_names_only() {
        let read = |raw: &str| {
            let path = MemberPath::parse(raw.as_bytes()).unwrap();
            path.whiteout()
                .map(|whiteout| whiteout.map(|w| format!("{w:?}")))
        };
        assert_eq!(read("a/b").unwrap(), None);
        assert_eq!(
            read("a/.wh.b").unwrap(),
            Some(format!("{:?}", Whiteout::Name(b"b")))
        );
        assert_eq!(read(".wh..wh..opq").unwrap(), Some("Folder".into()));
        assert_eq!(read(".wh..wh.plnk").unwrap(), Some("Nothing".into()));
        for bad in [".wh.", ".wh...", "a/.wh.."] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
