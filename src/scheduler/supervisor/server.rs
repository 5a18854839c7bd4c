//! The control socket: one task a client.

use super::control::{Ask, Channel, Frame, Reply, Request};
use super::project::Project;
use super::succession::{Succession, VERSION};
use super::verbs::Verbs;
use super::watch;
use crate::image::Store;
use crate::scheduler::execute::Cancel;
use crate::state::event::{Event, What};
use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc};

/// How long after a command the disk is made to have the layers of new images: by then it has most of them anyway.
const SETTLE: Duration = Duration::from_secs(40);
/// How long after the ledger could not be written it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a client may leave its socket unread.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves clients until nothing is left to do.
pub struct Server {
    project: Rc<Project>,
    verbs: Rc<Verbs>,
    succession: Succession,
    clients: Cell<usize>,
    left: Notify,
    settling: Cell<bool>,
}

/// What a request's task sends to its client.
type Outbox = mpsc::UnboundedSender<(Frame, Vec<OwnedFd>)>;

impl Server {
    /// A server of this project.
    pub fn new(project: Rc<Project>, succession: Succession) -> Rc<Self> {
        let verbs = Rc::new(Verbs::new(project.clone()));
        Rc::new(Self {
            project,
            verbs,
            succession,
            clients: Cell::new(0),
            left: Notify::new(),
            settling: Cell::new(false),
        })
    }

    /// Accepts clients; ends when the last one has left and no container lives (or is about to).
    pub async fn run(self: Rc<Self>, listener: UnixListener) -> io::Result<()> {
        // A predecessor may have died before it did it.
        self.verbs.sweep().await;
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    self.clone().serve(OwnedFd::from(stream.into_std()?));
                }
                () = self.left.notified() => {}
                () = self.project.quiet() => self.clone().tidy(),
                () = tokio::time::sleep(AGAIN), if self.project.unsaved.get() => {
                    let _ = self.project.save();
                }
            }
            let is_over = !self.project.is_alive() && !self.project.unsaved.get();
            if self.clients.get() == 0 && is_over {
                // What came to rest last may not have been seen to.
                self.verbs.sweep().await;
                return Ok(());
            }
        }
    }

    /// Removes what was to be removed after its end. It counts as a client, so that we stay for it.
    fn tidy(self: Rc<Self>) {
        self.clients.set(self.clients.get() + 1);
        tokio::task::spawn_local(async move {
            self.verbs.sweep().await;
            self.clients.set(self.clients.get() - 1);
            self.left.notify_one();
        });
    }

    fn serve(self: Rc<Self>, socket: OwnedFd) {
        self.clients.set(self.clients.get() + 1);
        tokio::task::spawn_local(async move {
            // A client that goes away or speaks nonsense harms only itself.
            let _ = self.converse(socket).await;
            self.clients.set(self.clients.get() - 1);
            self.left.notify_one();
            if !self.settling.replace(true) {
                settle(self.project.images.clone(), SETTLE).await;
                self.settling.set(false);
            }
        });
    }

    async fn converse(&self, socket: OwnedFd) -> io::Result<()> {
        let peer = rustix::net::sockopt::socket_peercred(&socket)?;
        if peer.uid != rustix::process::geteuid() {
            return Ok(());
        }
        let mut channel = watch::readable(Channel::new(socket))?;
        let Ask::Request { version, request } = hear(&mut channel).await? else {
            return Ok(());
        };
        if version != VERSION {
            self.make_way(peer.pid.as_raw_nonzero().get()).await;
        }
        let (outbox, mut inbox) = mpsc::unbounded_channel();
        let cancel = Cancel::default();
        let work = self.answer(request, &outbox, &cancel);
        tokio::pin!(work);
        let mut listening = true;
        loop {
            tokio::select! {
                biased;
                Some((frame, fds)) = inbox.recv() => send(&channel, &frame, &fds)?,
                () = &mut work => break,
                asked = hear(&mut channel), if listening => match asked {
                    Ok(_) => cancel.cancel(),
                    // It hung up: what it asked for goes on.
                    Err(_) => listening = false,
                },
            }
        }
        while let Ok((frame, fds)) = inbox.try_recv() {
            send(&channel, &frame, &fds)?;
        }
        Ok(())
    }

    /// Lets the program of process `pid`, of another version, take our place when nothing is under way. If it cannot, we
    /// answer as well as we can.
    async fn make_way(&self, pid: i32) {
        let _turn = self.verbs.turn().await;
        let error = self.succession.pass_to(pid);
        let text = format!("cannot make way for a hoist of another version: {error}");
        self.project.news.add(&text);
    }

    async fn answer(&self, request: Request, outbox: &Outbox, cancel: &Cancel) {
        let mut sink = |event: Event| {
            if !told_by_machine(&event.what) {
                self.project.note(&event);
            }
            let _ = outbox.send((Frame::Event(event), Vec::new()));
        };
        let _ = outbox.send(match self.verbs.run(request, cancel, &mut sink).await {
            Ok(Some((Reply::Attached(attached), fds))) if !fds.is_empty() => {
                // Looked up before it can be removed.
                let end = self.verbs.end_of(&attached.container);
                let _ = outbox.send((Frame::Reply(Reply::Attached(attached)), fds));
                let ended = match end {
                    Ok(end) => end.await,
                    Err(failure) => Err(failure),
                };
                (ended.map_or_else(Frame::Error, Frame::Reply), Vec::new())
            }
            Ok(Some((reply, fds))) => (Frame::Reply(reply), fds),
            // Hung up on, the client asks the next supervisor.
            Ok(None) => return,
            Err(failure) => (Frame::Error(failure), Vec::new()),
        });
    }
}

/// Has the disk take new layers, some time from now. Whatever fails costs the next boot the time to make them again.
async fn settle(images: Store, after: Duration) {
    tokio::time::sleep(after).await;
    let _ = tokio::task::spawn_blocking(move || images.settle()).await;
}

/// What the container's machine notes itself: the journal has it once.
fn told_by_machine(what: &What) -> bool {
    matches!(
        what,
        What::Started
            | What::Running
            | What::Waiting { .. }
            | What::Healthy
            | What::Unhealthy
            | What::Exited { .. }
            | What::Failed { .. }
    )
}

async fn hear(channel: &mut AsyncFd<Channel>) -> io::Result<Ask> {
    loop {
        if let Some((ask, _)) = channel.get_mut().recv()? {
            return Ok(ask);
        }
        channel.readable().await?.clear_ready();
    }
}

fn send(channel: &AsyncFd<Channel>, frame: &Frame, fds: &[OwnedFd]) -> io::Result<()> {
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    match channel.get_ref().send(frame, &fds, PATIENCE) {
        // It hung up: what it asked for goes on without a listener.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn new_layers_are_on_the_disk_some_time_after_a_command() {
        let folder = tempfile::tempdir().unwrap();
        let images = Store::open(folder.path()).unwrap();
        images
            .import(&[0u8; 1024][..], crate::image::Importing::default())
            .unwrap();
        let marks = || {
            fs::read_dir(folder.path().join("layers/.fresh"))
                .unwrap()
                .count()
        };
        assert_eq!(marks(), 1);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(settle(images, Duration::ZERO));
        assert_eq!(marks(), 0);
    }
}
