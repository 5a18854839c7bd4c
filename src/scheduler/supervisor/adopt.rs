//! What a supervisor does first: reads the records, finds what runs, goes on where its predecessor was killed.

use super::container::{Container, Phase, Status};
use super::launch::Launch;
use super::machine::Command;
use super::project::Project;
use crate::id::ContainerId;
use crate::runtime::Exit;
use crate::runtime::ShimLink;
use crate::runtime::identity;
use crate::runtime::shim::{record, stray};
use crate::state::paths::ContainerPaths;
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

/// Looks at folders of containers that the ledger does not know. One that was made and never started, by a command that was
/// killed before it was noted, is removed. One that was started stays, as the ledger must have lost it; what runs in it is
/// ended, since nobody could. What a damaged line may have been about stays.
fn sweep(project: &Project, known: &Known) -> io::Result<()> {
    if let [first, ..] = known.damaged[..] {
        let path = project.paths.ledger();
        let text = format!(
            "`{}` is damaged in line {first}: a container or its state may be missing",
            path.display()
        );
        project.warn(&text);
        project.news.add(&text);
        return Ok(());
    }
    let known: HashSet<&ContainerId> = known.containers.iter().map(|(r, _)| &r.id).collect();
    let mut swept = 0;
    for entry in fs::read_dir(project.paths.containers())? {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|n| ContainerId::new(n).ok());
        let Some(id) = id.filter(|id| !known.contains(id)) else {
            continue;
        };
        let paths = project.paths.container(&id);
        if has_run(&paths) {
            project.news.add(&lost(project, &id));
        } else {
            paths.remove()?;
            swept += 1;
        }
    }
    if swept > 0 {
        let text =
            format!("cleared away {swept} containers that an interrupted command had half made");
        project.news.add(&text);
    }
    Ok(())
}

/// Whether a container was started, at least once.
fn has_run(paths: &ContainerPaths) -> bool {
    let has_log = fs::read_dir(paths.log()).is_ok_and(|mut log| log.next().is_some());
    has_log || record::has_traces(&paths.run)
}

/// Ends what runs of a container that is on no record, and says so.
fn lost(project: &Project, id: &ContainerId) -> String {
    let cgroup = format!("{}/{id}", project.record.borrow().cgroup);
    let ended = match stray::end(&cgroup) {
        true => "; it ran, and was ended",
        false => "",
    };
    format!(
        "`{}` does not know the container of the folder `{}`, which stays{ended}",
        project.paths.ledger().display(),
        project.paths.container(id).root.display()
    )
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

/// A container without a process that could be found: at rest, about to start, or ended with the machine; or one whose run
/// folder was taken from it. That one is ended: nothing else could be done with it, and started again it would be there
/// twice.
fn settle(project: &Project, container: &Container) {
    let life = container.life.borrow().clone();
    let this_boot = identity::boot_id().is_ok_and(|boot| boot == life.boot);
    if this_boot && stray::end(&container.record.launch.spec.cgroup.path) {
        project.news.add(&format!(
            "the folder `{}` was removed while `{}` ran, which was ended: nobody could find it any more",
            container.paths.run.display(),
            container.record.name
        ));
    }
    project.sweep_after(container);
    project.release_endpoint(container);
    if life.due && this_boot {
        // Unless whoever was told to stop it instead did not get that far.
        if !life.stopped_by_user {
            let _ = container.commands.send(Command::Due);
        }
    } else if life.started > life.finished || life.due {
        let _ = container.commands.send(Command::Crashed {
            with_machine: !this_boot,
        });
    }
}
