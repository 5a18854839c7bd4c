//! All that is written: data to stdout; progress, warnings and errors to stderr (progress to stdout where a variable says so).
//!
//! What a stream can show (colour, cursor movement, UTF-8) is decided once, in [`View::new`].
//!
//! Invariants: nothing outside this module writes to stdout or stderr; a reader that has gone away (EPIPE) ends the
//! command quietly; a line of output is one write.

pub mod config;
pub mod containers;
pub mod dash;
pub mod disk;
pub mod document;
pub mod error;
pub mod facts;
pub mod happening;
pub mod human;
pub mod images;
pub mod inspected;
pub mod json;
pub mod lines;
pub mod listing;
pub mod live;
pub mod plain;
pub mod processes;
pub mod progress;
pub mod resources;
pub mod rows;
pub mod style;
pub mod table;
pub mod timings;
pub mod usage;

use super::args::Global;
use super::env::Env;
use crate::engine::Stream;
use facts::Facts;
use progress::Mode;
use std::io::{self, BufWriter, Stdout, Write};
use style::Style;

/// The two streams and what they can show.
#[derive(Debug, Clone)]
pub struct View {
    /// Of stdout.
    pub stdout: Facts,
    /// Of stderr.
    pub stderr: Facts,
    /// How progress is shown.
    pub mode: Mode,
    /// Where progress is shown: stderr, unless a variable says stdout.
    pub status: Stream,
    /// What was typed to call us, for what to type next.
    called: String,
}

impl View {
    /// Looks at the streams, the flags and the environment, once.
    pub fn new(global: &Global, env: &Env) -> Self {
        let ansi = global.ansi.or_else(|| env.ansi());
        let stdout = Facts::of(&io::stdout(), ansi, env);
        let stderr = Facts::of(&io::stderr(), ansi, env);
        let (status, facts) = match env.flag("COMPOSE_STATUS_STDOUT") {
            true => (Stream::Out, stdout),
            false => (Stream::Err, stderr),
        };
        let kind = global.progress.or_else(|| env.progress());
        Self {
            stdout,
            stderr,
            mode: Mode::choose(kind, ansi, facts, env),
            status,
            called: env.called.clone(),
        }
    }

    /// What the stream of progress can show.
    pub fn status_facts(&self) -> Facts {
        match self.status {
            Stream::Out => self.stdout,
            Stream::Err => self.stderr,
        }
    }

    /// Writes progress; what cannot be said there cannot be said.
    pub fn tell(&self, text: &str) {
        match self.status {
            Stream::Out => drop(self.data(text)),
            Stream::Err => self.say(text),
        }
    }

    /// A hint that names hoist, with what was typed to call us instead.
    pub fn as_called(&self, hint: &str) -> String {
        if matches!(self.called.as_str(), "" | "hoist") {
            return hint.to_owned();
        }
        let hint = hint.replace("`hoist ", &format!("`{} ", self.called));
        match hint.strip_prefix("hoist ") {
            Some(rest) => format!("{} {rest}", self.called),
            None => hint,
        }
    }

    /// Columns of stdout, if it is a terminal.
    pub fn columns(&self) -> Option<usize> {
        let size = facts::size(io::stdout()).filter(|_| self.stdout.terminal);
        size.map(|(columns, _)| columns)
    }

    /// Writes data to stdout.
    pub fn data(&self, text: &str) -> io::Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Writes data to stdout.
    pub fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Stdout as it is, for the bytes of an archive.
    pub fn archive(&self) -> BufWriter<Stdout> {
        BufWriter::with_capacity(128 << 10, io::stdout())
    }

    /// Writes to stderr; what cannot be said there cannot be said.
    pub fn say(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Something for humans alone.
    pub fn note(&self, text: &str) {
        if !matches!(self.mode, Mode::Json | Mode::Quiet) {
            self.say(text);
        }
    }

    /// A warning of one line.
    pub fn warn(&self, text: &str) {
        let word = self.stderr.style().yellow("warning:");
        self.say(&format!("{word} {text}\n"));
    }

    /// Writes a container's line to the stream that it was written to.
    pub fn stream(&self, stream: Stream, line: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Out => self.bytes(line),
            Stream::Err => io::stderr().lock().write_all(line),
        }
    }

    /// For many lines at once; `live` ones are not kept back.
    pub fn buffered(&self, live: bool) -> Lines {
        Lines {
            out: BufWriter::with_capacity(64 << 10, io::stdout()),
            live,
        }
    }

    /// Asks on stderr, and takes anything but a yes from stdin for a no.
    pub fn confirm(&self, question: &str) -> bool {
        self.say(&format!("{question} [yN] "));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES")
    }

    /// The colours of log lines: those of stdout, or none.
    pub fn log_style(&self, no_color: bool) -> Style {
        Style {
            colour: self.stdout.colour && !no_color,
        }
    }
}

/// Lines of containers on their way to the streams they were written to.
#[derive(Debug)]
pub struct Lines {
    out: BufWriter<Stdout>,
    live: bool,
}

impl Lines {
    /// Writes one line.
    pub fn line(&mut self, stream: Stream, line: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Out => self.out.write_all(line)?,
            Stream::Err => {
                // in order, if both streams go to the same place
                self.out.flush()?;
                io::stderr().lock().write_all(line)?;
            }
        }
        if self.live { self.finish() } else { Ok(()) }
    }

    /// Writes what was kept back.
    pub fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
