//! Commands that run in a container at turns of its life: once it runs, and before it is asked to stop.

use super::RealHost;
use crate::runtime::capabilities;
use crate::runtime::exec::ExecRequest;
use crate::runtime::spec::Seccomp;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::container::Container;
use crate::scheduler::supervisor::launch::Hook;
use crate::scheduler::supervisor::probe;
use crate::scheduler::supervisor::project::Project;
use crate::state::event::What;
use std::rc::Rc;

impl RealHost {
    /// Runs the `post_start` hooks in order; the first that fails ends it. Who is attached sees the output meanwhile, and
    /// hears of the hooks at the end of the container.
    pub(super) async fn post_start(&self, container: &Rc<Container>) -> Result<(), HostError> {
        let (project, container) = (self.project.clone(), container.clone());
        if container.record.launch.hooks.post_start.is_empty() {
            return Ok(());
        }
        if self.wish(&container).is_none() {
            return post_start(&project, &container).await;
        }
        let of = container.clone();
        let beside = tokio::task::spawn_local(async move { post_start(&project, &of).await });
        container.hooks.replace(Some(beside));
        Ok(())
    }

    /// Runs the `pre_stop` hooks of a container that runs. One that fails does not keep it from being stopped.
    pub(super) async fn pre_stop(&self, container: &Container) {
        if !container.is_running() {
            return;
        }
        for hook in &container.record.launch.hooks.pre_stop {
            if let Err(error) = run_hook(&self.project, container, hook, "pre_stop").await {
                let text = error.message;
                self.project.event(container, What::Warning { text }, "");
            }
        }
    }
}

async fn post_start(project: &Project, container: &Container) -> Result<(), HostError> {
    for hook in &container.record.launch.hooks.post_start {
        run_hook(project, container, hook, "post_start").await?;
    }
    Ok(())
}

async fn run_hook(
    project: &Project,
    container: &Container,
    hook: &Hook,
    kind: &str,
) -> Result<(), HostError> {
    let name = &container.record.name;
    let what = format!(
        "the {kind} hook `{}` of container `{name}`",
        hook.args.join(" ")
    );
    let failed = |e| HostError::because(format!("cannot run {what}"), e);
    let Some(request) = request(container, hook)? else {
        return Err(HostError::new(format!(
            "cannot run {what}: the container does not run"
        )));
    };
    match probe::to_end(project, &request, None)
        .await
        .map_err(failed)?
    {
        (Some(0), _) => Ok(()),
        (code, output) => {
            let code = code.map_or("unknown".to_owned(), |code| code.to_string());
            let said = match output.trim() {
                "" => String::new(),
                text => format!(": {text}"),
            };
            Err(HostError::new(format!(
                "{what} failed with exit code {code}{said}"
            )))
        }
    }
}

fn request(container: &Container, hook: &Hook) -> Result<Option<ExecRequest>, HostError> {
    let Some((pid, start_time)) = container.status.borrow().process else {
        return Ok(None);
    };
    let spec = &container.record.launch.spec;
    let mut process = spec.process.clone();
    process.args.clone_from(&hook.args);
    process.tty = false;
    process.stdin = false;
    for entry in &hook.env {
        let key = entry.split('=').next();
        process.env.retain(|e| e.split('=').next() != key);
        process.env.push(entry.clone());
    }
    if let Some(user) = &hook.user {
        process.user.clone_from(user);
    }
    if let Some(cwd) = &hook.cwd {
        process.cwd.clone_from(cwd);
    }
    let privileged = spec.privileged || hook.privileged;
    if hook.privileged {
        process.capabilities = capabilities::effective_set(&[], &[], true)
            .map_err(|e| HostError::because("cannot give a hook all capabilities", e))?;
    }
    Ok(Some(ExecRequest {
        pid,
        start_time,
        cgroup: spec.cgroup.path.clone(),
        process,
        seccomp: match privileged {
            true => Seccomp::Unconfined,
            false => spec.seccomp.clone(),
        },
        privileged,
        terminal: None,
        kill_on_hangup: true,
    }))
}
