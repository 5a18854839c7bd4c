//! Kernel parameters of the network namespace this thread is in.

use super::error::Error;
use std::fs;
use std::io;

/// Makes a parameter (`net/ipv4/ip_forward`) have a value; writes only if it differs, since some writes flush caches.
pub(super) fn set(key: &str, value: &str) -> Result<(), Error> {
    let path = format!("/proc/sys/{key}");
    let same = fs::read_to_string(&path)
        .is_ok_and(|old| old.split_whitespace().eq(value.split_whitespace()));
    if same {
        return Ok(());
    }
    write(&path, value).map_err(Error::system("write", path))
}

/// As [`set`], for a parameter an older or smaller kernel may not have.
pub(super) fn set_if_present(key: &str, value: &str) -> Result<(), Error> {
    match set(key, value) {
        Err(Error::System { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        set => set,
    }
}

/// Writes a parameter that a fresh namespace is known not to have; a kernel without it is fine.
pub(super) fn write_fresh(key: &str, value: &str) -> Result<(), Error> {
    let path = format!("/proc/sys/{key}");
    match write(&path, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written.map_err(Error::system("write", path)),
    }
}

/// Whether a parameter exists and is set.
pub(super) fn is_on(key: &str) -> bool {
    fs::read_to_string(format!("/proc/sys/{key}")).is_ok_and(|value| value.trim_end() == "1")
}

fn write(path: &str, value: &str) -> io::Result<()> {
    // Without O_CREAT and O_TRUNC: one call less in procfs.
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    io::Write::write_all(&mut file, value.as_bytes())
}
