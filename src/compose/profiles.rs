//! Which services are on.
//!
//! Invariant: a service without profiles is always on.

use super::diagnostic::Report;
use super::diagnostic::did_you_mean;
use super::parse::Draft;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// What switches services on.
pub struct Selection<'a> {
    /// Active profiles; `*` = all.
    pub profiles: Vec<String>,
    /// Services named on the command line: their profiles become active.
    pub services: &'a [String],
}

/// Takes the services whose profiles are not active out of `services`, and returns their names.
pub fn select(
    services: &mut IndexMap<String, Draft>,
    selection: &Selection<'_>,
    report: &mut Report,
) -> Vec<crate::id::ServiceName> {
    let mut active: BTreeSet<String> = selection.profiles.iter().cloned().collect();
    for name in selection.services {
        match services.get(name.as_str()) {
            Some(draft) => active.extend(draft.service.profiles.iter().cloned()),
            None => {
                let near = did_you_mean(name, services.keys().map(String::as_str));
                let diagnostic =
                    report.error("no-such-service", format!("no such service: `{name}`"));
                if let Some(near) = near {
                    diagnostic.hint(format!("did you mean `{near}`?"));
                }
            }
        }
    }
    let is_on = |draft: &Draft| {
        let profiles = &draft.service.profiles;
        profiles.is_empty()
            || active.contains("*")
            || profiles.iter().any(|profile| active.contains(profile))
    };
    let mut disabled = Vec::new();
    services.retain(|_, draft| {
        let on = is_on(draft);
        if !on {
            disabled.push(draft.service.name.clone());
        }
        on
    });
    disabled
}
