//! `events`.

use super::logs::period;
use crate::cli::args::Events;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::happening;
use crate::cli::view::happening::Facts;
use crate::engine;
use crate::engine::Engine;
use crate::id::ProjectName;
use crate::state::event::Event;
use crate::state::event::Subject;
use std::collections::HashMap;
use std::ops::ControlFlow;

/// The label of what `run` made.
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// Shows what happens to containers. It needs no care for signals: every line is written whole.
pub fn run(context: &Context, args: &Events) -> Result<Exit, Error> {
    context.check_services(&args.services)?;
    let period = period(args.since.as_deref(), args.until.as_deref())?;
    let (engine, project) = (context.engine(), context.project()?);
    let mut known = Known::default();
    let mut broken = None;
    engine::events(&engine, &project, period, None, &mut |event| {
        let Subject::Container { service, .. } = &event.subject else {
            return ControlFlow::Continue(());
        };
        if !args.services.is_empty() && !args.services.iter().any(|s| s.as_str() == service) {
            return ControlFlow::Continue(());
        }
        let facts = known.of(&engine, &project, event);
        // as docker compose: what `run` made is no part of what goes on
        let one_off = |facts: &Facts| facts.labels.get(ONE_OFF).is_some_and(|it| it == "True");
        if facts.is_some_and(one_off) {
            return ControlFlow::Continue(());
        }
        let text = happening::lines(event, facts, args.json);
        match context.view.data(&text) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                broken = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match broken {
        Some(error) => Err(Error::Output(error)),
        None => Ok(Exit::Done),
    }
}

/// Image and labels of containers, by id; asked for once each.
#[derive(Default)]
struct Known(HashMap<String, Facts>);

impl Known {
    fn of(&mut self, engine: &Engine, project: &ProjectName, event: &Event) -> Option<&Facts> {
        let Subject::Container { id, .. } = &event.subject else {
            return None;
        };
        if !self.0.contains_key(id) {
            // Of one that is gone there is no more to tell.
            for container in engine::ps(engine, project).unwrap_or_default() {
                let facts = Facts {
                    image: container.image,
                    labels: container.labels,
                };
                self.0.insert(container.id, facts);
            }
        }
        self.0.get(id)
    }
}
