//! `container run` and `container create`: a container in a project of its own, which goes when it is removed.

use super::solo::Solo;
use super::terminal::{self, Manner};
use super::{interrupt, show};
use crate::cli::args::container::AttachTo;
use crate::cli::args::make::Make;
use crate::cli::args::{CreateContainer, RunContainer};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::Signals;
use crate::cli::term;
use crate::compose::LoadOptions;
use crate::compose::Loaded;
use crate::engine;
use crate::engine::{Attach, OneOff, RunReply, Stream};
use crate::id::{ProjectName, ServiceName, VolumeName};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

/// Creates and starts a container; in the foreground, its exit code is ours.
pub fn run(context: &Context, args: &RunContainer) -> Result<Exit, Error> {
    let make = &args.make;
    let keys = args.detach_keys.as_deref();
    let keys = keys.map_or_else(|| Ok(terminal::default_keys()), terminal::detach_keys)?;
    let raw = make.tty && !args.detach;
    let input = make.interactive || args.attach.contains(&AttachTo::Stdin);
    if raw && !io::stdin().is_terminal() && input {
        return Err(Error::hinted("stdin is no terminal", "leave out `-t`"));
    }
    let signals = Signals::hold(if raw {
        &terminal::WITH_TTY
    } else {
        &terminal::WITHOUT_TTY
    })
    .map_err(Error::io("hold signals back"))?;
    let attach = (!args.detach).then(|| Attach {
        stdin: input,
        lossless: true,
        terminal: raw.then(term::size),
        ..Attach::default()
    });
    let manner = Manner {
        raw: raw && input,
        forward: args.sig_proxy,
        no_input: !input,
        detach_keys: raw.then_some(keys),
        hidden: hidden(&args.attach),
    };
    let mut wish = wish(context, make)?;
    wish.request.attach = attach;
    let project = wish.project.clone();
    let (cancelled, cancel) = interrupt::pipe()?;
    let on_signal = |count, signal| match count {
        1 => drop(rustix::io::write(&cancel, b"x")),
        _ => signals.yield_to(signal),
    };
    let (reply, _) = interrupt::watched(&signals, on_signal, || {
        wish.fulfil(context, Some(cancelled.as_fd()))
    })?;
    let exit = match reply? {
        RunReply::Plan(text) => super::plan(context, &project, &text).map(|()| Exit::Done),
        RunReply::Created => Ok(Exit::Done),
        RunReply::Started(container) => show(context, &format!("{}\n", container.container)),
        RunReply::Attached(_, session) => terminal::run(&context.view, session, &signals, manner),
    };
    if make.remove && !args.detach && !context.global.dry_run {
        engine::leave_solo(&context.engine(), &project, &mut |_| ())?;
    }
    exit
}

/// What `--attach` does not name.
fn hidden(attach: &[AttachTo]) -> Vec<Stream> {
    let streams = [
        (AttachTo::Stdout, Stream::Out),
        (AttachTo::Stderr, Stream::Err),
    ];
    let left_out = |(name, _): &(AttachTo, Stream)| !attach.is_empty() && !attach.contains(name);
    let hidden = streams.into_iter().filter(left_out);
    hidden.map(|(_, stream)| stream).collect()
}

/// Creates a container and prints its id.
pub fn create(context: &Context, args: &CreateContainer) -> Result<Exit, Error> {
    let mut wish = wish(context, &args.make)?;
    wish.request.up.no_start = true;
    let project = wish.project.clone();
    match wish.fulfil(context, None)? {
        RunReply::Plan(text) => super::plan(context, &project, &text).map(|()| Exit::Done),
        _ => show(context, &ids(context, &project, "\n")?),
    }
}

/// The ids of a project's containers: of the one that it has.
fn ids(context: &Context, project: &ProjectName, end: &str) -> Result<String, Error> {
    let containers = engine::ps(&context.engine(), project)?;
    Ok(containers
        .iter()
        .map(|it| format!("{}{end}", it.id))
        .collect())
}

/// A container that is to be made.
struct Wish {
    project: ProjectName,
    request: engine::Run,
    /// Where its id is written.
    id: Option<(PathBuf, File)>,
}

