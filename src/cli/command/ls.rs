//! `ls`.

use super::show;
use crate::cli::args::Ls;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::containers::state;
use crate::cli::view::listing::Fields;
use crate::engine;
use crate::engine::ContainerState;
use crate::engine::ProjectSummary;
use serde_json::{Map, Value};

const FIELDS: Fields = Fields {
    all: &[
        ("Name", "NAME"),
        ("Status", "STATUS"),
        ("ConfigFiles", "CONFIG FILES"),
    ],
    table: &["Name", "Status", "ConfigFiles"],
    array: true,
};

/// Lists projects.
pub fn run(context: &Context, args: &Ls) -> Result<Exit, Error> {
    let form = super::form(&FIELDS, &args.format)?;
    let mut names = Vec::new();
    for filter in &args.filter {
        let name = filter.strip_prefix("name=").ok_or_else(|| {
            let hint = Some("write `name=TEXT`".to_owned());
            Error::usage(format!("invalid filter `{filter}`"), hint)
        })?;
        names.push(name);
    }
    let mut projects = engine::ls(&context.engine())?;
    projects.retain(|project| {
        let named = names
            .iter()
            .all(|name| project.name.as_str().contains(name));
        named && (args.all || runs(project))
    });
    let text = if args.quiet {
        projects.iter().map(|it| format!("{}\n", it.name)).collect()
    } else {
        let rows: Vec<_> = projects.iter().map(row).collect();
        FIELDS.render(&rows, &form)?
    };
    show(context, &text)
}

/// docker compose hides a project once all its containers have stopped.
fn runs(project: &ProjectSummary) -> bool {
    let lives = |state: &ContainerState| {
        matches!(
            state,
            ContainerState::Running | ContainerState::Restarting | ContainerState::Paused
        )
    };
    project.status.iter().any(|(state, _)| lives(state))
}

fn row(project: &ProjectSummary) -> Map<String, Value> {
    let mut counts: Vec<String> = project
        .status
        .iter()
        .map(|(it, count)| format!("{}({count})", state(*it)))
        .collect();
    counts.sort();
    let files: Vec<String> = project
        .config_files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let mut row = Map::new();
    row.insert("Name".to_owned(), project.name.as_str().into());
    row.insert("Status".to_owned(), counts.join(", ").into());
    row.insert("ConfigFiles".to_owned(), files.join(",").into());
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ProjectName;

    #[test]
    fn a_project_is_a_row_with_its_states_counted() {
        let project = ProjectSummary {
            name: ProjectName::new("app").unwrap(),
            status: vec![(ContainerState::Running, 2), (ContainerState::Exited, 1)],
            config_files: vec!["/a/compose.yaml".into(), "/a/b.yaml".into()],
        };
        assert!(runs(&project));
        assert_eq!(
            FIELDS
                .render(&[row(&project)], &FIELDS.form("json").unwrap())
                .unwrap(),
            "[{\"Name\":\"app\",\"Status\":\"exited(1), running(2)\",\"ConfigFiles\":\"/a/compose.yaml,/a/b.yaml\"}]\n"
        );
    }
}
