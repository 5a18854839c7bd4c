//! Several images on their way at once, as events.
//!
//! The threads are let go when the user cancels or an image fails: what they were writing is the store's to sweep, and
//! what came is kept for the next time.

use super::Error;
use crate::image;
use crate::image::registry::{Client, Moved, Observer};
use crate::state::event::Event;
use crate::state::event::Subject;
use crate::state::event::What;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// Images that are moved at a time; their blobs share the client's slots.
const AT_ONCE: usize = 4;
/// How soon a cancellation is noticed.
const TICK: Duration = Duration::from_millis(50);
/// The stretch of time that a rate is the mean of.
const RATE_WINDOW: Duration = Duration::from_secs(3);

/// What is done for one image, on a thread.
type Work<T> = Box<dyn FnOnce(Observer) -> Result<Outcome<T>, image::Error> + Send>;

/// One image to be moved.
pub(super) struct Task<T> {
    pub image: String,
    pub place: Option<String>,
    pub work: Work<T>,
}

/// What came of it.
pub(super) struct Outcome<T> {
    pub value: T,
    /// What the last event adds, if it is worth a word.
    pub cause: String,
}

/// How to go about it.
pub(super) struct Manner {
    /// `pull` or `push`.
    pub verb: &'static str,
    pub ignore_failures: bool,
}

/// What threads say: of which task, what.
enum Note<T> {
    Moved(usize, Moved),
    Done(usize, Result<Outcome<T>, image::Error>),
}

/// One task as the loop sees it.
struct Row {
    image: String,
    place: Option<String>,
    /// When how many bytes had been moved.
    samples: VecDeque<(Instant, u64)>,
}

/// Moves all of them. The first failure ends the others, unless failures are to be ignored.
pub(super) fn run<T: Send + 'static>(
    client: &Arc<Client>,
    tasks: Vec<Task<T>>,
    manner: Manner,
    on_event: &mut dyn FnMut(&Event),
    cancel: Option<BorrowedFd<'_>>,
) -> Result<Vec<T>, Error> {
    let (sender, notes) = mpsc::channel();
    let mut waiting: VecDeque<(usize, Work<T>)> = VecDeque::new();
    let mut rows = Vec::new();
    for (index, task) in tasks.into_iter().enumerate() {
        waiting.push_back((index, task.work));
        rows.push(Row {
            image: task.image,
            place: task.place,
            samples: VecDeque::new(),
        });
    }
    let mut running = 0;
    let mut results: Vec<Option<T>> = rows.iter().map(|_| None).collect();
    loop {
        while running < AT_ONCE
            && let Some((index, work)) = waiting.pop_front()
        {
            on_event(&event(&rows[index].image, manner.begun(), ""));
            start(&sender, index, work)?;
            running += 1;
        }
        if running == 0 {
            return Ok(results.into_iter().flatten().collect());
        }
        if is_readable(cancel) {
            client.stop();
            return Err(Error::Interrupted);
        }
        match notes.recv_timeout(TICK) {
            Ok(Note::Moved(index, moved)) => on_event(&rows[index].moved(&manner, moved)),
            Ok(Note::Done(index, Ok(outcome))) => {
                running -= 1;
                on_event(&event(&rows[index].image, manner.done(), &outcome.cause));
                results[index] = Some(outcome.value);
            }
            Ok(Note::Done(index, Err(source))) => {
                running -= 1;
                let failure = rows[index].failure(&manner, source, on_event);
                if !manner.ignore_failures {
                    client.stop();
                    return Err(failure);
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

fn start<T: Send + 'static>(
    sender: &Sender<Note<T>>,
    index: usize,
    work: Work<T>,
) -> Result<(), Error> {
    let sender = sender.clone();
    std::thread::Builder::new()
        .name("transfer".to_owned())
        .spawn(move || {
            // Nobody listens any more once the verb has ended; then nothing needs to be said.
            let moves = sender.clone();
            let observer = move |moved| drop(moves.send(Note::Moved(index, moved)));
            let result = work(Arc::new(observer));
            let _ = sender.send(Note::Done(index, result));
        })
        .map(drop)
        .map_err(Error::io("start a thread for", "an image"))
}

impl Manner {
    fn begun(&self) -> What {
        match self.verb {
            "push" => What::Pushing,
            _ => What::Pulling,
        }
    }

    fn done(&self) -> What {
        match self.verb {
            "push" => What::Pushed,
            _ => What::Pulled,
        }
    }

    fn moving(&self, done: u64, total: u64, rate: u64) -> What {
        match self.verb {
            "push" => What::Uploading { done, total, rate },
            _ => What::Downloading { done, total, rate },
        }
    }
}

impl Row {
    fn moved(&mut self, manner: &Manner, moved: Moved) -> Event {
        let (done, total) = match moved {
            Moved::Bytes { done, total } => (done, total),
            Moved::Waiting => {
                return event(
                    &self.image,
                    What::Waiting {
                        condition: "another process fetches a part of it".to_owned(),
                    },
                    "",
                );
            }
        };
        let now = Instant::now();
        self.samples.push_back((now, done));
        while self.samples.len() > 2 && now - self.samples[0].0 > RATE_WINDOW {
            self.samples.pop_front();
        }
        let (since, before) = self.samples[0];
        let seconds = (now - since).as_secs_f64();
        let rate = match seconds > 0.2 {
            true => (done.saturating_sub(before) as f64 / seconds) as u64,
            false => 0,
        };
        event(&self.image, manner.moving(done, total, rate), "")
    }

    fn failure(
        &self,
        manner: &Manner,
        source: image::Error,
        on_event: &mut dyn FnMut(&Event),
    ) -> Error {
        let failure = Error::Transfer {
            verb: manner.verb,
            image: self.image.clone(),
            place: self.place.clone(),
            source: Box::new(source),
        };
        let error = failure.causes().join(": ");
        on_event(&event(&self.image, What::Failed { error }, ""));
        failure
    }
}

/// An event about an image, now.
pub(super) fn event(image: &str, what: What, cause: &str) -> Event {
    let now = jiff::Timestamp::now().as_nanosecond();
    Event {
        time: i64::try_from(now).unwrap_or(i64::MAX),
        subject: Subject::Image(image.to_owned()),
        what,
        cause: cause.to_owned(),
        until: None,
    }
}

fn is_readable(fd: Option<BorrowedFd<'_>>) -> bool {
    let Some(fd) = fd else { return false };
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let at_once = Timespec::default();
    matches!(poll(&mut fds, Some(&at_once)), Ok(1..))
}
