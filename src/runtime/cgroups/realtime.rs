//! Real-time CPU time on cgroup v1: a group has only what its parent gives, and a new one has none.

use super::Error;
use super::tree::Folder;
use super::tree::children;
use std::path::Path;

const RUNTIME: &str = "cpu.rt_runtime_us";

/// Gives the folders above `folder` that are ours (`path` long) what their children have, and `runtime` more for it.
pub fn make_room(folder: &Folder, path: &str, runtime: i64) -> Result<(), Error> {
    let ours = path.split('/').filter(|part| !part.is_empty()).count();
    let above: Vec<&Path> = folder.path.ancestors().take(ours).skip(1).collect();
    // From the top: a child cannot have more than its parent.
    for parent in above.into_iter().rev() {
        let Some(parent) = Folder::open(parent.to_owned())? else {
            continue;
        };
        let others = children(&parent.path)
            .into_iter()
            .filter(|child| !folder.path.starts_with(child));
        let needed = others.map(|child| runtime_of(&child)).sum::<i64>() + runtime;
        if needed > runtime_of(&parent.path) {
            // A refusal shows when the container's own share is written.
            let _ = parent.write(RUNTIME, &needed.to_string());
        }
    }
    Ok(())
}

fn runtime_of(path: &Path) -> i64 {
    let text = std::fs::read_to_string(path.join(RUNTIME)).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}
