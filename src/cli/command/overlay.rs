//! Flags that change one service, written as a compose file of their own and merged over the project's files: so each
//! flag means what the attribute means, and is checked as it is.

use crate::cli::exit::Error;
use crate::compose::LoadOptions;
use crate::compose::Loaded;
use crate::compose::load;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// Attributes of a service, each with how it is merged.
#[derive(Debug, Default)]
pub struct Overlay {
    lines: String,
}

impl Overlay {
    /// Adds to what the file says, or replaces a single value.
    pub fn merge(&mut self, key: &str, value: &Value) {
        self.line(key, "", value);
    }

    /// The same, if there is anything.
    pub fn merge_list(&mut self, key: &str, list: &[String]) {
        if !list.is_empty() {
            self.merge(key, &json!(list));
        }
    }

    /// Replaces what the file says.
    pub fn replace(&mut self, key: &str, value: &Value) {
        self.line(key, "!override ", value);
    }

    /// Takes back what the file says.
    pub fn reset(&mut self, key: &str) {
        self.line(key, "!reset ", &Value::Null);
    }

    fn line(&mut self, key: &str, tag: &str, value: &Value) {
        // `$` would be the beginning of a variable
        let value = value.to_string().replace('$', "$$");
        let _ = writeln!(self.lines, "    {key}: {tag}{value}");
    }

    /// Loads the project again, with this over `service`.
    pub fn load(
        &self,
        options: &LoadOptions,
        base: &Loaded,
        service: &str,
    ) -> Result<Loaded, Error> {
        let text = format!("services:\n  {}:\n{}", json!(service), self.lines);
        // A file without a name: nothing to clean up, whatever ends us.
        let failed = || Error::io("keep the flags in memory");
        let flags = rustix::fs::memfd_create("flags", rustix::fs::MemfdFlags::CLOEXEC);
        let mut file = File::from(flags.map_err(|e| failed()(e.into()))?);
        file.write_all(text.as_bytes()).map_err(failed())?;
        let mut files = base.project.files.clone();
        files.push(PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())));
        let options = LoadOptions {
            files,
            project_directory: Some(base.project.directory.clone()),
            project_name: Some(base.project.name.to_string()),
            ..options.clone()
        };
        let refused = |found| Error::Compose(Box::new(found));
        let loaded = load(&options).map_err(refused)?;
        loaded.runnable().map_err(refused)?;
        Ok(loaded)
    }
}
