//! Which way progress is shown, and the one place that writes it.

use super::facts::Facts;
use super::live::Live;
use super::{View, json, plain};
use crate::cli::args::{Ansi, ProgressKind};
use crate::cli::env::Env;
use crate::state::event::Event;
use crate::state::event::Subject;
use crate::state::event::What;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Time between two lines about the same transfer.
const PLAIN_PAUSE: Duration = Duration::from_secs(5);
/// The same for programs.
const JSON_PAUSE: Duration = Duration::from_secs(1);

/// A way to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A list that is painted again and again.
    Live,
    /// A line an event.
    Plain,
    /// A JSON object an event.
    Json,
    /// Warnings only.
    Quiet,
}

impl Mode {
    /// What `--progress` and `--ansi` say; by itself, live on a terminal that is looked at by a human.
    pub fn choose(
        kind: Option<ProgressKind>,
        ansi: Option<Ansi>,
        stderr: Facts,
        env: &Env,
    ) -> Self {
        match (kind, ansi) {
            (Some(ProgressKind::Tty), _) => Self::Live,
            (Some(ProgressKind::Plain), _) => Self::Plain,
            (Some(ProgressKind::Json), _) => Self::Json,
            (Some(ProgressKind::Quiet), _) => Self::Quiet,
            (_, Some(Ansi::Always)) => Self::Live,
            (_, Some(Ansi::Never)) => Self::Plain,
            _ if stderr.terminal && !env.ci() && !env.dumb_terminal() => Self::Live,
            _ => Self::Plain,
        }
    }
}

/// The progress of one verb. Dropping it leaves the last state on the screen.
#[derive(Debug)]
pub struct Progress {
    view: View,
    live: Option<Live>,
    /// When the last line about a transfer was written.
    told: HashMap<Subject, Instant>,
}

impl Progress {
    /// Progress of `verb`.
    pub fn new(view: &View, verb: &'static str) -> Self {
        Self {
            view: view.clone(),
            live: (view.mode == Mode::Live).then(|| Live::new(view, verb)),
            told: HashMap::new(),
        }
    }

    /// Progress that can go on between the lines of logs: never live.
    pub fn beside_logs(view: &View) -> Self {
        Self {
            view: view.clone(),
            live: None,
            told: HashMap::new(),
        }
    }

    /// Where each event is a line, a transfer gets one now and then.
    fn is_too_soon(&mut self, event: &Event) -> bool {
        let (What::Downloading { .. } | What::Uploading { .. }) = event.what else {
            return false;
        };
        let pause = match self.view.mode {
            Mode::Json => JSON_PAUSE,
            _ => PLAIN_PAUSE,
        };
        let last = self.told.insert(event.subject.clone(), Instant::now());
        match last {
            Some(last) if last.elapsed() < pause => {
                self.told.insert(event.subject.clone(), last);
                true
            }
            _ => false,
        }
    }

    /// Shows an event.
    pub fn event(&mut self, event: &Event) {
        if self.live.is_none() && self.is_too_soon(event) {
            return;
        }
        match (&self.live, self.view.mode) {
            (Some(live), _) => live.event(event),
            (None, Mode::Json) => self.view.tell(&json::line(event)),
            (None, Mode::Quiet) if !matches!(event.what, What::Warning { .. }) => (),
            (None, _) => self
                .view
                .tell(&plain::line(event, self.view.status_facts().style())),
        }
    }
}
