//! `login`: credentials that a registry takes are kept for later.

use super::Error;
use crate::image::registry::{Kept, Settings, login as try_and_keep};

/// Tries a name and a password at a registry; says where they were kept.
pub fn login(settings: Settings, domain: &str, login: (&str, &str)) -> Result<Kept, Error> {
    Ok(try_and_keep(settings, domain, login)?)
}
