//! What the creation of a container needs to know of its cgroup.

use super::Cgroup;
use super::Error;
use super::Layout;
use super::tree::Folder;

impl Cgroup {
    /// Opens the cgroup `path` that a process is in, as `/proc/PID/cgroup` tells: no search, whatever else is on the machine.
    pub fn of_process(pid: i32, path: &str) -> Result<Self, Error> {
        let layout = Layout::here()?;
        let source = format!("/proc/{pid}/cgroup");
        let text = std::fs::read_to_string(&source).map_err(Error::reading(&source))?;
        let mut found = Self {
            path: path.to_owned(),
            v1: Vec::new(),
            v2: None,
            pure: layout.is_pure_v2(),
        };
        for line in text.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(own)) = (fields.next(), fields.next()) else {
                continue;
            };
            let Some(own) = up_to(own, path) else {
                continue;
            };
            let below = own.trim_start_matches('/');
            if controllers.is_empty() {
                if let Some(unified) = &layout.unified {
                    found.v2 = Folder::open(unified.mount.join(below))?;
                }
            } else if let Some(hierarchy) =
                controllers.split(',').find_map(|name| layout.v1_of(name))
                && let Some(folder) = Folder::open(hierarchy.mount.join(below))?
            {
                found.v1.push((hierarchy.controllers.clone(), folder));
            }
        }
        if found.v1.is_empty() && found.v2.is_none() {
            return Self::open(path);
        }
        Ok(found)
    }

    /// Puts the calling process, which has one thread and was cloned into its v2 cgroup, into the v1 hierarchies.
    ///
    /// A thread that moves itself (`0` to `tasks`) needs no lock of all processes of the machine. A write of a PID to
    /// `cgroup.procs` does, and waits for an RCU grace period now and then: milliseconds, 13 were seen under load.
    pub fn enter_v1(&self) -> Result<(), Error> {
        self.v1
            .iter()
            .try_for_each(|(_, folder)| folder.write("tasks", "0"))
    }

    /// The hierarchies it has a folder in: the controllers of each v1 one, `None` for v2.
    pub fn hierarchies(&self) -> impl Iterator<Item = Option<&[String]>> {
        let v1 = self
            .v1
            .iter()
            .map(|(controllers, _)| Some(controllers.as_slice()));
        v1.chain(self.v2.iter().map(|_| None))
    }
}

/// The part of a process's cgroup that ends in `path`; `None` if it is not in there.
fn up_to<'a>(own: &'a str, path: &str) -> Option<&'a str> {
    let begin = own.find(&format!("/{path}"))?;
    let end = begin + 1 + path.len();
    let rest = &own[end..];
    (rest.is_empty() || rest.starts_with('/')).then_some(&own[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_have_moved_below_its_cgroup_but_not_beside_it() {
        assert_eq!(up_to("/x/hoist/p/1", "hoist/p/1"), Some("/x/hoist/p/1"));
        assert_eq!(
            up_to("/hoist/p/1/init.scope", "hoist/p/1"),
            Some("/hoist/p/1")
        );
        assert_eq!(up_to("/hoist/p/11", "hoist/p/1"), None);
        assert_eq!(up_to("/", "hoist/p/1"), None);
    }
}
