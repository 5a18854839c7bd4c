//! `commit` and `export`: a container as an image, or as an archive.

use super::{Engine, Error};
use crate::id::ContainerId;
use crate::id::ProjectName;
use crate::image::{Commit, Store};
use crate::scheduler::supervisor::control::{Failure, Select};
use crate::scheduler::supervisor::launch::Launch;
use crate::state::paths::ContainerPaths;
use crate::state::record::ContainerRecord;
use crate::state::store;
use std::io::Write;

/// What to make of a service's container.
#[derive(Debug, Clone, Default)]
pub struct CommitRequest {
    /// Service.
    pub service: String,
    /// Replica number; `None` = the lowest.
    pub index: Option<u32>,
    /// The name of the image.
    pub name: Option<String>,
    /// Dockerfile instructions for its config.
    pub changes: Vec<String>,
    /// Who made it.
    pub author: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// Freeze the container meanwhile.
    pub pause: bool,
}

/// Files that every container has from us, by their place inside.
const OURS: [&str; 9] = [
    "dev",
    "proc",
    "sys",
    "run",
    "etc",
    "etc/hosts",
    "etc/hostname",
    "etc/resolv.conf",
    ".dockerenv",
];

/// Makes an image of a container; its id.
pub fn commit(
    engine: &Engine,
    project: &ProjectName,
    request: &CommitRequest,
) -> Result<String, Error> {
    let (paths, record) = member(engine, project, &request.service, request.index)?;
    if record.image == "host" {
        return Err(Failure::text(format!(
            "container `{}` runs on `image: host`, which is this machine: it cannot be committed",
            record.name
        ))
        .with_hint("hoist export writes its own files as an archive")
        .into());
    }
    let _frozen = match request.pause {
        true => Frozen::new(engine, project, &record)?,
        false => None,
    };
    let inside = |target: &String| target.trim_matches('/').to_owned();
    let mut mounted: Vec<String> = OURS.map(str::to_owned).to_vec();
    let mounts = record.launch.spec.mounts.iter();
    mounted.extend(mounts.map(|mount| inside(&mount.target)));
    let id = Store::open(&engine.paths.root)?.commit_container(&Commit {
        base: &record.image_id,
        upper: &paths.upper(),
        mounted,
        name: request.name.as_deref(),
        changes: &request.changes,
        author: request.author.as_deref(),
        message: request.message.as_deref(),
    })?;
    Ok(id.to_string())
}

/// Writes the files of a container as a tar archive, without what is mounted in it.
pub fn export(
    engine: &Engine,
    project: &ProjectName,
    (service, index): (&str, Option<u32>),
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (paths, record) = member(engine, project, service, index)?;
    let image = match record.image.as_str() {
        "host" => "host",
        _ => record.image_id.as_str(),
    };
    Ok(Store::open(&engine.paths.root)?.export(image, &paths.upper(), out)?)
}

/// A container that is frozen, and goes on when this is dropped.
struct Frozen<'a> {
    engine: &'a Engine,
    project: &'a ProjectName,
    select: Select,
}

impl<'a> Frozen<'a> {
    /// Freezes a container; `None` if it does not run, or is frozen already.
    fn new(
        engine: &'a Engine,
        project: &'a ProjectName,
        record: &ContainerRecord<Launch>,
    ) -> Result<Option<Self>, Error> {
        use crate::scheduler::supervisor::control::ContainerState;
        let runs = super::ps(engine, project)?
            .into_iter()
            .any(|it| it.id == record.id.as_str() && it.state == ContainerState::Running);
        if !runs {
            return Ok(None);
        }
        let select = Select {
            containers: vec![record.id.to_string()],
            ..Select::default()
        };
        super::pause(engine, project, select.clone(), &mut |_| ())?;
        Ok(Some(Self {
            engine,
            project,
            select,
        }))
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        // It may have been removed meanwhile.
        let _ = super::unpause(self.engine, self.project, self.select.clone(), &mut |_| ());
    }
}

/// A service's container, by its record: no supervisor is asked.
fn member(
    engine: &Engine,
    project: &ProjectName,
    service: &str,
    index: Option<u32>,
) -> Result<(ContainerPaths, ContainerRecord<Launch>), Error> {
    let paths = engine.paths.project(project);
    let mut found: Vec<(ContainerPaths, ContainerRecord<Launch>)> = Vec::new();
    for entry in std::fs::read_dir(paths.containers())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| ContainerId::new(name).ok());
        let Some(id) = id else { continue };
        let container = paths.container(&id);
        let record: Option<ContainerRecord<Launch>> = store::read(&container.record())?;
        let fits = |record: &ContainerRecord<Launch>| {
            let one_off = record.labels.get("com.docker.compose.oneoff");
            record.service == service
                && index.is_none_or(|index| record.number == index)
                && one_off.is_none_or(|it| it != "True")
        };
        found.extend(record.filter(fits).map(|record| (container, record)));
    }
    found.sort_by_key(|(_, record)| record.number);
    found.into_iter().next().ok_or_else(|| {
        let which = index
            .map(|index| format!(" number {index}"))
            .unwrap_or_default();
        Failure::text(format!(
            "service `{service}` of project `{project}` has no container{which}"
        ))
        .with_hint("`hoist up -d` makes it")
        .into()
    })
}
