//! The verbs, one file each: a request in, a reply and events out.
//!
//! Every verb is a method-free function `verb(&Engine, request, on_event) -> Result<reply, Error>`; it blocks, and may be
//! called from any thread. A dead supervisor is started again on the way.
//!
//! Invariants: nothing here prints or ends the process; a verb whose request is refused has changed nothing.

mod artifacts;
mod attach;
mod boot;
mod commit;
mod connection;
pub mod copy;
mod digests;
mod disk;
mod doctor;
mod down;
mod error;
mod events;
mod exec;
mod images;
mod kill;
mod lock;
mod locked;
mod login;
mod logout;
mod logs;
mod ls;
mod pause;
mod providers;
mod ps;
mod publish;
mod pull;
mod push;
mod resources;
mod restart;
mod rm;
mod run;
mod session;
mod start;
mod stats;
mod stop;
mod tags;
mod transfer;
mod up;
mod vendor;
mod wait;
mod watch;

pub use crate::image::registry::{Kept, Pulled, Pushed, Settings, login_domain};
pub use crate::image::{
    Filter, ImageSummary, ImageUsage, Importing, Removed, Saving, Step, WholeFile,
};
pub use crate::scheduler::supervisor::control::{
    Attach, Attached as AttachedTo, ContainerState, ContainerSummary, Down, Exec, HealthState,
    Kill, OneOff, Place, PortSummary, ProbeSummary, Processes, Remove, Run, Select, Start, Up,
    Usage,
};
pub use crate::state::paths::Paths;
pub use artifacts::Registries;
pub use attach::attach;
pub use boot::{boot, halt};
pub use commit::{CommitRequest, commit, export};
pub use connection::Hold;
pub use digests::digests;
pub use disk::{DiskUsage, df, prune_images};
pub use doctor::{Check, Verdict, doctor};
pub use down::down;
pub use error::Error;
pub use events::{Period, events};
pub use exec::exec;
pub use images::{
    Depot, UsedImage, history, images, import, inspect, load, rmi, save, tag, used_images,
};
pub use kill::kill;
pub use lock::{LockChange, Locking, lock};
pub use locked::{LOCK_FILE, Lock, bring_locked};
pub use login::login;
pub use logout::logout;
pub use logs::{Attached, LogLine, LogSource, Logs, Stream, follow, log_sources, logs};
pub use ls::{ProjectSummary, ls, projects};
pub use pause::{pause, unpause};
pub use providers::end as end_providers;
pub use ps::ps;
pub use publish::{Publish, publish};
pub use pull::{Policy, Pull, Wanted, When, mounted, pull, wanted};
pub use push::{Push, push};
pub use resources::{
    Network, NewVolume, SOLO, Volume, container, containers, create_volume, leave_solo, networks,
    remove_network, remove_volume, volumes,
};
pub use restart::restart;
pub use rm::rm;
pub use run::{RunReply, run};
pub use session::{Session, SessionEvent};
pub use start::start;
pub use stats::{stats, top};
pub use stop::stop;
pub use tags::{tags_here, tags_there};
pub use up::{UpReply, up};
pub use vendor::vendor;
pub use wait::wait;
pub use watch::{Watched, watch};

use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Where everything is kept; cheap to make, holds nothing open.
#[derive(Debug, Clone)]
pub struct Engine {
    /// State root and run folder.
    pub paths: Paths,
    /// Once this is readable, a verb that changes things begins nothing more; `None` = nobody stops it.
    pub cancel: Option<Arc<OwnedFd>>,
}
