//! Makes network namespaces in batches: whoever asks while a batch is made is in the next one, so many share few
//! kernel messages, and nobody waits for one that is slow to start.

use super::blocking;
use crate::network::Endpoint;
use crate::network::Error;
use crate::network::spec::AttachmentSpec;
use crate::scheduler::supervisor::project::Project;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::sync::oneshot;

/// Containers of one batch: few enough that the first is launched while the next batch is made.
const BATCH: usize = 8;

type Answer = oneshot::Sender<Result<Endpoint, Error>>;

/// The queue of containers that want a network.
#[derive(Default)]
pub struct Connector {
    queue: RefCell<Vec<(AttachmentSpec, Answer)>>,
    busy: Cell<bool>,
}

impl Connector {
    /// Makes the network namespace of a container.
    pub async fn connect(
        self: &Rc<Self>,
        project: &Rc<Project>,
        attachment: AttachmentSpec,
    ) -> Result<Endpoint, Error> {
        let (answer, endpoint) = oneshot::channel();
        self.queue.borrow_mut().push((attachment, answer));
        if !self.busy.replace(true) {
            let (connector, project) = (self.clone(), project.clone());
            tokio::task::spawn_local(async move { connector.work(&project).await });
        }
        endpoint.await.unwrap_or(Err(Error::FactoryGone))
    }

    async fn work(&self, project: &Project) {
        // Let everybody who is about to ask do so.
        tokio::task::yield_now().await;
        loop {
            let batch: Vec<_> = {
                let mut queue = self.queue.borrow_mut();
                let end = queue.len().min(BATCH);
                queue.drain(..end).collect()
            };
            if batch.is_empty() {
                break;
            }
            let (attachments, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let networks = project.networks();
            let driver = project.network.clone();
            let made = blocking(move || driver.attach_all(&attachments, &networks)).await;
            for (answer, endpoint) in answers.into_iter().zip(made) {
                // Who no longer waits drops the descriptors, and the namespace is gone.
                let _ = answer.send(endpoint);
            }
        }
        self.busy.set(false);
    }
}
