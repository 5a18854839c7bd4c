//! `ps`.

use super::show;
use crate::cli::args::{Ps, Status};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::containers::{self, FIELDS};
use crate::engine;
use crate::engine::ContainerState;
use crate::engine::ContainerSummary;
use crate::id::ServiceName;
use clap::ValueEnum;
use indexmap::IndexSet;

/// Lists containers.
pub fn run(context: &Context, args: &Ps) -> Result<Exit, Error> {
    let form = super::form(&FIELDS, &args.format)?;
    let filter = Filter::of(args)?;
    let project = context.project()?;
    let mut found = engine::ps(&context.engine(), &project)?;
    // only a name that no container has needs the file to tell whether it is a mistake
    let missing = |name: &&String| !found.iter().any(|it| it.service == **name);
    let unknown: Vec<ServiceName> = args
        .services
        .iter()
        .filter(missing)
        .filter_map(|name| ServiceName::new(name.as_str()).ok())
        .collect();
    context.check_services(&unknown)?;
    if !args.orphans {
        drop_orphans(context, &mut found)?;
    }
    found.retain(|container| filter.takes(container));
    found.sort_by(|a, b| (&a.service, a.number).cmp(&(&b.service, b.number)));
    let text = if args.quiet {
        found.iter().map(|it| format!("{}\n", it.id)).collect()
    } else if args.list_services {
        let services: IndexSet<&str> = found.iter().map(|it| it.service.as_str()).collect();
        services.iter().map(|name| format!("{name}\n")).collect()
    } else {
        let now = super::now();
        let rows: Vec<_> = found
            .iter()
            .map(|it| containers::row(it, now, args.no_trunc))
            .collect();
        FIELDS.fitted(&rows, &form, context.view.columns())?
    };
    show(context, &text)
}

fn drop_orphans(context: &Context, found: &mut Vec<ContainerSummary>) -> Result<(), Error> {
    if let Ok(loaded) = context.try_load()? {
        let project = loaded.project;
        found.retain(|it| {
            let named = |name: &ServiceName| name.as_str() == it.service;
            project.services.keys().any(named) || project.disabled.iter().any(named)
        });
    }
    Ok(())
}

/// Which containers are shown.
#[derive(Debug, Default)]
pub struct Filter<'a> {
    services: &'a [String],
    /// Also those that do not run, unless states are named.
    pub all: bool,
    /// Also those of `run`.
    pub one_offs: bool,
    states: Vec<Status>,
    names: Vec<&'a str>,
    labels: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Filter<'a> {
    fn of(args: &'a Ps) -> Result<Self, Error> {
        let mut filter = Self::read(&args.filter)?;
        filter.services = &args.services;
        filter.all = args.all;
        filter.states.extend(&args.status);
        Ok(filter)
    }

    /// Reads `--filter`.
    pub fn read(texts: &'a [String]) -> Result<Self, Error> {
        let mut filter = Self::default();
        for text in texts {
            match text.split_once('=') {
                Some(("status", state)) => {
                    let state = Status::from_str(state, true).map_err(|_| bad_filter(text))?;
                    filter.states.push(state);
                }
                Some(("name", name)) => filter.names.push(name),
                Some(("label", label)) => filter.labels.push(
                    label
                        .split_once('=')
                        .map_or((label, None), |(key, value)| (key, Some(value))),
                ),
                _ => return Err(bad_filter(text)),
            }
        }
        Ok(filter)
    }

    /// Whether it is shown.
    pub fn takes(&self, container: &ContainerSummary) -> bool {
        let named = self.services.is_empty() || self.services.contains(&container.service);
        let stated = match self.states.as_slice() {
            // as docker compose: what is running, or about to be again
            [] => self.all || (lives(container.state) && (self.one_offs || container.number > 0)),
            states => states.iter().any(|state| is(*state, container.state)),
        };
        let labelled = self.labels.iter().all(|(key, wanted)| {
            let value = container.labels.get(*key);
            value.is_some_and(|value| wanted.is_none_or(|wanted| wanted == value))
        });
        let called = self.names.iter().all(|name| container.name.contains(name));
        named && stated && labelled && called
    }
}

fn lives(state: ContainerState) -> bool {
    matches!(
        state,
        ContainerState::Running | ContainerState::Restarting | ContainerState::Paused
    )
}

fn is(wanted: Status, state: ContainerState) -> bool {
    match wanted {
        Status::Paused => state == ContainerState::Paused,
        Status::Restarting => state == ContainerState::Restarting,
        Status::Running => state == ContainerState::Running,
        Status::Dead => state == ContainerState::Dead,
        Status::Created => state == ContainerState::Created,
        Status::Exited => state == ContainerState::Exited,
        // a removal is over before anybody could ask
        Status::Removing => false,
    }
}

fn bad_filter(text: &str) -> Error {
    Error::usage(
        format!("invalid filter `{text}`"),
        Some("write `status=STATE`, `name=TEXT` or `label=KEY[=VALUE]`".to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Named, Verb};
    use crate::cli::view::containers::tests::container;
    use clap::Parser;

    /// Names of those of `web` (running) and `job` (exited) that a command line shows.
    fn shown(line: &str) -> Result<Vec<String>, Error> {
        let words = ["hoist", "ps"].into_iter().chain(line.split_whitespace());
        let Some(Verb::Ps(Named(args))) = Cli::try_parse_from(words).unwrap().verb else {
            panic!("not ps")
        };
        let mut job = container("job");
        job.state = ContainerState::Exited;
        let filter = Filter::of(&args)?;
        let both = [container("web"), job];
        let kept = both.into_iter().filter(|it| filter.takes(it));
        Ok(kept.map(|it| it.service).collect())
    }

    #[test]
    fn flags_choose_containers() {
        for (line, services) in [
            ("", vec!["web"]),
            ("-a", vec!["web", "job"]),
            ("--status exited", vec!["job"]),
            ("--status exited --status running", vec!["web", "job"]),
            ("--filter status=exited", vec!["job"]),
            ("-a --filter name=web", vec!["web"]),
            ("-a --filter label=a", vec!["web", "job"]),
            ("-a --filter label=a=c", vec![]),
            ("-a job", vec!["job"]),
            ("job", vec![]),
        ] {
            assert_eq!(shown(line).unwrap(), services, "{line}");
        }
        for line in ["--filter x=y", "--filter status=gone", "--filter name"] {
            assert!(shown(line).is_err(), "{line}");
        }
    }
}
