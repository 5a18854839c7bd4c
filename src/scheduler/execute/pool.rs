//! A set of futures that run together on one thread, and are dropped with the set.
//!
//! `tokio::task::JoinSet` would do, but wants futures that own everything; ours borrow the plan and the host.

use std::future::Future;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;

/// Futures that run together.
pub(super) struct Pool<'a, T> {
    entries: Vec<Entry<'a, T>>,
}

struct Entry<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    /// May go on waiting for ever, so it is dropped when the walk ends early.
    waits: bool,
    alarm: Arc<Alarm>,
}

/// Remembers that its future wants to be polled, so that one event does not poll them all.
#[derive(Default)]
struct Alarm {
    rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.as_ref() {
            task.wake_by_ref();
        }
    }
}

impl<T> Default for Pool<'_, T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<'a, T> Pool<'a, T> {
    /// Adds a future that ends by itself.
    pub fn work(&mut self, future: impl Future<Output = T> + 'a) {
        self.push(future, false);
    }

    /// Adds a future that waits for something to happen.
    pub fn wait(&mut self, future: impl Future<Output = T> + 'a) {
        self.push(future, true);
    }

    fn push(&mut self, future: impl Future<Output = T> + 'a, waits: bool) {
        let alarm = Alarm {
            rung: AtomicBool::new(true),
            ..Alarm::default()
        };
        self.entries.push(Entry {
            future: Box::pin(future),
            waits,
            alarm: Arc::new(alarm),
        });
    }

    /// How many futures that end by themselves are under way.
    pub fn working(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.waits).count()
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Drops those that wait.
    pub fn stop_waiting(&mut self) {
        self.entries.retain(|entry| !entry.waits);
    }

    /// What the next one to end gives; pends for ever if there is none.
    pub async fn next(&mut self) -> T {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<T> {
        for index in 0..self.entries.len() {
            let entry = &mut self.entries[index];
            let task = context.waker().clone();
            // Set before looking at `rung`: an alarm in between is either seen here or wakes the task.
            *entry
                .alarm
                .task
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(task);
            if !entry.alarm.rung.swap(false, Ordering::Acquire) {
                continue;
            }
            let waker = Waker::from(entry.alarm.clone());
            if let Poll::Ready(output) =
                entry.future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                self.entries.remove(index);
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_ends_first_comes_first() {
        let (send_a, a) = oneshot::channel::<()>();
        let (send_b, b) = oneshot::channel::<()>();
        let mut pool = Pool::default();
        pool.work(async { a.await.map(|()| "a").unwrap() });
        pool.work(async { b.await.map(|()| "b").unwrap() });
        send_b.send(()).unwrap();
        assert_eq!(pool.next().await, "b");
        send_a.send(()).unwrap();
        assert_eq!(pool.next().await, "a");
        assert!(pool.is_empty());
    }

    #[tokio::test]
    async fn one_event_polls_one_future() {
        let polls = Cell::new(0);
        let mut senders = vec![];
        let mut pool = Pool::default();
        for _ in 0..100 {
            let (send, receive) = oneshot::channel::<()>();
            senders.push(send);
            let mut receive = Box::pin(receive);
            let polls = &polls;
            pool.work(poll_fn(move |context| {
                polls.set(polls.get() + 1);
                receive.as_mut().poll(context)
            }));
        }
        for send in senders {
            send.send(()).unwrap();
            pool.next().await.unwrap();
        }
        assert!(polls.get() <= 200, "polled {} times", polls.get());
    }

    #[tokio::test]
    async fn those_that_wait_can_be_dropped_alone() {
        let mut pool = Pool::default();
        pool.wait(std::future::pending::<u8>());
        pool.work(async { 7 });
        assert_eq!(pool.working(), 1);
        pool.stop_waiting();
        assert_eq!(pool.next().await, 7);
        assert!(pool.is_empty());
    }
}
