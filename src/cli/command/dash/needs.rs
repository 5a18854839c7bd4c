//! Who needs whom, from the files of a project.

use crate::cli::context::Context;
use crate::cli::view::dash::Needs;
use crate::compose::LoadOptions;
use crate::compose::Loaded;
use crate::compose::load;
use crate::id::ProjectName;
use std::path::PathBuf;

/// Of the project that is called here; `None` = there is no sound file.
pub fn of_here(context: &Context) -> Option<Needs> {
    let loaded = context.try_load().ok()?.ok()?;
    Some(needs(&loaded))
}

/// Of another one, from the files that it was brought up with.
pub fn of(context: &Context, project: &ProjectName, files: &[PathBuf]) -> Option<Needs> {
    if files.is_empty() {
        return None;
    }
    let options = LoadOptions {
        files: files.to_vec(),
        project_name: Some(project.to_string()),
        project_directory: None,
        ..context.options().ok()?
    };
    load(&options).ok().map(|loaded| needs(&loaded))
}

fn needs(loaded: &Loaded) -> Needs {
    let services = loaded.project.services.iter().map(|(name, service)| {
        let needed = service.depends_on.iter().map(|(other, it)| {
            let condition = match it.condition.word() {
                "service_healthy" => "healthy",
                "service_completed_successfully" => "completed",
                _ => "",
            };
            (other.to_string(), condition)
        });
        (name.to_string(), needed.collect())
    });
    Needs(services.collect())
}
