//! Which files make up the project, in which folder, with which variables, under which name.
//!
//! Invariant: variables of the caller win over those of `.env` files, and no variable of the system is looked at but
//! those that were passed in.

use super::LoadOptions;
use super::budget::Budget;
use super::diagnostic::Report;
use super::dotenv;
use super::dotenv::Variables;
use super::environment::with_cause;
use super::normalize::Environment;
use super::remote;
use super::source;
use super::source::ReadError;
use super::source::Source;
use super::source::SourceMap;
use super::unreadable::unreadable;
use std::path::Path;
use std::path::PathBuf;

/// What a compose file is called if nobody says how.
pub const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// What is known before a compose file is parsed.
pub struct Setup {
    /// Variables of the caller over those of `.env` files.
    pub environment: Environment,
    /// Those of files, with their places.
    pub files_say: Variables,
    /// The compose files; `-` is the standard input.
    pub files: Vec<PathBuf>,
    /// Whether the user named them.
    pub given: bool,
    /// What relative paths resolve against.
    pub directory: PathBuf,
    /// The folder that gives the project its name, if nothing else does.
    pub namesake: PathBuf,
}

/// Finds files, folder and variables. Problems of `.env` files are reported; `None` = there is no compose file.
pub fn find(
    options: &LoadOptions,
    sources: &mut SourceMap,
    (report, budget): (&mut Report, &mut Budget),
) -> Option<Setup> {
    let mut environment = options.environment.clone();
    let mut said = Variables::new();
    let folder = options.working_directory.to_string_lossy();
    environment
        .entry("PWD".to_owned())
        .or_insert(folder.into_owned());
    let start = start(options);
    let mut known = (&mut environment, &mut said);
    read_env_files(options, &start, &mut known, sources, (report, budget));
    let Some((files, given)) = compose_files(options, &start, known.0, report) else {
        report
            .error(
                "no-file",
                "there is no compose file here or in a folder above",
            )
            .hint("create `compose.yaml`, or name a file with `-f`");
        return None;
    };
    let Fetched { files, repository } = fetched(options, files, report)?;
    let beside = match files.first() {
        Some(first) if first != Path::new("-") => first.parent().unwrap_or(&start).to_owned(),
        _ => start.clone(),
    };
    let (directory, namesake) = match (&options.project_directory, repository) {
        (_, Some(repository)) => (repository, start.clone()),
        (Some(_), None) => (start.clone(), start.clone()),
        (None, None) => (beside.clone(), beside),
    };
    if namesake != start {
        read_env_files(options, &namesake, &mut known, sources, (report, budget));
    }
    Some(Setup {
        environment,
        files_say: said,
        files,
        given,
        directory,
        namesake,
    })
}

/// What `.env` files add to the variables of the caller, for a program that has its own settings there. What is wrong with
/// them is told when the project is loaded.
pub fn variables_of_files(options: &LoadOptions) -> Environment {
    let mut environment = options.environment.clone();
    let mut said = Variables::new();
    let (mut sources, mut ignored) = (SourceMap::default(), Report::default());
    let mut known = (&mut environment, &mut said);
    read_env_files(
        options,
        &start(options),
        &mut known,
        &mut sources,
        (&mut ignored, &mut Budget::default()),
    );
    let said = said
        .into_iter()
        .map(|(key, variable)| (key, variable.value));
    said.collect()
}

/// The folder that files are looked for in.
fn start(options: &LoadOptions) -> PathBuf {
    if let Some(directory) = &options.project_directory {
        return source::absolute(&options.working_directory, directory);
    }
    match options.files.first().map(PathBuf::as_path) {
        Some(file) if file != Path::new("-") && !remote::is_remote(&file.to_string_lossy()) => {
            let file = source::absolute(&options.working_directory, file);
            file.parent().unwrap_or(&file).to_owned()
        }
        _ => options.working_directory.clone(),
    }
}

/// Files as they are on this host.
struct Fetched {
    files: Vec<PathBuf>,
    /// Where the first one that came from elsewhere is: with docker compose, all paths of the project resolve against it.
    repository: Option<PathBuf>,
}

/// The files, those of repositories as they are in the cache.
fn fetched(options: &LoadOptions, files: Vec<PathBuf>, report: &mut Report) -> Option<Fetched> {
    let mut all = Vec::new();
    let mut repository = None;
    for file in files {
        let text = file.to_string_lossy();
        if !remote::is_remote(&text) {
            all.push(Some(file));
            continue;
        }
        let fetched = remote::local(&text, options.remote.as_ref());
        let fetched = fetched.map_err(|error| {
            report
                .error("remote-file", with_cause(&error))
                .hint(error.hint());
        });
        let folder = |file: &PathBuf| file.parent().map(Path::to_owned);
        repository = repository.or_else(|| fetched.as_ref().ok().and_then(folder));
        all.push(fetched.ok());
    }
    let files = all.into_iter().collect::<Option<_>>()?;
    Some(Fetched { files, repository })
}

