//! Options of the `local` driver.

use super::{Error, FileSystem, Request};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where the data of a volume is.
pub(super) enum Data {
    /// In a folder of ours.
    Own,
    /// In a folder of the host.
    Folder(PathBuf),
    /// In a file system that is mounted for it.
    Mounted(FileSystem),
}

/// Where a request wants the data.
pub(super) fn data(request: &Request) -> Result<Data, Error> {
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
        return match options.is_empty() {
            true => Ok(Data::Own),
            false => Err(refuse("device", "it is needed beside the others")),
        };
    };
    let kind = options.get("type").map_or("", String::as_str);
    let mount = options.get("o").map_or("", String::as_str);
    if matches!(mount, "bind" | "rbind") {
        return match kind {
            "" | "none" | "bind" => folder(device, &refuse),
            _ => Err(refuse("type", "only `none` is, with `o: bind`")),
        };
    }
    if matches!(kind, "" | "none" | "bind") {
        return Err(refuse("type", "name a file system, or say `o: bind`"));
    }
    let address = mount.split(',').find_map(|o| o.strip_prefix("addr="));
    if address.is_some_and(|text| text.parse::<IpAddr>().is_err()) {
        return Err(refuse(
            "o",
            "`addr` must be an address, names are not looked up",
        ));
    }
    Ok(Data::Mounted(FileSystem {
        kind: kind.to_owned(),
        device: device.clone(),
        options: mount.to_owned(),
    }))
}

fn folder(device: &str, refuse: &dyn Fn(&str, &'static str) -> Error) -> Result<Data, Error> {
    if !Path::new(device).is_absolute() {
        return Err(refuse("device", "it must be an absolute path"));
    }
    match fs::metadata(device) {
        Ok(found) if found.is_dir() => Ok(Data::Folder(device.into())),
        Ok(_) => Err(refuse("device", "it is not a folder")),
        Err(error) => Err(Error::io("use", Path::new(device))(error)),
    }
}
