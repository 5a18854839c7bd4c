//! The run folder, by which a supervisor is found. Without it there is another supervisor soon, and two of them would start
//! everything twice.

use super::project::Project;
use super::watch;
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use std::io;
use std::mem::MaybeUninit;
use std::rc::Rc;

/// Ends this process at once when somebody removes its run folder: it is made to be killed at any time.
pub async fn end_without(project: Rc<Project>) -> io::Result<()> {
    let (Some(above), Some(name)) = (project.paths.run.parent(), project.paths.run.file_name())
    else {
        return Ok(());
    };
    let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    // Not the folder itself: it is told gone only when nobody has anything of it open.
    inotify::add_watch(&changes, above, WatchFlags::DELETE | WatchFlags::MOVED_FROM)?;
    let changes = watch::readable(changes)?;
    loop {
        changes.readable().await?.clear_ready();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(changes.get_ref(), &mut buffer);
        while let Ok(event) = reader.next() {
            let of = event.file_name().map(|name| name.to_bytes());
            if of == Some(name.as_encoded_bytes()) && !project.is_leaving() {
                std::process::exit(1);
            }
        }
    }
}
