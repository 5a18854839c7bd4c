//! Archives for tests, byte by byte, also such as no tool would make.

use tar::{EntryType, Header};

/// A tar archive in the making.
#[derive(Default, Clone)]
pub(super) struct Tar {
    bytes: Vec<u8>,
    pax: Vec<u8>,
}

impl Tar {
    pub(super) fn file(self, path: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, path, "", content.as_bytes(), |_| {})
    }

    pub(super) fn folder(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, "", b"", |h| h.set_mode(0o755))
    }

    pub(super) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, b"", |_| {})
    }

    pub(super) fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, b"", |_| {})
    }

    pub(super) fn device(self, path: &str, kind: EntryType, major: u32, minor: u32) -> Self {
        let mut tar = self.entry(kind, path, "", b"", |_| {});
        // The fields of the header just written, and its sum again.
        let at = tar.bytes.len() - 512;
        let mut header = Header::from_byte_slice(&tar.bytes[at..]).clone();
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        header.set_cksum();
        tar.bytes[at..].copy_from_slice(header.as_bytes());
        tar
    }

    /// A pax record for the next entry.
    pub(super) fn pax(mut self, key: &str, value: &[u8]) -> Self {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.pax.extend(format!("{length} {key}=").into_bytes());
        self.pax.extend(value);
        self.pax.push(b'\n');
        self
    }

    pub(super) fn entry(
        mut self,
        kind: EntryType,
        path: &str,
        link: &str,
        body: &[u8],
        change: fn(&mut Header),
    ) -> Self {
        let pax = std::mem::take(&mut self.pax);
        if !pax.is_empty() {
            self = self.entry(EntryType::XHeader, "pax", "", &pax, |_| {});
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        change(&mut header);
        header.set_cksum();
        self.bytes.extend(header.as_bytes());
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}

/// A line for each file below a folder: name, type, mode, owner, size, links, time, target.
pub(super) fn listing(root: &std::path::Path) -> String {
    let done = std::process::Command::new("find")
        .args([".", "-printf", "%P %y %m %U:%G %n %Ts %l\n"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8(done.stdout).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}
