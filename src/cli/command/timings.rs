//! `timings`, and `up --timings`.

use super::show;
use crate::cli::args::Timings;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::timings::{Needs, page};
use crate::engine::{self, Period};
use crate::state::event::{Event, What};
use std::ops::ControlFlow;
use std::path::Path;

/// What happens, if somebody wants to see where the time went.
#[derive(Debug, Default)]
pub struct Told(Option<Vec<Event>>);

impl Told {
    /// Keeps events if they are wanted.
    pub fn when(wanted: bool) -> Self {
        Self(wanted.then(Vec::new))
    }

    /// Hears of an event.
    pub fn hear(&mut self, event: &Event) {
        let transfer = matches!(
            event.what,
            What::Downloading { .. } | What::Uploading { .. }
        );
        if let Some(events) = self.0.as_mut().filter(|_| !transfer) {
            events.push(event.clone());
        }
    }

    /// Writes the page.
    pub fn write(
        &self,
        context: &Context,
        project: &str,
        needs: &Needs,
        file: &Path,
    ) -> Result<(), Error> {
        let page = self
            .0
            .as_ref()
            .and_then(|events| page(project, events, needs));
        match page {
            Some(page) => write(context, &page, file),
            None => {
                context
                    .view
                    .note(" Timings: nothing was brought up, so there is nothing to show\n");
                Ok(())
            }
        }
    }
}

/// Writes the page about the last time that the project was brought up, from its journal.
pub fn run(context: &Context, args: &Timings) -> Result<Exit, Error> {
    let project = context.project()?;
    let needs = match context.try_load()? {
        Ok(loaded) => Needs::of(&loaded),
        Err(_) => Needs::default(),
    };
    let mut events = Vec::new();
    let period = Period {
        since: Some(0),
        until: Some(super::now()),
    };
    engine::events(&context.engine(), &project, period, None, &mut |event| {
        events.push(event.clone());
        ControlFlow::Continue(())
    })?;
    let page = page(project.as_str(), &events, &needs).ok_or_else(|| {
        Error::hinted(
            format!("nothing is known of a time that project `{project}` was brought up"),
            "hoist up --timings",
        )
    })?;
    if args.output == Path::new("-") {
        return show(context, &page);
    }
    write(context, &page, &args.output)?;
    Ok(Exit::Done)
}

fn write(context: &Context, page: &str, file: &Path) -> Result<(), Error> {
    std::fs::write(file, page).map_err(Error::io(format!("write `{}`", file.display())))?;
    context
        .view
        .note(&format!(" Timings: open {} in a browser\n", file.display()));
    Ok(())
}
