//! `logs`.

use crate::cli::args::{Logs, Tail};
use crate::cli::context::{Context, no_such_number};
use crate::cli::exit::{Error, Exit};
use crate::cli::view::lines::{LineStyle, Prefixer, Said, timestamp};
use crate::engine;
use crate::engine::Engine;
use crate::engine::LogLine;
use crate::engine::Period;
use crate::engine::Stream;
use crate::id::{ProjectName, ServiceName};
use jiff::{SignedDuration, Timestamp, Zoned};
use std::io;
use std::ops::ControlFlow;

/// Shows what containers wrote. Following needs no care for signals: every line is written whole, and the reader of a
/// log has nothing to clean up.
pub fn run(context: &Context, args: &Logs) -> Result<Exit, Error> {
    let project = context.project()?;
    let engine = context.engine();
    let names: Result<Vec<ServiceName>, _> = args.services.iter().map(ServiceName::new).collect();
    context.check_services(&names.map_err(|error| Error::usage(error.to_string(), None))?)?;
    let period = period(args.since.as_deref(), args.until.as_deref())?;
    let request = engine::Logs {
        services: args.services.clone(),
        container: numbered(&engine, &project, args)?,
        follow: args.follow,
        tail: match args.tail {
            Tail::All => None,
            Tail::Last(lines) => Some(lines),
        },
        since: period.since,
        until: period.until,
        previous: args.previous,
        live: false,
    };
    let style = LineStyle {
        prefix: !args.no_log_prefix,
        timestamps: args.timestamps,
        style: context.view.log_style(args.no_color),
    };
    let mut prefixer = Prefixer::new(project.as_str(), order(context)?, style);
    let _supervisor = (!args.follow).then(|| engine::Hold::on(&engine, &project));
    for source in engine::log_sources(&engine, &project, &request)? {
        match source.unlogged {
            false => prefixer.expect(&source.name, &source.service, source.number),
            true => context.view.warn(&unlogged(&source.name)),
        }
    }
    let mut out = context.view.buffered(args.follow);
    let mut broken = None;
    engine::logs(&engine, &project, &request, None, &mut |line| {
        let written = if args.json {
            out.line(Stream::Out, &object(line))
        } else {
            out.line(line.stream, &prefixer.line(said(line)))
        };
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                broken = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    let ended: io::Result<()> = broken.map_or_else(|| out.finish(), Err);
    ended.map_err(Error::Output)?;
    Ok(Exit::Done)
}

/// Why there is nothing to show of a container.
pub fn unlogged(name: &str) -> String {
    format!("nobody keeps the output of container `{name}`: its `logging.driver` is `none`")
}

/// The container that `--index` names, by full id.
fn numbered(engine: &Engine, project: &ProjectName, args: &Logs) -> Result<Option<String>, Error> {
    let Some(index) = args.index.filter(|index| *index > 0) else {
        return Ok(None);
    };
    let [service] = args.services.as_slice() else {
        let message = "`--index` needs the one service that it is about";
        return Err(Error::usage(
            message,
            Some(format!("hoist logs --index {index} SERVICE")),
        ));
    };
    let containers = engine::ps(engine, project)?.into_iter();
    let mut numbered = containers.filter(|it| it.service == *service && it.number == index);
    let found = numbered.next().map(|it| it.id);
    found
        .map(Some)
        .ok_or_else(|| no_such_number(service, index))
}

/// Reads `--since` and `--until`.
pub fn period(since: Option<&str>, until: Option<&str>) -> Result<Period, Error> {
    let now = Timestamp::now();
    let time = |flag: &str, text: Option<&str>| {
        text.map(|text| point(text, now).ok_or_else(|| not_a_time(flag, text)))
            .transpose()
    };
    Ok(Period {
        since: time("--since", since)?,
        until: time("--until", until)?,
    })
}

/// A line as a JSON object with its end. Bytes that are no UTF-8 are replaced.
fn object(line: &LogLine<'_>) -> Vec<u8> {
    let stream = match line.stream {
        Stream::Out => "stdout",
        Stream::Err => "stderr",
    };
    let object = serde_json::json!({
        "container": line.container,
        "service": line.service,
        "number": line.number,
        "time": timestamp(line.time),
        "stream": stream,
        "line": String::from_utf8_lossy(line.bytes),
    });
    format!("{object}\n").into_bytes()
}

/// The engine's line as the view takes it.
pub fn said<'a>(line: &LogLine<'a>) -> Said<'a> {
    Said {
        container: line.container,
        service: line.service,
        number: line.number,
        time: line.time,
        bytes: line.bytes,
    }
}

/// Services in the order of the file, for their colours; without a sound file, the order of their first lines.
fn order(context: &Context) -> Result<Vec<String>, Error> {
    if !context.view.stdout.colour {
        return Ok(Vec::new());
    }
    Ok(context.try_load()?.map_or_else(
        |_| Vec::new(),
        |loaded| {
            let names = loaded.project.services.keys();
            names.map(ToString::to_string).collect()
        },
    ))
}

/// A time, `2026-01-02T13:23:37Z`, a date, seconds since the epoch; or a while ago, `1h30m`. In nanoseconds.
fn point(text: &str, now: Timestamp) -> Option<i64> {
    let time = if let Ok(time) = text.parse::<Timestamp>() {
        time
    } else if let Ok(date) = text.parse::<jiff::civil::DateTime>() {
        date.to_zoned(Zoned::now().time_zone().clone())
            .ok()?
            .timestamp()
    } else if let Ok(seconds) = text.parse::<f64>() {
        Timestamp::UNIX_EPOCH
            .checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?)
            .ok()?
    } else {
        now.checked_sub(text.parse::<SignedDuration>().ok()?).ok()?
    };
    i64::try_from(time.as_nanosecond()).ok()
}

fn not_a_time(flag: &str, text: &str) -> Error {
    Error::usage(
        format!("invalid time `{text}` for `{flag}`"),
        Some("write a time as `2026-01-02T13:23:37Z`, or a while as `42m`".to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_whiles_are_points() {
        let now: Timestamp = "2026-01-02T13:00:00Z".parse().unwrap();
        let at = |text: &str| point(text, now).map(|ns| ns / 1_000_000_000);
        let now = now.as_second();
        assert_eq!(at("42m"), Some(now - 42 * 60));
        assert_eq!(at("1h30m"), Some(now - 5400));
        assert_eq!(at("10s"), Some(now - 10));
        assert_eq!(at("2026-01-02T12:59:50Z"), Some(now - 10));
        assert_eq!(at("2026-01-02T13:59:50+01:00"), Some(now - 10));
        assert_eq!(at("1767358790"), Some(1_767_358_790));
        assert!(at("2026-01-02").is_some());
        assert_eq!(at("yesterday"), None);
    }
}
