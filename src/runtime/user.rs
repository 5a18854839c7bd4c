//! Who the process is: `user[:group]` looked up in the container's own `/etc/passwd` and `/etc/group`.
//!
//! Invariant: the files belong to the image, so they are opened beneath the root only, must be regular files, and are
//! read up to a limit; a line that makes no sense is skipped, as the C library does.

use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::ResolveFlags;
use rustix::fs::fstat;
use rustix::fs::openat2;
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

/// Larger account files are refused: the reader has no use for them, and an image must not fill our memory.
const LIMIT: u64 = 4 << 20;

/// A process's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids; the primary one is the first.
    pub groups: Vec<u32>,
    /// Home folder; `/` if the image does not know the user.
    pub home: String,
}

/// Why a user could not be found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such name in the image's `/etc/passwd`.
    #[error("unknown user `{name}`: the image's /etc/passwd has no such name")]
    UnknownUser {
        /// The name.
        name: String,
    },
    /// No such name in the image's `/etc/group`.
    #[error("unknown group `{name}`: the image's /etc/group has no such name")]
    UnknownGroup {
        /// The name.
        name: String,
    },
    /// A number that is no id.
    #[error("`{text}` is not a user or group id: ids go from 0 to 2147483647")]
    OutOfRange {
        /// The text.
        text: String,
    },
    /// The image's file is not one we read.
    #[error("cannot use the image's {path}: {reason}")]
    Unusable {
        /// Which file.
        path: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The image's file could not be read.
    #[error("cannot read the image's {path}")]
    Read {
        /// Which file.
        path: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// What to change.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownUser { .. } | Self::UnknownGroup { .. } => {
                Some("use a numeric id, or a name that exists in the image".into())
            }
            _ => None,
        }
    }
}

/// Resolves `user` (`name`, `uid`, `name:group`, `uid:gid`; empty is root) and the additional `groups`.
///
/// As docker: an explicit group replaces the memberships that `/etc/group` lists; a number needs no entry.
pub fn resolve(root: BorrowedFd<'_>, user: &str, groups: &[String]) -> Result<User, Error> {
    let passwd = read(root, "/etc/passwd")?;
    let group = read(root, "/etc/group")?;
    find(&passwd, &group, user, groups)
}

/// An account file's text; empty if the image has none.
fn read(root: BorrowedFd<'_>, path: &'static str) -> Result<String, Error> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let failed = |source: Errno| Error::Read {
        path,
        source: source.into(),
    };
    let regular = |fd: &OwnedFd| -> Result<(), Error> {
        let kind = FileType::from_raw_mode(fstat(fd).map_err(failed)?.st_mode);
        let reason = "it is not a regular file";
        (kind == FileType::RegularFile)
            .then_some(())
            .ok_or(Error::Unusable { path, reason })
    };
    // Looked at before it is opened, since opening a device can have effects; and after, since it may be swapped.
    match openat2(
        root,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    ) {
        Ok(fd) => regular(&fd)?,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(String::new()),
        Err(errno) => return Err(failed(errno)),
    }
    let fd = openat2(root, path, flags, Mode::empty(), resolve).map_err(failed)?;
    regular(&fd)?;
    let mut bytes = Vec::new();
    File::from(fd)
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read { path, source })?;
    if bytes.len() as u64 > LIMIT {
        let reason = "it is larger than 4 MiB";
        return Err(Error::Unusable { path, reason });
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line of `/etc/passwd`.
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1).unwrap_or_default();
        Some(Account {
            name,
            uid,
            gid,
            home,
        })
    })
}

/// A line of `/etc/group`.
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn all_groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = fields.nth(1)?.parse().ok()?;
        let members = fields.next().unwrap_or_default();
        Some(Group { name, gid, members })
    })
}

fn find(passwd: &str, group: &str, user: &str, extra: &[String]) -> Result<User, Error> {
    let (who, primary) = match user.split_once(':') {
        Some((who, primary)) => (who, Some(primary).filter(|text| !text.is_empty())),
        None => (user, None),
    };
    let who = if who.is_empty() { "0" } else { who };
    let numeric = id(who)?;
    let account = accounts(passwd).find(|account| match numeric {
        Some(uid) => account.uid == uid,
        None => account.name == who,
    });
    let uid = match (&account, numeric) {
        (Some(account), _) => account.uid,
        (None, Some(uid)) => uid,
        (None, None) => return Err(Error::UnknownUser { name: who.into() }),
    };
    let gid = match primary {
        Some(text) => group_id(group, text)?,
        None => account.as_ref().map_or(0, |account| account.gid),
    };
    let mut groups = vec![gid];
    if let (None, Some(account)) = (primary, &account) {
        let member = |g: &Group<'_>| g.members.split(',').any(|name| name == account.name);
        groups.extend(all_groups(group).filter(member).map(|g| g.gid));
    }
    for text in extra {
        groups.push(group_id(group, text)?);
    }
    let home = account
        .map(|account| account.home)
        .filter(|home| !home.is_empty());
    Ok(User {
        uid,
        gid,
        groups: unique(groups),
        home: home.unwrap_or("/").to_owned(),
    })
}

