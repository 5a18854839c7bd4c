//! Where threads put what they have to say, and a bell beside it.

use crate::cli::exit::Error;
use crate::cli::view::dash::Said;
use crate::engine::{ContainerSummary, Usage};
use crate::id::ProjectName;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What is new.
#[derive(Debug)]
pub enum News {
    /// What a project has.
    Containers(ProjectName, Vec<ContainerSummary>),
    /// What its containers use.
    Usage(ProjectName, Vec<Usage>),
    /// Something to read.
    Said(Said),
    /// All projects there are, with their files.
    Projects(Vec<(ProjectName, Vec<PathBuf>)>),
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    news: Receiver<News>,
    sender: Sender<News>,
    bell: Arc<OwnedFd>,
}

/// A way to it.
#[derive(Debug, Clone)]
pub struct Post {
    sender: Sender<News>,
    bell: Arc<OwnedFd>,
}

impl Desk {
    /// An empty one.
    pub fn open() -> Result<Self, Error> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let bell = bell.map_err(|error| Error::io("make a descriptor")(error.into()))?;
        let (sender, news) = channel();
        Ok(Self {
            news,
            sender,
            bell: Arc::new(bell),
        })
    }

    /// A way to put something there.
    pub fn post(&self) -> Post {
        Post {
            sender: self.sender.clone(),
            bell: self.bell.clone(),
        }
    }

    /// All that lies there.
    pub fn take(&self) -> Vec<News> {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        self.news.try_iter().collect()
    }

    /// Readable when something lies there.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Post {
    /// Puts something there; `false` = nobody reads it any more.
    pub fn put(&self, news: News) -> bool {
        let put = self.sender.send(news).is_ok();
        self.ring();
        put
    }

    /// Says that there is something to paint which does not lie on the desk: a line of a flood weighs nothing here.
    pub fn ring(&self) {
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }
}
