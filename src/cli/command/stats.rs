//! `stats`.

use super::show;
use crate::cli::args::Stats;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::{ENDING, Signals};
use crate::cli::view::facts;
use crate::cli::view::listing::Form;
use crate::cli::view::usage::{FIELDS, row};
use crate::engine;
use crate::engine::{Select, Usage};
use crate::id::ProjectName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::time::Duration;

/// Between two looks: long enough for a meaningful share of CPU time.
const PERIOD: Duration = Duration::from_secs(1);
/// The first share of CPU time is of this long.
const FIRST: Duration = Duration::from_millis(250);

/// Shows what containers use, again and again or once.
pub fn run(context: &Context, args: &Stats) -> Result<Exit, Error> {
    let form = super::form(&FIELDS, &args.format)?;
    context.check_services(&args.services)?;
    let project = context.project()?;
    let signals = Signals::hold(&ENDING).map_err(Error::io("hold signals back"))?;
    let mut before = look(context, args, &project)?;
    let live = context.view.stdout.terminal && !args.no_stream && matches!(form, Form::Table);
    let mut painted = 0;
    let mut period = FIRST;
    while !ended(&signals, period)? {
        let now = look(context, args, &project)?;
        let rows: Vec<_> = now
            .iter()
            .map(|usage| {
                let before = before.iter().find(|b| b.id == usage.id);
                row(usage, before, args.no_trunc)
            })
            .collect();
        let width = live.then(|| facts::size(io::stdout()).map(|(columns, _)| columns));
        let text = FIELDS.fitted(&rows, &form, width.flatten())?;
        if live {
            // Up to the first line again, and nothing of a longer table is left below.
            let up = match painted {
                0 => String::new(),
                lines => format!("\x1b[{lines}A\r\x1b[J"),
            };
            painted = text.lines().count();
            show(context, &(up + &text))?;
        } else {
            show(context, &text)?;
        }
        if args.no_stream {
            return Ok(Exit::Done);
        }
        before = now;
        period = PERIOD;
    }
    Ok(Exit::Done)
}

fn look(context: &Context, args: &Stats, project: &ProjectName) -> Result<Vec<Usage>, Error> {
    let request = Select {
        services: args.services.clone(),
        ..Select::default()
    };
    let mut list = engine::stats(&context.engine(), project, request)?;
    // one that does not run has no process to count
    list.retain(|usage| args.all || usage.pids.is_some() || usage.cpu.is_some());
    Ok(list)
}

/// Waits for the next look; whether the user wants no more.
fn ended(signals: &Signals, period: Duration) -> Result<bool, Error> {
    let mut fds = [PollFd::new(signals, PollFlags::IN)];
    let limit = Timespec::try_from(period).unwrap_or(Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    });
    match poll(&mut fds, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(signals.next().is_some()),
        Err(error) => Err(Error::io("wait")(error.into())),
    }
}
