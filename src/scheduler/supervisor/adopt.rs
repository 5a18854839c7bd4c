//! What a supervisor does first: reads the records, finds what runs, goes on where its predecessor was killed.

use super::container::{Container, Phase, Status};
use super::launch::Launch;
use super::machine::Command;
use super::project::Project;
use crate::id::ContainerId;
use crate::runtime::Exit;
use crate::runtime::ShimLink;
use crate::runtime::identity;
use crate::runtime::shim::record;
use crate::state::record::{ContainerRecord, LifeRecord};
use crate::state::store;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// How long a shim may take to say how its container is.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the ledger knows of a project's containers.
pub struct Known {
    /// Those that were made and not removed.
    pub containers: Vec<(ContainerRecord<Launch>, LifeRecord)>,
    /// Lines of the ledger that cannot be read.
    pub damaged: Vec<usize>,
}

/// Takes in all containers of the project. Names are answered before the first resolver socket is taken over, so that
/// no lookup that waited meets an empty zone.
pub async fn all(project: &Rc<Project>, known: Known) -> io::Result<()> {
    sweep(project, &known)?;
    let mut adopted = known.containers;
    // Killed between two halves of a removal, or the machine lost power in it.
    let gone = |record: &ContainerRecord<Launch>| {
        let is_gone = !project.paths.container(&record.id).root.exists();
        is_gone && project.forget_container(record).is_ok()
    };
    adopted.retain(|(record, _)| !gone(record));
    let containers: Vec<_> = adopted
        .into_iter()
        .map(|(record, life)| take_in(project, record, life))
        .collect();
    project.publish_names();
    for container in &containers {
        reconnect(project, container);
    }
    for container in &containers {
        // Without the word of its shim we would tell lies about it.
        let greeted = container.until(|s| s.phase != Phase::Starting);
        if tokio::time::timeout(PATIENCE, greeted).await.is_err() {
            project.warn(&format!(
                "the shim of container `{}` does not answer",
                container.record.name
            ));
        }
    }
    Ok(())
}

/// Removes folders of containers that the ledger does not know: killed before the first was noted, or after the other
/// was forgotten. What a damaged line may have been about stays.
fn sweep(project: &Project, known: &Known) -> io::Result<()> {
    if let [first, ..] = known.damaged[..] {
        let path = project.paths.ledger();
        let text = format!(
            "`{}` is damaged in line {first}: a container or its state may be missing",
            path.display()
        );
        project.warn(&text);
        return Ok(());
    }
    let known: HashSet<&ContainerId> = known.containers.iter().map(|(r, _)| &r.id).collect();
    let mut swept = 0;
    for entry in fs::read_dir(project.paths.containers())? {
        let name = entry?.file_name();
        match name.to_str().and_then(|n| ContainerId::new(n).ok()) {
            Some(id) if !known.contains(&id) => {
                project.paths.container(&id).remove()?;
                swept += 1;
            }
            _ => {}
        }
    }
    if swept > 0 {
        let text =
            format!("cleared away {swept} containers that an interrupted command had half made");
        project.news.borrow_mut().push(text);
    }
    Ok(())
}

fn take_in(
    project: &Rc<Project>,
    record: ContainerRecord<Launch>,
    life: LifeRecord,
) -> Rc<Container> {
    let paths = project.paths.container(&record.id);
    let exit: Option<Exit> = store::read(&paths.run.join("exit.json")).ok().flatten();
    let mut status = Status::at_rest(&life);
    if let Some(exit) = exit {
        status.exit_code = Some(exit.code);
        status.oom = exit.oom;
    }
    let container = project.add(record, life, status);
    project.recall_endpoint(&container);
    container
}

/// Finds the shim of a container, or at least its process.
pub fn reconnect(project: &Rc<Project>, container: &Rc<Container>) {
    if let Ok(link) = ShimLink::connect(&container.paths.run) {
        // Until its first word we know only that it was started.
        container.status.send_modify(|s| s.phase = Phase::Starting);
        let _ = container.commands.send(Command::Adopted(link));
        return;
    }
    let recorded = record::read_pid(&container.paths.run).ok().flatten();
    match recorded {
        Some(process) if process.is_alive() => {
            let process = (process.pid, process.start_time);
            container.status.send_modify(|s| s.phase = Phase::Running);
            let _ = container.commands.send(Command::Orphaned(process));
        }
        Some(process) => bury(project, container, (process.pid, process.start_time)),
        None => settle(project, container),
    }
}

/// Neither shim nor process is left of a container that ran in this boot. What its policy says of such an end is still to
/// be done, unless it was.
fn bury(project: &Rc<Project>, container: &Rc<Container>, process: (i32, u64)) {
    let life = container.life.borrow().clone();
    let exit = record::read_exit(&container.paths.run).ok().flatten();
    let heard = match exit {
        Some(exit) => exit.time <= life.finished && life.started <= life.finished,
        None => life.started <= life.finished,
    };
    if heard {
        return settle(project, container);
    }
    let (project, container) = (project.clone(), container.clone());
    container.status.send_modify(|s| s.phase = Phase::Starting);
    tokio::task::spawn_local(async move {
        let exit = project.bury(&container, process).await;
        let _ = container.commands.send(Command::Buried(exit));
    });
}

/// A container without a process: at rest, about to start, or ended with the machine.
fn settle(project: &Project, container: &Container) {
    let life = container.life.borrow().clone();
    let this_boot = identity::boot_id().is_ok_and(|boot| boot == life.boot);
    project.sweep_after(container);
    project.release_endpoint(container);
    if life.due && this_boot {
        // Unless whoever was told to stop it instead did not get that far.
        if !life.stopped_by_user {
            let _ = container.commands.send(Command::Due);
        }
    } else if life.started > life.finished || life.due {
        let _ = container.commands.send(Command::Crashed);
    }
}
