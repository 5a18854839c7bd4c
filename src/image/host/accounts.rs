//! `/etc/passwd` and `/etc/group`, reduced to the system's own users: no people, no passwords.

/// Debian and Fedora give people ids from here.
const FIRST_PERSON: u32 = 1000;
const NOBODY: u32 = 65534;

/// A reduced account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

/// The system users of a `passwd` file.
pub(super) fn users(passwd: &str) -> Vec<Account> {
    let account = |line: &str| {
        let mut fields = line.split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        Some(Account {
            name: name.to_owned(),
            uid: fields.next()?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    };
    let mut users: Vec<Account> = passwd
        .lines()
        .filter_map(account)
        .filter(|user| is_system(user.uid))
        .collect();
    if !users.iter().any(|user| user.uid == 0) {
        let (name, uid, gid) = ("root".into(), 0, 0);
        users.insert(0, Account { name, uid, gid });
    }
    users
}

/// `passwd` with names, ids, home and shell only: a comment may name a person, a password field may hold a hash.
pub(super) fn passwd(text: &str) -> String {
    let users = users(text);
    let tail = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.split(':').next() == Some(name));
        let mut fields = line
            .unwrap_or("root:x:0:0::/root:/bin/sh")
            .split(':')
            .skip(5);
        let home = fields.next().unwrap_or("/").to_owned();
        (home, fields.next().unwrap_or("").to_owned())
    };
    let line = |user: &Account| {
        let (home, shell) = tail(&user.name);
        format!(
            "{}:x:{}:{}::{home}:{shell}\n",
            user.name, user.uid, user.gid
        )
    };
    users.iter().map(line).collect()
}

/// `group` with the system's groups and, of their members, the system users.
pub(super) fn group(text: &str, passwd: &str) -> String {
    let users = users(passwd);
    let is_user = |member: &&str| users.iter().any(|user| user.name == *member);
    let mut lines = String::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _password, gid, members] = fields.as_slice() else {
            continue;
        };
        if !gid.parse().is_ok_and(is_system) {
            continue;
        }
        let members: Vec<&str> = members.split(',').filter(is_user).collect();
        lines.push_str(&format!("{name}:x:{gid}:{}\n", members.join(",")));
    }
    if lines.is_empty() {
        lines.push_str("root:x:0:\n");
    }
    lines
}

fn is_system(id: u32) -> bool {
    id < FIRST_PERSON || id == NOBODY
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:$6$hash:0:0:Jane Doe,,,:/root:/bin/bash\n\
        redis:x:110:115:Redis,,,:/var/lib/redis:/usr/sbin/nologin\n\
        jane:x:1000:1000:Jane:/home/jane:/bin/zsh\n\
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\nbroken\n";

    #[test]
    fn people_comments_and_hashes_are_left_out() {
        assert_eq!(
            passwd(PASSWD),
            "root:x:0:0::/root:/bin/bash\n\
             redis:x:110:115::/var/lib/redis:/usr/sbin/nologin\n\
             nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
        );
        let groups =
            "root:x:0:\nsudo:secret:27:jane,redis\njane:x:1000:\nnogroup:x:65534:\nbad:1\n";
        assert_eq!(
            group(groups, PASSWD),
            "root:x:0:\nsudo:x:27:redis\nnogroup:x:65534:\n"
        );
    }

    #[test]
    fn there_is_always_a_root() {
        assert_eq!(passwd(""), "root:x:0:0::/root:/bin/sh\n");
        assert_eq!(group("", ""), "root:x:0:\n");
    }
}
