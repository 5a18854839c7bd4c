//! A tmpfs of the user's.

use super::user::propagation_of;
use super::{FOLDER, Root, attach, finish, set_option};
use crate::runtime::error::{At, StartFailure, Step};
use crate::runtime::spec::{MountKind, MountSpec};
use crate::runtime::sys::mount as attributes;
use rustix::fs::fstat;
use rustix::mount::{FsOpenFlags, MountAttrFlags, fsopen};

/// What `mount` calls the times of access: one choice of the kernel's, and one of folders beside it.
const ATIME: MountAttrFlags = MountAttrFlags::MOUNT_ATTR__ATIME;

pub(super) fn tmpfs(root: Root<'_>, spec: &MountSpec) -> Result<(), StartFailure> {
    let MountKind::Tmpfs {
        size,
        mode,
        options,
    } = &spec.kind
    else {
        return Ok(());
    };
    let what = || format!("mount a tmpfs at `{}`", spec.target);
    // As runc has it: with the mode of the folder that it covers.
    let covered = root.open(&spec.target, FOLDER).ok();
    let covered = covered.and_then(|folder| Some(fstat(folder).ok()?.st_mode & 0o7777));
    let mode = mode.or(covered).unwrap_or(0o1777);
    let mut settings = vec![("mode".to_owned(), format!("{mode:o}"))];
    settings.extend(size.map(|bytes| ("size".to_owned(), bytes.to_string())));
    // Docker's flags, unless the user says otherwise.
    let mut flags = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    flags.set(MountAttrFlags::MOUNT_ATTR_RDONLY, spec.read_only);
    let mut propagation = None;
    for option in options
        .iter()
        .flat_map(|o| o.split(','))
        .filter(|o| !o.is_empty())
    {
        match (meaning(option), option.split_once('=')) {
            (Some(Meaning::Flags(clear, set)), _) => flags = (flags - clear) | set,
            (Some(Meaning::Propagation), _) => propagation = Some(option),
            (Some(Meaning::Nothing), _) => {}
            (None, Some((key, value))) => settings.push((key.to_owned(), value.to_owned())),
            (None, None) => settings.push((option.to_owned(), String::new())),
        }
    }
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).at(Step::Mount, what)?;
    let source = ("source".to_owned(), "tmpfs".to_owned());
    for (key, value) in [source].iter().chain(&settings) {
        let which = || match value.as_str() {
            "" => format!("{}: option `{key}`", what()),
            value => format!("{}: option `{key}={value}`", what()),
        };
        set_option(&fs, key, value).at(Step::Mount, which)?;
    }
    let mount = || {
        let tree = finish(&fs, flags)?;
        let (propagation, all) = propagation_of(propagation);
        attributes::set_attributes(&tree, 0, propagation, all)?;
        attach(tree, root.make_folder(&spec.target)?)
    };
    mount().at(Step::Mount, what)
}

/// What an option means that is none of the filesystem's.
enum Meaning {
    /// Clears flags of the mount, then sets some.
    Flags(MountAttrFlags, MountAttrFlags),
    /// Who sees what is mounted below.
    Propagation,
    /// That which is so anyway.
    Nothing,
}

fn meaning(option: &str) -> Option<Meaning> {
    let none = MountAttrFlags::empty();
    let set = |flags| Some(Meaning::Flags(none, flags));
    let clear = |flags| Some(Meaning::Flags(flags, none));
    match option {
        "ro" => set(MountAttrFlags::MOUNT_ATTR_RDONLY),
        "rw" => clear(MountAttrFlags::MOUNT_ATTR_RDONLY),
        "nosuid" => set(MountAttrFlags::MOUNT_ATTR_NOSUID),
        "suid" => clear(MountAttrFlags::MOUNT_ATTR_NOSUID),
        "nodev" => set(MountAttrFlags::MOUNT_ATTR_NODEV),
        "dev" => clear(MountAttrFlags::MOUNT_ATTR_NODEV),
        "noexec" => set(MountAttrFlags::MOUNT_ATTR_NOEXEC),
        "exec" => clear(MountAttrFlags::MOUNT_ATTR_NOEXEC),
        "nodiratime" => set(MountAttrFlags::MOUNT_ATTR_NODIRATIME),
        "diratime" => clear(MountAttrFlags::MOUNT_ATTR_NODIRATIME),
        "noatime" => Some(Meaning::Flags(ATIME, MountAttrFlags::MOUNT_ATTR_NOATIME)),
        "strictatime" => Some(Meaning::Flags(
            ATIME,
            MountAttrFlags::MOUNT_ATTR_STRICTATIME,
        )),
        // The kernel's default is `relatime`, which is 0.
        "relatime" | "atime" | "norelatime" | "nostrictatime" => clear(ATIME),
        "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" | "unbindable"
        | "runbindable" => Some(Meaning::Propagation),
        // Locks that this kernel does not have, and words of other mounts that docker lets pass.
        "defaults" | "mand" | "nomand" | "remount" | "bind" | "rbind" => Some(Meaning::Nothing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_that_docker_takes_are_known() {
        let words = "defaults ro rw suid nosuid dev nodev exec noexec remount mand nomand atime noatime diratime \
                     nodiratime bind rbind unbindable runbindable private rprivate shared rshared slave rslave \
                     relatime norelatime strictatime nostrictatime";
        for word in words.split_whitespace() {
            assert!(meaning(word).is_some(), "{word}");
        }
        // Those of the filesystem, which knows them itself, and what nobody knows.
        for word in ["sync", "async", "dirsync", "size=1m", "quick"] {
            assert!(meaning(word).is_none(), "{word}");
        }
    }

    #[test]
    fn of_the_times_of_access_the_last_word_counts() {
        let mut flags = MountAttrFlags::empty();
        for (word, expected) in [
            ("noatime", MountAttrFlags::MOUNT_ATTR_NOATIME),
            ("strictatime", MountAttrFlags::MOUNT_ATTR_STRICTATIME),
            ("relatime", MountAttrFlags::empty()),
        ] {
            if let Some(Meaning::Flags(clear, set)) = meaning(word) {
                flags = (flags - clear) | set;
            }
            assert_eq!(flags, expected, "{word}");
        }
    }
}
