//! Why a service cannot be made into a container.

use super::cdi;
use crate::runtime::capabilities;
use crate::runtime::signals;
use crate::volumes::bind;
use crate::volumes::secret;
use std::path::PathBuf;

/// A service that cannot be made into a container.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to run.
    #[error("service `{0}` has no command: its image gives none, and neither does the file")]
    NoCommand(String),
    /// A secret or config whose file cannot be read.
    #[error("service `{service}` cannot have the {kind} `{name}`")]
    File {
        /// The service.
        service: String,
        /// `secret` or `config`.
        kind: &'static str,
        /// Its key.
        name: String,
        /// Why.
        #[source]
        source: secret::Error,
    },
    /// A bind source that is not there and may not, or cannot, be made.
    #[error("service `{service}` cannot have its bind mount at `{target}`")]
    Bind {
        /// The service.
        service: String,
        /// Path inside.
        target: String,
        /// Why.
        #[source]
        source: bind::Error,
    },
    /// A security option we do not know.
    #[error("service `{service}`: unknown security option `{option}`")]
    SecurityOption {
        /// The service.
        service: String,
        /// As written.
        option: String,
    },
    /// A seccomp profile that cannot be read.
    #[error("cannot read the seccomp profile `{path}`")]
    Profile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A device that nobody describes.
    #[error("service `{service}` cannot have its devices")]
    Devices {
        /// The service.
        service: String,
        /// Why.
        #[source]
        source: cdi::Error,
    },
    /// `platform` that is none.
    #[error("service `{service}` asks for a platform that is none")]
    PlatformText {
        /// The service.
        service: String,
        /// Why.
        #[source]
        source: Box<crate::image::Error>,
    },
    /// The image that is here is of another platform than the file says.
    #[error(
        "service `{service}` is to run on `{wanted}`, and the image `{image}` that is here is for `{offered}`"
    )]
    OtherPlatform {
        /// The service.
        service: String,
        /// The image.
        image: String,
        /// What it is for.
        offered: String,
        /// What was asked for.
        wanted: String,
    },
    /// Programs that this machine cannot run.
    #[error(
        "service `{service}` has the image `{image}` for `{offered}`, and this machine runs no such programs"
    )]
    Foreign {
        /// The service.
        service: String,
        /// The image.
        image: String,
        /// What it is for.
        offered: String,
    },
    /// What this machine has not, and what would be unsafe to go without.
    #[error("service `{service}`: `{key}` cannot be honoured: {why}")]
    Unavailable {
        /// The service.
        service: String,
        /// The attribute.
        key: &'static str,
        /// The reason.
        why: String,
    },
    /// An image that is to be mounted and is not here.
    #[error("service `{service}` cannot mount the image `{image}`")]
    Image {
        /// The service.
        service: String,
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: Box<crate::image::Error>,
    },
    /// Volumes of somebody who is not there.
    #[error("service `{service}` wants the volumes of `{of}`, and there is no such container")]
    NoVolumes {
        /// The service.
        service: String,
        /// Whose.
        of: String,
    },
    /// Unknown signal.
    #[error("service `{service}` has no usable `stop_signal`")]
    Signal {
        /// The service.
        service: String,
        /// Why.
        #[source]
        source: signals::UnknownSignal,
    },
    /// Unknown capability.
    #[error("service `{service}` has no usable `cap_add` or `cap_drop`")]
    Capability {
        /// The service.
        service: String,
        /// Which.
        #[source]
        source: capabilities::Error,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Devices { source, .. } => source.hint(),
            Self::Image { source, .. } => source.hint(),
            Self::OtherPlatform { image, wanted, .. } => {
                Some(format!("hoist pull --platform {wanted} {image}"))
            }
            Self::Foreign { offered, .. } if offered.starts_with("linux/") => Some(
                "have an emulator registered with `binfmt_misc`, e.g. by Debian's package qemu-user-static; or pull the image \
                 for this machine"
                    .into(),
            ),
            _ => None,
        }
    }
}