/// The files, and whether the user named them.
fn compose_files(
    options: &LoadOptions,
    start: &Path,
    environment: &Environment,
    report: &mut Report,
) -> Option<(Vec<PathBuf>, bool)> {
    let here =
        |path: &Path| match path == Path::new("-") || remote::is_remote(&path.to_string_lossy()) {
            true => path.to_owned(),
            false => source::absolute(&options.working_directory, path),
        };
    if !options.files.is_empty() {
        let files = options.files.iter().map(|path| here(path)).collect();
        return Some((files, true));
    }
    if let Some(list) = environment
        .get("COMPOSE_FILE")
        .filter(|list| !list.is_empty())
    {
        let separator = environment.get("COMPOSE_PATH_SEPARATOR");
        let separator = separator
            .filter(|s| !s.is_empty())
            .map_or(":", String::as_str);
        let files = list.split(separator).map(|path| here(Path::new(path)));
        return Some((files.collect(), true));
    }
    for folder in start.ancestors() {
        let exists = |names: &[&str]| -> Vec<PathBuf> {
            let paths = names.iter().map(|name| folder.join(name));
            paths.filter(|path| path.exists()).collect()
        };
        let found = exists(&NAMES);
        let Some(first) = found.first() else {
            continue;
        };
        let overrides = exists(&OVERRIDES);
        several(&found, report);
        several(&overrides, report);
        let files = std::iter::once(first).chain(overrides.first());
        return Some((files.cloned().collect(), false));
    }
    None
}

fn several(found: &[PathBuf], report: &mut Report) {
    if let [used, _, ..] = found {
        let message = format!(
            "there are several compose files; `{}` is used",
            used.display()
        );
        report.warning("several-files", message);
    }
}

/// The explicit files, or `.env` in `directory`, and whether they are explicit.
fn env_files(
    options: &LoadOptions,
    directory: &Path,
    environment: &Environment,
) -> (Vec<PathBuf>, bool) {
    let mut files: Vec<PathBuf> = options.env_files.clone();
    if files.is_empty()
        && let Some(list) = environment.get("COMPOSE_ENV_FILES")
    {
        files.extend(
            list.split(',')
                .filter(|file| !file.is_empty())
                .map(PathBuf::from),
        );
    }
    let explicit = !files.is_empty();
    let disabled = environment
        .get("COMPOSE_DISABLE_ENV_FILE")
        .is_some_and(|value| {
            matches!(
                value.to_lowercase().as_str(),
                "1" | "t" | "true" | "y" | "yes"
            )
        });
    if !explicit && !disabled {
        files.push(directory.join(".env"));
    }
    (files, explicit)
}

/// Adds the variables of the explicit files, or of `.env` in `directory`; those that are there already win.
fn read_env_files(
    options: &LoadOptions,
    directory: &Path,
    (environment, said): &mut (&mut Environment, &mut Variables),
    sources: &mut SourceMap,
    (report, budget): (&mut Report, &mut Budget),
) {
    let (files, explicit) = env_files(options, directory, environment);
    let mut variables = Variables::new();
    for file in files {
        let path = source::absolute(&options.working_directory, &file);
        let text = match explicit {
            true => source::read_given(&path),
            false => source::read(&path),
        };
        match text {
            Ok(text) => {
                let index = sources.add(Source {
                    name: source::display_name(&options.working_directory, &path),
                    directory: directory.to_owned(),
                    text: text.as_str().into(),
                    named: None,
                });
                let known = &**environment;
                let lookup = |name: &str| known.get(name).map(String::as_str);
                dotenv::parse(&text, index, &lookup, &mut variables, (report, budget));
            }
            Err(error) => missing(
                error,
                &path,
                explicit,
                options,
                (&mut *sources, &mut *report),
            ),
        }
    }
    for (key, variable) in variables {
        if !environment.contains_key(&key) {
            environment.insert(key.clone(), variable.value.clone());
            said.insert(key, variable);
        }
    }
}

fn missing(
    error: ReadError,
    path: &Path,
    explicit: bool,
    options: &LoadOptions,
    (sources, report): (&mut SourceMap, &mut Report),
) {
    match (error.is_missing(), explicit) {
        (true, false) => {}
        (true, true) => {
            let message = format!("there is no environment file `{}`", path.display());
            report.error("missing-file", message);
        }
        // A folder called `.env` (a Python environment) is none of our business.
        (false, false) if matches!(error, ReadError::NotRegular { .. }) => {}
        _ => {
            let name = source::display_name(&options.working_directory, path);
            unreadable(error, (&name, path), None, sources, report);
        }
    }
}

/// What is left of `text` as a project name: lower-case, only permitted characters.
pub fn normalize_name(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(*c))
        .collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}
