//! The page: what decided, what to look at first, and a bar a row.

use super::path::Step;
use super::{Phase, Row, Span};
use crate::cli::view::human;
use std::collections::HashSet;
use std::fmt::Write;

/// Pixels: of a row, beside the bars, of the bars.
const ROW: i64 = 26;
const LABEL: i64 = 240;
const BARS: i64 = 860;
/// Shares of the whole time, in percent, below which a step is not worth a look.
const WORTH: i64 = 3;
/// Distances between two lines of the scale, in milliseconds.
const SCALE: [i64; 14] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000,
];

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1f2937;--dim:#6b7280;--line:#e5e7eb;--page:#f8fafc;--card:#fff;--path:#dc2626}\
@media(prefers-color-scheme:dark){:root{--ink:#e5e7eb;--dim:#9ca3af;--line:#334155;--page:#0f172a;--card:#1e293b;--path:#f87171}}\
body{margin:32px auto;max-width:1140px;padding:0 16px;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page)}\
h1{font-size:22px;margin:0}h2{font-size:16px;margin:28px 0 8px}p{margin:4px 0}.dim{color:var(--dim)}\
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 18px;overflow-x:auto}\
.step{white-space:nowrap}ol{margin:0;padding-left:22px}li{margin:6px 0}b{font-variant-numeric:tabular-nums}\
svg text{font:12.5px system-ui,sans-serif;fill:var(--ink)}svg .dim{fill:var(--dim)}.scale{stroke:var(--line)}\
.fetch{fill:#9333ea}.create{fill:#94a3b8}.start{fill:#2563eb}.healthy{fill:#16a34a}.finish{fill:#d97706}\
.on{stroke:var(--path);stroke-width:2}.off{opacity:.45}";

impl Phase {
    fn class(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Create => "create",
            Self::Start => "start",
            Self::Healthy => "healthy",
            Self::Finish => "finish",
        }
    }

    /// What the time goes by with.
    fn words(self) -> &'static str {
        match self {
            Self::Fetch => "being fetched",
            Self::Create => "being created",
            Self::Start => "being started",
            Self::Healthy => "until it is healthy",
            Self::Finish => "until its work is done",
        }
    }

    /// What may shorten it.
    fn advice(self) -> &'static str {
        match self {
            Self::Fetch => "fetch it before (<code>hoist pull</code>), or use a smaller image",
            Self::Create | Self::Start => "look at its mounts, volumes and networks",
            Self::Healthy => {
                "make the program ready sooner, let its check succeed sooner, or wait only for \
                 <code>service_started</code>"
            }
            Self::Finish => "do less in it, or do not have others wait for its end",
        }
    }
}

/// One self-contained file.
pub(super) fn html(project: &str, rows: &[Row], path: &[Step]) -> String {
    let spans = || rows.iter().flat_map(|row| &row.spans);
    let begin = spans().map(|span| span.from).min().unwrap_or(0);
    let end = spans().map(|span| span.to).max().unwrap_or(0);
    let whole = (end - begin).max(1);
    let project = escaped(project);
    let title = format!("{project}: up in {}", time(whole));
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\n\
         <h1>{title}</h1>\n<p class=\"dim\">{} · {} containers</p>\n\
         <h2>What decided</h2>\n<div class=\"card\">{}</div>\n\
         <h2>What to look at first</h2>\n<div class=\"card\">{}</div>\n\
         <h2>All</h2>\n<div class=\"card\"><p>{}</p>\n{}</div>\n",
        human::date(begin),
        rows.iter().filter(|row| row.service.is_some()).count(),
        chain(rows, path),
        first(rows, path, whole),
        legend(),
        picture(rows, path, begin, whole),
    )
}

/// `db healthy 1.2 s → web started 20 ms`
fn chain(rows: &[Row], path: &[Step]) -> String {
    let step = |step: &Step| {
        let (row, span) = (&rows[step.row], rows[step.row].spans[step.span]);
        let (dot, took) = (dot(span.phase), time(step.took));
        let words = past(span.phase);
        let name = escaped(&row.name);
        format!("<span class=\"step\">{dot} {name} {words} <b>{took}</b></span>")
    };
    let steps: Vec<String> = path.iter().map(step).collect();
    steps.join(" → ")
}

fn past(phase: Phase) -> &'static str {
    match phase {
        Phase::Fetch => "fetched",
        Phase::Create => "created",
        Phase::Start => "started",
        Phase::Healthy => "healthy",
        Phase::Finish => "finished",
    }
}

