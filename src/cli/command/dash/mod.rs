//! `dash`: a project, or all of them, on a whole screen.
//!
//! ```text
//!  engine: events ─▶ feed ─ looks at containers, usage, lines ─▶ desk ┐
//!  keyboard ─────────────▶ keys ─────────────────────────────────────┼▶ board ─▶ view::dash
//!  keys: start, stop, … ─▶ act ─ engine verbs in threads ─▶ desk ─────┘
//! ```
//!
//! Invariants: the terminal is given back however the dash ends; nothing is looked at but what the engine gives, and
//! containers only when an event says that something happened; what a thread has to say waits on the desk, so a slow
//! screen keeps nobody.

mod act;
mod desk;
mod feed;
mod keys;
mod needs;

use super::interrupt::ready;
use super::terminal;
use super::terminal::Manner;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::{ENDING, Signals};
use crate::cli::term::{self, RawMode};
use crate::cli::view::dash::{Board, Row, Said, Screen, Theme};
use crate::engine;
use crate::engine::Engine;
use crate::id::ProjectName;
use crossterm::event::{self, Event as Input, KeyEventKind};
use desk::{Desk, News};
use feed::Feed;
use keys::Wish;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Time between two frames at least.
const FRAME: Duration = Duration::from_millis(33);
/// Time between two frames at most: ages grow.
const TICK: Duration = Duration::from_secs(1);

/// What the shell key runs: the better shell, if there is one.
const SHELL: &str = "command -v bash >/dev/null 2>&1 && exec bash; exec sh";

/// Shows the dash until the user leaves.
pub fn run(context: &Context, args: &args::Dash) -> Result<Exit, Error> {
    super::refuse_dry_run(context, "dash")?;
    if !(io::stdin().is_terminal() && context.view.stdout.terminal) {
        return Err(Error::usage(
            "`dash` needs a terminal for its screen and keys",
            Some("elsewhere there are `hoist ps`, `hoist stats` and `hoist logs`".to_owned()),
        ));
    }
    let project = match args.all {
        true => None,
        false => Some(context.project()?),
    };
    // held before threads are started: they inherit what is held
    let signals = hold()?;
    let mut dash = Dash {
        context,
        engine: context.engine(),
        board: Board {
            project: project.as_ref().map(ToString::to_string),
            ..Board::default()
        },
        desk: Desk::open()?,
        feeds: BTreeMap::new(),
    };
    match project {
        Some(project) => {
            dash.know(&project, needs::of_here(context));
            dash.feed(project)?;
        }
        None => feed::projects(dash.engine.clone(), dash.desk.post()),
    }
    dash.lead(signals)
}

fn hold() -> Result<Signals, Error> {
    let signals = [&ENDING[..], &[Signal::SIGWINCH]].concat();
    Signals::hold(&signals).map_err(Error::io("hold signals back"))
}

/// A dash that is open.
struct Dash<'a> {
    context: &'a Context,
    engine: Engine,
    board: Board,
    desk: Desk,
    feeds: BTreeMap<ProjectName, Feed>,
}

/// What the user wants next.
enum Next {
    Leave(Exit),
    Shell,
}

