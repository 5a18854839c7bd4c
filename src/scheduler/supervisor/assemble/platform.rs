//! What an image was made for, against what runs here.

use super::{Error, Parts};
use crate::image::Store;
use crate::runtime::foreign;
use std::path::Path;

impl Parts<'_> {
    /// Fails if the image is not of the platform that was asked for, or nothing here runs its programs.
    pub(super) fn check_platform(&self) -> Result<(), Error> {
        let offered = &self.image.platform;
        if let Some(wanted) = &self.service.platform {
            let fits = Store::runs_on(offered, wanted).map_err(|source| Error::PlatformText {
                service: self.service.name.to_string(),
                source: Box::new(source),
            })?;
            if !fits {
                return Err(Error::OtherPlatform {
                    service: self.service.name.to_string(),
                    image: self.service.image.clone(),
                    offered: offered.clone(),
                    wanted: wanted.clone(),
                });
            }
        }
        let mut parts = offered.split('/');
        let (os, architecture) = (parts.next(), parts.next().unwrap_or_default());
        match os == Some("linux") && foreign::runs(architecture, Path::new(foreign::HANDLERS)) {
            true => Ok(()),
            false => Err(Error::Foreign {
                service: self.service.name.to_string(),
                image: self.service.image.clone(),
                offered: offered.clone(),
            }),
        }
    }
}
