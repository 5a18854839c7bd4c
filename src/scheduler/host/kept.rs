//! Logs that outlive their containers, for `logs --previous`.

use crate::scheduler::supervisor::container::Container;
use crate::scheduler::supervisor::project::Project;
use crate::state::record::{KeptLogRecord, VERSION};
use crate::state::{kept_logs, paths, store};
use std::fs;
use std::io;

/// Moves the log of a container that has ended out of its folders. What an earlier container of the same name had left
/// goes once this one is in its place.
pub(super) fn keep(project: &Project, container: &Container) -> io::Result<()> {
    let all = project.installation.kept_logs(&project.name);
    let record = &container.record;
    let folder = all.join(record.id.as_str());
    let earlier = kept_logs::list(&all).map_err(io::Error::other)?;
    paths::make_private(&folder)?;
    let kept = KeptLogRecord {
        version: VERSION,
        name: record.name.clone(),
        service: record.service.clone(),
        number: record.number,
        created: record.created,
    };
    store::write(&folder.join(kept_logs::RECORD), &kept).map_err(io::Error::other)?;
    match fs::rename(container.paths.log(), folder.join(kept_logs::LOG)) {
        // Done before we were killed.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    for other in earlier {
        if other.record.name == kept.name && other.folder != folder {
            fs::remove_dir_all(&other.folder)?;
        }
    }
    Ok(())
}