impl Dash<'_> {
    /// Shows the screen until the user leaves, with a shell between if that is asked for.
    fn lead(&mut self, mut signals: Signals) -> Result<Exit, Error> {
        loop {
            match self.show(&signals)? {
                Next::Leave(exit) => return Ok(exit),
                Next::Shell => {
                    drop(signals);
                    self.shell();
                    signals = hold()?;
                }
            }
        }
    }

    fn show(&mut self, signals: &Signals) -> Result<Next, Error> {
        let _raw = RawMode::enter().map_err(Error::io("set the terminal to raw mode"))?;
        let theme = Theme::of(self.context.view.stdout);
        let mut screen = Screen::enter(theme).map_err(Error::Output)?;
        loop {
            screen
                .paint(&self.board, super::now())
                .map_err(Error::Output)?;
            let painted = Instant::now();
            if let Some(next) = self.attend(signals, painted, &screen)? {
                return Ok(next);
            }
        }
    }

    /// Waits for something to show.
    fn attend(
        &mut self,
        signals: &Signals,
        painted: Instant,
        screen: &Screen,
    ) -> Result<Option<Next>, Error> {
        let stdin = io::stdin();
        loop {
            let keys = [stdin.as_fd(), signals.as_fd()];
            let early = FRAME.saturating_sub(painted.elapsed());
            let ([typed, signalled], rung) = match early.is_zero() {
                false => (ready(&keys, Some(early))?, false),
                true => {
                    let [typed, signalled, rung] =
                        ready(&[keys[0], keys[1], self.desk.as_fd()], Some(TICK))?;
                    ([typed, signalled], rung)
                }
            };
            if signalled && let Some(signal) = signals.next() {
                match signal {
                    Signal::SIGWINCH => return Ok(None),
                    signal => return Ok(Some(Next::Leave(Exit::Signal(signal as i32)))),
                }
            }
            if typed {
                return self.typed(screen);
            }
            if !early.is_zero() {
                continue;
            }
            if rung {
                for news in self.desk.take() {
                    self.hear(news)?;
                }
            }
            return Ok(None);
        }
    }

    fn typed(&mut self, screen: &Screen) -> Result<Option<Next>, Error> {
        let failed = || Error::io("read a key");
        while event::poll(Duration::ZERO).map_err(failed())? {
            let Input::Key(key) = event::read().map_err(failed())? else {
                continue;
            };
            if key.kind == KeyEventKind::Release {
                continue;
            }
            let room = screen.room(&self.board);
            match keys::press(&mut self.board, key, room) {
                Some(Wish::Leave) => return Ok(Some(Next::Leave(Exit::Done))),
                Some(Wish::Shell) => return Ok(Some(Next::Shell)),
                Some(Wish::Act(act)) => self.act(act),
                None => {}
            }
        }
        Ok(None)
    }

    fn act(&mut self, act: act::Act) {
        let row = self.board.row();
        let Some((project, service)) = row.and_then(|row| {
            let project = ProjectName::new(&row.project).ok()?;
            Some((project, row.service.clone()))
        }) else {
            return;
        };
        let Some(feed) = self.feeds.get(&project) else {
            return;
        };
        let looks = feed.looks();
        self.say(format!("{} {service} …", act.doing()), false);
        act::begin(self.engine.clone(), project, service, act, looks);
    }

    fn hear(&mut self, news: News) -> Result<(), Error> {
        match news {
            News::Containers(project, list) => self.board.contains(project.as_str(), list),
            News::Usage(project, list) => self.board.uses(project.as_str(), &list),
            News::Said(said) => self.board.said = said,
            News::Projects(names) => self.only(&names)?,
        }
        Ok(())
    }

    /// These are all projects there are.
    fn only(&mut self, names: &[(ProjectName, Vec<std::path::PathBuf>)]) -> Result<(), Error> {
        let gone = self
            .feeds
            .keys()
            .filter(|it| !names.iter().any(|(name, _)| name == *it));
        for name in gone.cloned().collect::<Vec<_>>() {
            self.feeds.remove(&name);
            self.board.forget(name.as_str());
        }
        for (name, files) in names {
            if !self.feeds.contains_key(name) {
                self.know(name, needs::of(self.context, name, files));
                self.feed(name.clone())?;
            }
        }
        Ok(())
    }

    fn know(&mut self, project: &ProjectName, needs: Option<crate::cli::view::dash::Needs>) {
        if let Some(needs) = needs {
            self.board.needs.insert(project.to_string(), needs);
            self.board.contains(project.as_str(), Vec::new());
        }
    }

    fn feed(&mut self, project: ProjectName) -> Result<(), Error> {
        let kept = self.board.log.kept.clone();
        let feed = Feed::open(self.engine.clone(), project.clone(), self.desk.post(), kept)?;
        self.feeds.insert(project, feed);
        Ok(())
    }

    fn say(&mut self, text: String, is_error: bool) {
        self.board.said = Said { text, is_error };
    }

    /// A shell in the selected container, on the terminal as it was.
    fn shell(&mut self) {
        let Some(row) = self.board.row().cloned() else {
            return;
        };
        match self.try_shell(&row) {
            // The screen comes back over what a shell that could not last has said.
            Ok(Exit::Code(code)) if code != 0 => {
                self.say(
                    format!("the shell in {} ended with {code}", row.name()),
                    false,
                );
            }
            Ok(_) => (),
            Err(error) => {
                let causes = error.causes();
                let words = std::iter::once(error.to_string()).chain(causes);
                self.say(words.collect::<Vec<_>>().join(": "), true);
            }
        }
    }

    fn try_shell(&self, row: &Row) -> Result<Exit, Error> {
        let (Some(container), Ok(project)) = (&row.container, ProjectName::new(&row.project))
        else {
            return Ok(Exit::Done);
        };
        let signals = Signals::hold(&terminal::WITH_TTY).map_err(Error::io("hold signals back"))?;
        let words = format!("a shell in {}; ctrl-d leaves it\n", container.name);
        self.context.view.note(&words);
        let request = engine::Exec {
            service: row.service.clone(),
            index: None,
            container: Some(container.id.clone()),
            command: ["sh", "-c", SHELL].map(str::to_owned).to_vec(),
            tty: Some(term::size()),
            stdin: true,
            env: Vec::new(),
            user: None,
            workdir: None,
            privileged: false,
            detach: false,
        };
        let session = engine::exec(&self.engine, &project, request)?;
        let manner = Manner {
            raw: true,
            ..Manner::default()
        };
        terminal::run(&self.context.view, session, &signals, manner)
    }
}
