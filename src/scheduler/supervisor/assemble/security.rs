//! `security_opt`.

use super::Error;
use crate::compose::model::Service;
use crate::runtime::confinement;
use crate::runtime::spec::{Confinement, Seccomp};
use std::path::PathBuf;

/// SELinux's type for what containers run.
const CONTAINER_TYPE: [&str; 4] = ["system_u", "system_r", "container_t", "s0"];

/// `security_opt`, understood.
pub struct SecurityOptions {
    /// `no_new_privs`.
    pub no_new_privileges: bool,
    /// System calls allowed.
    pub seccomp: Seccomp,
    /// `/proc` and `/sys` as they are.
    pub unmasked: bool,
    /// What security modules are told.
    pub confinement: Confinement,
    /// What this kernel cannot honour.
    pub told: Vec<String>,
}

impl SecurityOptions {
    /// Reads a profile file where one is named.
    pub fn parse(service: &Service) -> Result<Self, Error> {
        let mut options = Self {
            no_new_privileges: false,
            seccomp: Seccomp::Default,
            unmasked: false,
            confinement: Confinement::default(),
            told: Vec::new(),
        };
        let mut label = None;
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
                ("apparmor", "unconfined") | ("label", "disable") => {}
                ("apparmor", profile) if !profile.is_empty() => options.apparmor(profile),
                ("label", part) if relabel(&mut label, part) => {}
                _ => {
                    let service = service.name.to_string();
                    return Err(Error::SecurityOption {
                        service,
                        option: option.clone(),
                    });
                }
            }
        }
        options.selinux(label);
        Ok(options)
    }

    fn apparmor(&mut self, profile: &str) {
        if confinement::has_apparmor() {
            self.confinement.apparmor = Some(profile.to_owned());
        } else {
            let told = format!("`apparmor={profile}` has no effect: this kernel has no AppArmor");
            self.told.push(told);
        }
    }

    fn selinux(&mut self, label: Option<[String; 4]>) {
        let Some(label) = label else {
            return;
        };
        if confinement::has_selinux() {
            self.confinement.selinux = Some(label.join(":"));
        } else {
            let told = "`label` has no effect: this kernel has no SELinux, or it is off";
            self.told.push(told.to_owned());
        }
    }
}

/// Takes a `user:X`, `role:X`, `type:X`, `level:X` over into the label.
fn relabel(label: &mut Option<[String; 4]>, part: &str) -> bool {
    let Some((key, value)) = part.split_once([':', '=']) else {
        return part == "nested" || part == "filetype";
    };
    let Some(index) = ["user", "role", "type", "level"]
        .iter()
        .position(|k| *k == key)
    else {
        return false;
    };
    let label = label.get_or_insert_with(|| CONTAINER_TYPE.map(str::to_owned));
    value.clone_into(&mut label[index]);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_containers_but_for_what_is_said() {
        let mut label = None;
        assert!(relabel(&mut label, "type:svirt_apache_t"));
        assert!(relabel(&mut label, "level:s0:c100,c200"));
        let label = label.map(|parts| parts.join(":"));
        assert_eq!(
            label.as_deref(),
            Some("system_u:system_r:svirt_apache_t:s0:c100,c200")
        );
        assert!(!relabel(&mut None, "colour:red"));
    }
}
