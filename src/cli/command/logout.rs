//! `logout`.

use super::show;
use crate::cli::args::Logout;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;

/// Forgets the credentials of a registry.
pub fn run(context: &Context, args: &Logout) -> Result<Exit, Error> {
    super::refuse_dry_run(context, "logout")?;
    let domain = engine::login_domain(args.server.as_deref());
    match engine::logout(&super::registries(context)?, &domain)? {
        true => show(
            context,
            &format!("Removing login credentials for {domain}\n"),
        ),
        false => show(context, &format!("Not logged in to {domain}\n")),
    }
}
