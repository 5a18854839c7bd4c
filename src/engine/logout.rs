//! `logout`: credentials are forgotten.

use super::Error;
use crate::image::registry::{Settings, logout as forget};

/// Forgets the credentials of a registry; false if there were none.
pub fn logout(settings: &Settings, domain: &str) -> Result<bool, Error> {
    Ok(forget(settings, domain)?)
}
