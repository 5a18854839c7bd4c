//! What a box holds: processes, mounts, cgroups, links, addresses, routes, packet filter rules and files.

use super::{World, cgroups};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Everything of a box, one thing a line, each line with its kind in front.
#[derive(Default)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// Looks at a box.
    pub fn take(world: &World) -> Self {
        let mut lines = BTreeSet::new();
        lines.extend(
            processes(world.init)
                .into_iter()
                .map(|(pid, words)| format!("process {pid} {words}")),
        );
        lines.extend(mounts(world.init));
        for hierarchy in &world.cgroups {
            lines.extend(
                cgroups::below(hierarchy)
                    .iter()
                    .map(|path| format!("cgroup {}", path.display())),
            );
        }
        network(world, &mut lines);
        files(&world.state(), "state", &mut lines);
        files(
            Path::new(&format!("/proc/{}/root/run", world.init)),
            "/run",
            &mut lines,
        );
        files(&world.folder.path().join("home"), "home", &mut lines);
        Self(lines)
    }

    /// `+ …` for what is new since `before`, `- …` for what is gone.
    pub fn difference(&self, before: &Self) -> Vec<String> {
        let new = self.0.difference(&before.0).map(|line| format!("+ {line}"));
        let gone = before.0.difference(&self.0).map(|line| format!("- {line}"));
        new.chain(gone).collect()
    }
}

/// `(PID in the box, command line)` of all but the box's init. The box's own `/proc` is read, from outside.
pub fn processes(init: i32) -> Vec<(i32, String)> {
    let proc = format!("/proc/{init}/root/proc");
    let entries = fs::read_dir(&proc).expect("the box lives");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != 1)
        .filter_map(|pid: i32| {
            let words = fs::read(format!("{proc}/{pid}/cmdline")).ok()?;
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            let name = fs::read_to_string(format!("{proc}/{pid}/comm")).ok()?;
            Some((pid, format!("[{}] {}", name.trim(), words.trim())))
        })
        .collect()
}

/// `(PID of the host, PID in the box)` of the processes in the box's PID namespace, init left out.
pub fn host_processes(init: i32) -> Vec<(i32, i32)> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let box_namespace = namespace(init);
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != init && namespace(*pid) == box_namespace)
        .filter_map(|pid: i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("NSpid:"))?;
            Some((pid, line.split_whitespace().last()?.parse().ok()?))
        })
        .collect()
}

/// Mount points with their kinds. A network namespace that a file keeps alive is one (`nsfs`).
fn mounts(init: i32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{init}/mountinfo")).expect("the box lives");
    text.lines()
        .filter_map(|line| {
            let (place, kind) = line.split_once(" - ")?;
            let mut place = place.split(' ').skip(3);
            Some(format!(
                "mount {1} of {0} ({2})",
                place.next()?,
                place.next()?,
                kind.split(' ').next()?
            ))
        })
        .collect()
}

/// What `ip` and `nft` show, without what changes by itself (life times, counters, flags of a link).
fn network(world: &World, lines: &mut BTreeSet<String>) {
    const SHOW: &[(&str, &[&str])] = &[
        ("link", &["ip", "-o", "link"]),
        ("address", &["ip", "-o", "addr"]),
        ("route", &["ip", "-4", "route", "show", "table", "all"]),
        ("route6", &["ip", "-6", "route", "show", "table", "all"]),
        ("rule", &["ip", "rule"]),
        ("nftables", &["nft", "-s", "list", "ruleset"]),
    ];
    for (kind, words) in SHOW {
        for line in world
            .run(words)
            .ok()
            .stdout
            .lines()
            .filter(|line| !line.trim().is_empty())
        {
            let end = if *kind == "link" {
                line.find(": <")
            } else {
                line.find("valid_lft").or(line.find("expires"))
            };
            lines.insert(format!(
                "{kind} {}",
                line[..end.unwrap_or(line.len())].trim_end()
            ));
        }
    }
}

/// Files and folders below `folder`; images and volumes are the user's and stay.
fn files(folder: &Path, shown: &str, lines: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if shown == "state"
            && matches!(
                name.as_str(),
                "oci" | "layers" | "bottom" | "host" | "volumes"
            )
        {
            continue;
        }
        let path = format!("{shown}/{name}");
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&entry.path(), &path, lines);
        }
        lines.insert(format!("file {path}"));
    }
}
