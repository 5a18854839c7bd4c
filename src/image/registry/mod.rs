//! Names and registries: images come from where their name says, and go there.
//!
//! ```text
//!  Settings (files, environment) ─▶ Client ─▶ Source (registry and mirrors) ─▶ manifests, blobs
//!                                     │ Auth: Basic, tokens     blob: one stream that survives cuts
//!                                     └ TLS, names, redirects   pull: layers in parallel, into the store
//! ```
//!
//! Where it runs: in the process of the command that asks, with the user's credentials, proxies and terminal, and never in
//! a supervisor. Images are shared by all projects, and the store's own locks keep its users apart; so a command that is
//! killed costs nobody anything but what it was about to do, and even of that every byte that came is kept. The HTTP
//! client has an event loop of its own a host, on a thread of its own; what is done with the bytes is ordinary blocking
//! code on a thread a layer, so that a slow disk slows the connection down and memory stays bounded.
//!
//! Invariants: nothing a registry says is believed before its digest is verified; every answer has a limit in bytes and
//! every wait one in time; secrets go to whom they are for, see [`auth`].

mod answer;
mod artifact;
mod ask;
mod auth;
mod blob;
mod challenge;
mod client;
mod credentials;
mod endpoint;
mod error;
mod keychain;
mod login;
mod message;
mod meter;
mod publish;
mod pull;
mod push;
mod resolve;
mod settings;
mod source;
mod tags;
mod tls;
mod token;
mod upload;

pub(super) use source::media_type;

pub use client::Client;
pub use error::{Error, Why};
pub use login::{Kept, login, login_domain, logout};
pub use meter::{Moved, Observer};
pub use publish::{ProjectFile, ProjectFileKind};
pub use pull::{PullRequest, Pulled};
pub use push::Pushed;
pub use settings::{Patience, Settings};
