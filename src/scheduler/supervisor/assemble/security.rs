//! `security_opt`.

use super::Error;
use crate::compose::model::Service;
use crate::runtime::spec::Seccomp;
use std::path::PathBuf;

/// `security_opt`, understood.
pub struct SecurityOptions {
    /// `no_new_privs`.
    pub no_new_privileges: bool,
    /// System calls allowed.
    pub seccomp: Seccomp,
    /// `/proc` and `/sys` as they are.
    pub unmasked: bool,
}

impl SecurityOptions {
    /// Reads a profile file where one is named.
    pub fn parse(service: &Service) -> Result<Self, Error> {
        let mut options = Self {
            no_new_privileges: false,
            seccomp: Seccomp::Default,
            unmasked: false,
        };
        for option in &service.security_opt {
            let (key, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
            match (key, value) {
                ("no-new-privileges", "" | "true") => options.no_new_privileges = true,
                ("no-new-privileges", "false") => options.no_new_privileges = false,
                ("systempaths", "unconfined") => options.unmasked = true,
                ("seccomp", "unconfined") => options.seccomp = Seccomp::Unconfined,
                ("seccomp", "builtin") => options.seccomp = Seccomp::Default,
                ("seccomp", path) => {
                    let text = std::fs::read_to_string(path).map_err(|source| Error::Profile {
                        path: PathBuf::from(path),
                        source,
                    })?;
                    options.seccomp = Seccomp::Profile(text);
                }
                // Nothing to confine with on a kernel without these modules; unconfined is what docker makes of it.
                ("apparmor", "unconfined") | ("label", "disable") => {}
                _ => {
                    let service = service.name.to_string();
                    return Err(Error::SecurityOption {
                        service,
                        option: option.clone(),
                    });
                }
            }
        }
        Ok(options)
    }
}
