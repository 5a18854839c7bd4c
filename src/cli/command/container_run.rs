//! `container run` and `container create`: the flags of `docker run` as a compose file of one service, in a project of its
//! own that goes when the container is removed.

use super::terminal::{self, Manner};
use super::{interrupt, show};
use crate::cli::args::{CreateContainer, Make, RunContainer};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::Signals;
use crate::cli::term;
use crate::compose::LoadOptions;
use crate::compose::Loaded;
use crate::engine;
use crate::engine::{Attach, OneOff, RunReply};
use crate::id::ServiceName;
use serde_json::{Map, Value, json};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Creates and starts a container; in the foreground, its exit code is ours.
pub fn run(context: &Context, args: &RunContainer) -> Result<Exit, Error> {
    let make = &args.make;
    let keys = match &args.detach_keys {
        Some(keys) => terminal::detach_keys(keys)?,
        None => terminal::default_keys(),
    };
    let raw = make.tty && !args.detach;
    if raw && !io::stdin().is_terminal() && make.interactive {
        return Err(Error::hinted("stdin is no terminal", "leave out `-t`"));
    }
    let signals = Signals::hold(if raw {
        &terminal::WITH_TTY
    } else {
        &terminal::WITHOUT_TTY
    })
    .map_err(Error::io("hold signals back"))?;
    let attach = (!args.detach).then(|| Attach {
        stdin: make.interactive,
        lossless: true,
        terminal: raw.then(term::size),
        ..Attach::default()
    });
    let manner = Manner {
        raw: raw && make.interactive,
        forward: true,
        no_input: !make.interactive,
        detach_keys: raw.then_some(keys),
    };
    let (loaded, request) = request(context, make, attach, false)?;
    let project = &loaded.project.name;
    let (cancelled, cancel) = interrupt::pipe()?;
    let on_signal = |count, signal| match count {
        1 => drop(rustix::io::write(&cancel, b"x")),
        _ => signals.yield_to(signal),
    };
    let (reply, _) = interrupt::watched(&signals, on_signal, || {
        let cancel = Some(cancelled.as_fd());
        engine::run(&context.engine(), project, request, &mut |_| (), cancel)
    })?;
    let exit = match reply? {
        RunReply::Plan(text) => super::plan(context, project, &text).map(|()| Exit::Done),
        RunReply::Created => Ok(Exit::Done),
        RunReply::Started(container) => show(context, &format!("{}\n", container.container)),
        RunReply::Attached(_, session) => terminal::run(&context.view, session, &signals, manner),
    };
    if make.remove && !args.detach && !context.global.dry_run {
        engine::leave_solo(&context.engine(), project, &mut |_| ())?;
    }
    exit
}

/// Creates a container and prints its id.
pub fn create(context: &Context, args: &CreateContainer) -> Result<Exit, Error> {
    let (loaded, request) = request(context, &args.make, None, true)?;
    let project = &loaded.project.name;
    let engine = context.engine();
    match engine::run(&engine, project, request, &mut |_| (), None)? {
        RunReply::Plan(text) => super::plan(context, project, &text).map(|()| Exit::Done),
        _ => {
            let ids: String = engine::ps(&engine, project)?
                .iter()
                .map(|it| format!("{}\n", it.id))
                .collect();
            show(context, &ids)
        }
    }
}

fn request(
    context: &Context,
    make: &Make,
    attach: Option<Attach>,
    no_start: bool,
) -> Result<(Loaded, engine::Run), Error> {
    let name = make.name.clone().unwrap_or_else(|| invented(&make.image));
    let engine = context.engine();
    if engine::containers(&engine)?
        .iter()
        .any(|it| it.name == name)
    {
        return Err(Error::hinted(
            format!("there is a container `{name}` already"),
            format!("remove it with `hoist container rm -f {name}`, or choose another `--name`"),
        ));
    }
    let project = project_name(&name);
    if engine::ls(&engine)?
        .iter()
        .any(|it| it.name.as_str() == project)
    {
        return Err(Error::hinted(
            format!("there is a project `{project}` already"),
            "choose another `--name`",
        ));
    }
    let document = document(context, make, &name, &project)?;
    let options = LoadOptions {
        files: vec![PathBuf::from("-")],
        stdin: Some(document.to_string().replace('$', "$$").into_bytes()),
        project_name: Some(project.clone()),
        env_files: Vec::new(),
        profiles: Vec::new(),
        ..context.options()?
    };
    let loaded = context.load_runnable(&options)?;
    super::pull::needed(context, &loaded, &[], (None, false))?;
    let service = ServiceName::new(&project).map_err(|error| Error::failed(error.to_string()))?;
    let request = engine::Run {
        up: engine::Up {
            canonical: loaded.canonical.text(),
            services: vec![service.clone()],
            dry_run: context.global.dry_run,
            no_start,
            parallel: context.parallel()?,
            compatibility: context.compatibility(),
            ..engine::Up::default()
        },
        one_off: make.remove.then_some(OneOff {
            of: service,
            auto_remove: true,
            use_aliases: true,
        }),
        attach,
    };
    Ok((loaded, request))
}