impl Wish {
    /// Makes the container, and notes its id. One that cannot be made leaves nothing.
    fn fulfil(self, context: &Context, cancel: Option<BorrowedFd<'_>>) -> Result<RunReply, Error> {
        let (engine, project) = (context.engine(), &self.project);
        let reply = engine::run(&engine, project, self.request, &mut |_| (), cancel);
        if reply.is_err() && !context.global.dry_run {
            // The first error is the one to tell.
            let _ = engine::leave_solo(&engine, project, &mut |_| ());
            let _ = self.id.as_ref().map(|(path, _)| fs::remove_file(path));
        }
        let reply = reply?;
        if let Some((_, mut file)) = self.id {
            // As docker writes it: without an end of line. A short one may be over, and removed, by now.
            let id = match &reply {
                RunReply::Started(it) | RunReply::Attached(it, _) => it.container.clone(),
                RunReply::Created | RunReply::Plan(_) => ids(context, project, "")?,
            };
            file.write_all(id.as_bytes())
                .map_err(Error::io("write the id of the container"))?;
        }
        Ok(reply)
    }
}

fn wish(context: &Context, make: &Make) -> Result<Wish, Error> {
    let name = make.name.clone().unwrap_or_else(|| invented(&make.image));
    let project = project_name(&name);
    refuse_taken(context, &name, &project)?;
    let env = super::environment_of_files(context, &make.env_file)?;
    let mut solo = Solo::new(make, &name, &project, env)?;
    let mut loaded = load(context, &solo, &project)?;
    super::pull::needed(context, &loaded, &[], (None, make.quiet))?;
    if make.net.publish_all {
        solo.publish(make.net.expose.iter().cloned());
        solo.publish(exposed(context, &make.image));
        loaded = load(context, &solo, &project)?;
    }
    context.view.warnings(&loaded.warnings, &loaded.sources);
    let service = ServiceName::new(&project).map_err(|error| Error::failed(error.to_string()))?;
    make_volumes(context, &solo)?;
    let id = make.cidfile.as_ref().filter(|_| !context.global.dry_run);
    let id = id.map(|path| {
        let made = File::create_new(path).map(|file| (path.clone(), file));
        made.map_err(Error::io(format!("make `{}`", path.display())))
    });
    let id = id.transpose()?;
    let request = engine::Run {
        up: engine::Up {
            canonical: loaded.canonical.text(),
            services: vec![service.clone()],
            dry_run: context.global.dry_run,
            parallel: context.parallel(),
            compatibility: context.compatibility(),
            ..engine::Up::default()
        },
        one_off: make.remove.then_some(OneOff {
            of: service,
            auto_remove: true,
            use_aliases: true,
        }),
        attach: None,
    };
    let project = loaded.project.name;
    Ok(Wish {
        project,
        request,
        id,
    })
}

fn refuse_taken(context: &Context, name: &str, project: &str) -> Result<(), Error> {
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
    if engine::ls(&engine)?
        .iter()
        .any(|it| it.name.as_str() == project)
    {
        return Err(Error::hinted(
            format!("there is a project `{project}` already"),
            "choose another `--name`",
        ));
    }
    Ok(())
}

fn load(context: &Context, solo: &Solo, project: &str) -> Result<Loaded, Error> {
    let options = LoadOptions {
        files: vec![PathBuf::from("-")],
        stdin: Some(solo.text(project).into_bytes()),
        project_name: Some(project.to_owned()),
        env_files: Vec::new(),
        profiles: Vec::new(),
        ..context.options()?
    };
    // What is worth telling is told once, of the last one.
    let refused = |found| Error::Compose(Box::new(found));
    let loaded = crate::compose::load(&options).map_err(refused)?;
    loaded.runnable().map_err(refused)?;
    Ok(loaded)
}

/// The ports that an image says it listens on; none of an image that is not here.
fn exposed(context: &Context, image: &str) -> Vec<String> {
    let image = engine::inspect(&context.engine(), image).unwrap_or_default();
    let ports = image["Config"]["ExposedPorts"].as_object();
    let ports = ports.into_iter().flat_map(|ports| ports.keys());
    ports.cloned().collect()
}

/// Makes the named volumes that are not there.
fn make_volumes(context: &Context, solo: &Solo) -> Result<(), Error> {
    if solo.volumes.is_empty() || context.global.dry_run {
        return Ok(());
    }
    let engine = context.engine();
    let known = engine::volumes(&engine)?;
    for (name, volume) in &solo.volumes {
        let is_known = known.iter().any(|it| it.name.as_str() == name);
        if let (Ok(name), false) = (VolumeName::new(name), is_known) {
            engine::create_volume(&engine, &name, volume.clone())?;
        }
    }
    Ok(())
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
