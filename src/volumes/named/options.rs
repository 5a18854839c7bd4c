//! Options of the `local` driver.

use super::{Error, Request};
use std::fs;
use std::path::{Path, PathBuf};

/// The host folder that a request wants as data. Only binds are kept as options; file systems would have to be mounted.
pub(super) fn device(request: &Request) -> Result<Option<PathBuf>, Error> {
    if !matches!(request.driver.as_str(), "" | "local") {
        return Err(Error::Driver(request.driver.clone()));
    }
    let options = &request.driver_opts;
    let refuse = |key: &str, why| Error::Option {
        option: format!("{key}={}", options.get(key).map_or("", String::as_str)),
        why,
    };
    if let Some(key) = options
        .keys()
        .find(|key| !matches!(key.as_str(), "type" | "o" | "device"))
    {
        return Err(refuse(
            key,
            "the `local` driver has only `type`, `o` and `device`",
        ));
    }
    let Some(device) = options.get("device") else {
        return if options.is_empty() {
            Ok(None)
        } else {
            Err(refuse("device", "it is needed beside the others"))
        };
    };
    let is_bind = options
        .get("o")
        .is_some_and(|o| matches!(o.as_str(), "bind" | "rbind"));
    if !is_bind {
        return Err(refuse("o", "only `bind` is"));
    }
    if options
        .get("type")
        .is_some_and(|kind| !matches!(kind.as_str(), "" | "none" | "bind"))
    {
        return Err(refuse("type", "only `none` is, with `o: bind`"));
    }
    if !Path::new(device).is_absolute() {
        return Err(refuse("device", "it must be an absolute path"));
    }
    match fs::metadata(device) {
        Ok(found) if found.is_dir() => Ok(Some(device.into())),
        Ok(_) => Err(refuse("device", "it is not a folder")),
        Err(error) => Err(Error::io("use", Path::new(device))(error)),
    }
}