/// The steps that took longest, with what may shorten them.
fn first(rows: &[Row], path: &[Step], whole: i64) -> String {
    let mut worst: Vec<&Step> = path.iter().collect();
    worst.sort_by_key(|step| std::cmp::Reverse(step.took));
    let worth = worst
        .into_iter()
        .filter(|step| step.took * 100 / whole >= WORTH);
    let mut text = "<ol>".to_owned();
    for step in worth.take(5) {
        let row = &rows[step.row];
        let phase = row.spans[step.span].phase;
        let share = step.took * 100 / whole;
        let _ = write!(
            text,
            "<li><b>{}</b> ({share} %) {} {}<br><span class=\"dim\">{}</span>",
            time(step.took),
            escaped(&row.name),
            phase.words(),
            phase.advice()
        );
    }
    text + "</ol>"
}

/// A little square of a phase's colour.
fn dot(phase: Phase) -> String {
    let class = phase.class();
    format!(
        "<svg width=\"12\" height=\"12\"><rect width=\"12\" height=\"12\" rx=\"3\" class=\"{class}\"/></svg>"
    )
}

fn legend() -> String {
    let phases = [
        Phase::Fetch,
        Phase::Create,
        Phase::Start,
        Phase::Healthy,
        Phase::Finish,
    ];
    let key = |phase: Phase| format!("{} {}", dot(phase), past(phase));
    let keys: Vec<String> = phases.into_iter().map(key).collect();
    keys.join(" &nbsp; ") + " &nbsp; <span class=\"dim\">outlined: the critical path</span>"
}

fn picture(rows: &[Row], path: &[Step], begin: i64, whole: i64) -> String {
    let on: HashSet<(usize, usize)> = path.iter().map(|step| (step.row, step.span)).collect();
    let x = |time: i64| LABEL as f64 + (time - begin) as f64 * BARS as f64 / whole as f64;
    let count = i64::try_from(rows.len()).unwrap_or(0);
    let (width, height) = (LABEL + BARS + 16, (count + 1) * ROW);
    let mut text = format!("<svg width=\"{width}\" height=\"{height}\" role=\"img\">\n");
    for line in lines(whole) {
        let at = x(begin + line);
        let _ = writeln!(
            text,
            "<path class=\"scale\" d=\"M{at:.1} {ROW}V{height}\"/><text class=\"dim\" x=\"{at:.1}\" y=\"16\" \
             text-anchor=\"middle\">{}</text>",
            time(line)
        );
    }
    for (index, row) in rows.iter().enumerate() {
        let y = (i64::try_from(index).unwrap_or(0) + 1) * ROW;
        let _ = writeln!(
            text,
            "<text x=\"0\" y=\"{}\"{}>{}</text>",
            y + 17,
            if row.service.is_none() {
                " class=\"dim\""
            } else {
                ""
            },
            escaped(&cut(&row.name))
        );
        for (at, span) in row.spans.iter().enumerate() {
            bar(
                &mut text,
                (row, span),
                on.contains(&(index, at)),
                (x(span.from), x(span.to), y),
            );
        }
    }
    text + "</svg>"
}

fn bar(text: &mut String, (row, span): (&Row, &Span), on: bool, (from, to, y): (f64, f64, i64)) {
    let _ = writeln!(
        text,
        "<rect x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" rx=\"3\" class=\"{} {}\"><title>{}: {} {}</title></rect>",
        y + 5,
        (to - from).max(1.5),
        ROW - 10,
        span.phase.class(),
        if on { "on" } else { "off" },
        escaped(&row.name),
        time(span.to - span.from),
        span.phase.words()
    );
}

/// Where the scale has lines: at most ten, none at the very end.
fn lines(whole: i64) -> impl Iterator<Item = i64> {
    let step = SCALE.iter().map(|it| it * 1_000_000);
    let step = step.into_iter().find(|step| whole / step <= 10);
    let step = step.unwrap_or(whole / 10).max(1);
    (0..)
        .map(move |n| n * step)
        .take_while(move |at| at * 100 <= whole * 97)
}

/// `850 ms`, `1.25 s`, `1m 10s`.
fn time(nanoseconds: i64) -> String {
    let milliseconds = nanoseconds / 1_000_000;
    match milliseconds {
        ..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => {
            let seconds = format!("{:.2}", milliseconds as f64 / 1e3);
            format!("{} s", seconds.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => format!("{}m {}s", milliseconds / 60_000, milliseconds / 1_000 % 60),
    }
}

/// What has room beside the bars.
fn cut(name: &str) -> String {
    const LONGEST: usize = 34;
    match name.chars().count() {
        0..=LONGEST => name.to_owned(),
        _ => name.chars().take(LONGEST - 1).chain(['…']).collect(),
    }
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
