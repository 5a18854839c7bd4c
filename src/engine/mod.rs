//! The verbs, one file each: a request in, a reply and events out.
//!
//! Every verb is a method-free function `verb(&Engine, request, on_event) -> Result<reply, Error>`; it blocks, and may be
//! called from any thread. A dead supervisor is started again on the way.
//!
//! Invariants: nothing here prints or ends the process; a verb whose request is refused has changed nothing.

mod connection;
mod down;
mod error;
mod exec;
mod images;
mod kill;
mod login;
mod logout;
mod logs;
mod ls;
mod ps;
mod pull;
mod push;
mod restart;
mod rm;
mod start;
mod stop;
mod transfer;
mod up;
mod wait;

pub use crate::image::registry::{Kept, Pulled, Pushed, Settings, login_domain};
pub use crate::image::{ImageSummary, Removed};
pub use crate::scheduler::supervisor::control::{
    ContainerState, ContainerSummary, Down, Exec, HealthState, Kill, PortSummary, Remove, Select,
    Start, Up,
};
pub use crate::state::paths::Paths;
pub use down::down;
pub use error::Error;
pub use exec::{ExecEvent, ExecSession, exec};
pub use images::{images, import, load, rmi, tag};
pub use kill::kill;
pub use login::login;
pub use logout::logout;
pub use logs::{Attached, LogLine, Logs, Stream, follow, logs};
pub use ls::{ProjectSummary, ls};
pub use ps::ps;
pub use pull::{Policy, Pull, Wanted, When, pull, wanted};
pub use push::{Push, push};
pub use restart::restart;
pub use rm::rm;
pub use start::start;
pub use stop::stop;
pub use up::{UpReply, up};
pub use wait::wait;

/// Where everything is kept; cheap to make, holds nothing open.
#[derive(Debug, Clone)]
pub struct Engine {
    /// State root and run folder.
    pub paths: Paths,
}