/// The number if the text is one: digits always mean an id, never a name.
fn id(text: &str) -> Result<Option<u32>, Error> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(number) if number <= i32::MAX as u32 => Ok(Some(number)),
        _ => Err(Error::OutOfRange { text: text.into() }),
    }
}

fn group_id(group: &str, text: &str) -> Result<u32, Error> {
    match id(text)? {
        Some(number) => Ok(number),
        None => all_groups(group)
            .find(|g| g.name == text)
            .map(|g| g.gid)
            .ok_or_else(|| Error::UnknownGroup { name: text.into() }),
    }
}

fn unique(groups: Vec<u32>) -> Vec<u32> {
    let mut seen = std::collections::HashSet::new();
    groups.into_iter().filter(|gid| seen.insert(*gid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# a comment\nbroken:line\n\
        app:x:1000:1001:App:/srv/app:/bin/sh\n1500:x:7:7::/seven:\nnohome:x:9:9::";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root,app\napp:x:1001:\naudio:x:63:app\nbad\n";

    fn found(user: &str, extra: &[&str]) -> Result<User, Error> {
        let extra: Vec<_> = extra.iter().map(|text| (*text).to_owned()).collect();
        find(PASSWD, GROUP, user, &extra)
    }

    fn ids(user: &str, extra: &[&str]) -> (u32, u32, Vec<u32>, String) {
        let user = found(user, extra).unwrap();
        (user.uid, user.gid, user.groups, user.home)
    }

    #[test]
    fn users_follow_docker() {
        assert_eq!(ids("", &[]), (0, 0, vec![0, 10], "/root".into()));
        assert_eq!(
            ids("app", &[]),
            (1000, 1001, vec![1001, 10, 63], "/srv/app".into())
        );
        assert_eq!(ids("1000", &[]), ids("app", &[]));
        assert_eq!(
            ids("app:audio", &[]),
            (1000, 63, vec![63], "/srv/app".into())
        );
        assert_eq!(ids("app:", &[]), ids("app", &[]));
        assert_eq!(ids(":wheel", &[]), (0, 10, vec![10], "/root".into()));
        assert_eq!(ids("4242", &[]), (4242, 0, vec![0], "/".into()));
        assert_eq!(
            ids("4242:4343", &["audio", "99"]),
            (4242, 4343, vec![4343, 63, 99], "/".into())
        );
        // Digits are an id even where they are also somebody's name.
        assert_eq!(ids("1500", &[]), (1500, 0, vec![0], "/".into()));
        assert_eq!(ids("nohome", &[]).3, "/");
    }

    #[test]
    fn unknown_names_and_senseless_numbers_are_errors() {
        assert!(matches!(
            found("ghost", &[]),
            Err(Error::UnknownUser { .. })
        ));
        assert!(matches!(
            found("app:ghost", &[]),
            Err(Error::UnknownGroup { .. })
        ));
        assert!(matches!(
            found("app", &["ghost"]),
            Err(Error::UnknownGroup { .. })
        ));
        assert!(matches!(
            found("4294967295", &[]),
            Err(Error::OutOfRange { .. })
        ));
        assert!(matches!(
            found("0:99999999999999999999", &[]),
            Err(Error::OutOfRange { .. })
        ));
        assert!(matches!(found("-1", &[]), Err(Error::UnknownUser { .. })));
    }

    #[test]
    fn account_files_are_looked_up_beneath_the_root_only() {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        let root = File::open(dir.path()).unwrap();
        // Nothing there: root is 0 without a home, a name is unknown.
        assert_eq!(resolve(root.as_fd(), "", &[]).unwrap().home, "/");
        // A link to the host's file stays inside, where there is nothing.
        std::os::unix::fs::symlink("/etc/hostname", etc.join("passwd")).unwrap();
        assert!(matches!(
            resolve(root.as_fd(), "root", &[]),
            Err(Error::UnknownUser { .. })
        ));
        std::fs::remove_file(etc.join("passwd")).unwrap();
        std::fs::write(etc.join("passwd"), PASSWD).unwrap();
        assert_eq!(resolve(root.as_fd(), "app", &[]).unwrap().gid, 1001);
    }

    #[test]
    fn a_fifo_or_a_giant_in_place_of_a_file_is_refused_without_hanging() {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        let root = File::open(dir.path()).unwrap();
        nix::unistd::mkfifo(&etc.join("passwd"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = resolve(root.as_fd(), "root", &[]).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        std::fs::remove_file(etc.join("passwd")).unwrap();
        File::create(etc.join("passwd"))
            .unwrap()
            .set_len(LIMIT + 1)
            .unwrap();
        let error = resolve(root.as_fd(), "root", &[]).unwrap_err();
        assert!(error.to_string().contains("larger"), "{error}");
    }
}