/// The flags as a compose file.
fn document(context: &Context, make: &Make, name: &str, project: &str) -> Result<Value, Error> {
    let mut service = Map::new();
    let mut put = |key: &str, value: Value| drop(service.insert(key.to_owned(), value));
    put("image", json!(make.image));
    put("container_name", json!(name));
    if !make.command.is_empty() || make.entrypoint.is_some() {
        put("command", json!(make.command));
    }
    let mut env = super::environment_of_files(context, &make.env_file)?;
    env.extend(make.env.iter().cloned());
    let mut labels = make.label.clone();
    labels.push(format!("{}=solo", engine::SOLO));
    for (key, list) in [
        ("environment", &env),
        ("labels", &labels),
        ("volumes", &make.volume),
        ("tmpfs", &make.tmpfs),
        ("ports", &make.publish),
        ("cap_add", &make.cap_add),
        ("cap_drop", &make.cap_drop),
    ] {
        if !list.is_empty() {
            put(key, json!(list));
        }
    }
    for (key, value) in [
        ("user", &make.user),
        ("working_dir", &make.workdir),
        ("entrypoint", &make.entrypoint),
        ("hostname", &make.hostname),
        ("restart", &make.restart),
        ("cpus", &make.cpus),
        ("mem_limit", &make.memory),
    ] {
        if let Some(value) = value {
            put(key, json!(value));
        }
    }
    switches(make, &mut put);
    let mut top = Map::new();
    match make.network.as_deref() {
        None | Some("bridge" | "default") => {}
        Some(mode @ ("host" | "none")) => put("network_mode", json!(mode)),
        Some(mode) if mode.starts_with("container:") => put("network_mode", json!(mode)),
        Some(network) => {
            put("networks", json!([network]));
            let external = json!({ network: { "external": true } });
            top.insert("networks".to_owned(), external);
        }
    }
    let named = named_volumes(context, make)?;
    if !named.is_empty() {
        top.insert("volumes".to_owned(), Value::Object(named));
    }
    top.insert("name".to_owned(), json!(project));
    top.insert("services".to_owned(), json!({ project: service }));
    Ok(Value::Object(top))
}

fn switches(make: &Make, put: &mut dyn FnMut(&str, Value)) {
    if let Some(limit) = make.pids_limit {
        put("pids_limit", json!(limit));
    }
    for (key, value) in [
        ("privileged", make.privileged),
        ("init", make.init),
        ("read_only", make.read_only),
        ("stdin_open", make.interactive),
        ("tty", make.tty),
    ] {
        if value {
            put(key, json!(true));
        }
    }
}

/// The volumes that the flags name, made as far as they are not there.
fn named_volumes(context: &Context, make: &Make) -> Result<Map<String, Value>, Error> {
    // Named volumes belong to nobody, as with `docker run`: they outlive the container.
    let named: Map<String, Value> = make
        .volume
        .iter()
        .filter_map(|text| text.split_once(':'))
        .map(|(source, _)| source)
        .filter(|source| !source.starts_with(['/', '.', '~']))
        .map(|source| (source.to_owned(), json!({ "external": true })))
        .collect();
    for source in named.keys() {
        if let (Ok(name), false) = (crate::id::VolumeName::new(source), context.global.dry_run) {
            engine::create_volume(&context.engine(), &name, Default::default())?;
        }
    }
    Ok(named)
}

/// A name for a container that was given none: of its image, and some digits.
fn invented(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let base: String = last
        .chars()
        .take_while(|c| !matches!(c, ':' | '@'))
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    let id = crate::id::ContainerId::random();
    format!("{}-{}", base.to_lowercase(), &id.short()[..6])
}

/// A project's name is stricter than a container's.
fn project_name(container: &str) -> String {
    let name: String = container
        .to_lowercase()
        .chars()
        .map(|c| match c {
            'a'..='z' | '0'..='9' | '-' | '_' => c,
            _ => '-',
        })
        .collect();
    let name = name.trim_start_matches(['-', '_']).to_owned();
    if name.is_empty() {
        "c".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_from_images_and_projects_from_names() {
        assert!(invented("ghcr.io/org/Tool:1.2").starts_with("tool-"));
        assert_eq!(project_name("My.App_1"), "my-app_1");
        assert_eq!(project_name("__x"), "x");
    }
}
