//! What every command has: flags, environment, view; and how it finds its project.

use super::args::Global;
use super::env::Env;
use super::exit::Error;
use super::view::View;
use super::view::progress::Progress;
use crate::compose::Cache;
use crate::compose::LoadOptions;
use crate::compose::Loaded;
use crate::compose::Resolved;
use crate::compose::Written;
use crate::compose::diagnostic::Diagnostics;
use crate::compose::diagnostic::did_you_mean;
use crate::compose::load;
use crate::compose::load_resolved;
use crate::compose::load_written;
use crate::compose::project_name;
use crate::engine;
use crate::engine::Engine;
use crate::engine::Paths;
use crate::engine::Registries;
use crate::id::ProjectName;
use crate::id::ServiceName;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// What every command has.
#[derive(Debug)]
pub struct Context {
    /// Flags of the project.
    pub global: Global,
    /// The environment.
    pub env: Env,
    /// Where to write.
    pub view: View,
}

impl Context {
    /// The engine of this installation.
    pub fn engine(&self) -> Engine {
        Engine {
            paths: Paths::from_environment(&self.env.vars),
            cancel: None,
        }
    }

    /// Progress of `verb`.
    pub fn progress(&self, verb: &'static str) -> Progress {
        Progress::new(&self.view, verb)
    }

    /// Names are those of the first docker-compose.
    pub fn compatibility(&self) -> bool {
        self.global.compatibility || self.env.flag("COMPOSE_COMPATIBILITY")
    }

    /// How many things may be done at once; `None` = no limit, as for every number below 1.
    pub fn parallel(&self) -> Option<usize> {
        let limit = self.global.parallel.or_else(|| self.env.parallel())?;
        usize::try_from(limit).ok().filter(|limit| *limit > 0)
    }

    /// Where files of repositories and registries are kept.
    fn cache(&self) -> Option<Cache> {
        let variable = |name: &str| self.env.vars.get(name).filter(|value| !value.is_empty());
        let folder = match variable("XDG_CACHE_HOME") {
            Some(folder) => PathBuf::from(folder),
            None => PathBuf::from(variable("HOME")?).join(".cache"),
        };
        Some(Cache {
            folder: folder.join("hoist"),
            environment: self.env.vars.clone(),
            artifacts: Some(Arc::new(Registries::new(
                self.env.vars.clone(),
                self.global.insecure_registry.clone(),
            ))),
        })
    }

    /// Which files and variables make the project.
    pub fn options(&self) -> Result<LoadOptions, Error> {
        let global = self.global.clone();
        let directory = std::env::current_dir();
        let directory = directory.map_err(Error::io("find the working directory"))?;
        let stdin = match global.file.iter().any(|file| file == Path::new("-")) {
            true => Some(read_stdin()?),
            false => None,
        };
        Ok(LoadOptions {
            files: global.file,
            stdin,
            remote: self.cache(),
            project_directory: global.project_directory.or(global.workdir),
            project_name: global.project_name,
            env_files: global.env_file,
            profiles: global.profile,
            all_resources: global.all_resources,
            ..LoadOptions::new(directory, self.env.vars.clone())
        })
    }

    /// Stdout, for the bytes of an archive.
    pub fn stream(&self, verb: &str) -> Result<std::io::BufWriter<std::io::Stdout>, Error> {
        use std::io::IsTerminal;
        if std::io::stdout().is_terminal() {
            return Err(Error::usage(
                "stdout is a terminal, no place for an archive",
                Some(format!(
                    "name a file with `hoist {verb} -o FILE`, or use a pipe"
                )),
            ));
        }
        Ok(self.view.archive())
    }

    /// Loads the project and shows its warnings.
    pub fn load(&self, options: &LoadOptions) -> Result<Loaded, Error> {
        let loaded = load(options).map_err(|found| Error::Compose(Box::new(found)))?;
        self.view.warnings(&loaded.warnings, &loaded.sources);
        Ok(loaded)
    }

    /// Loads the canonical tree alone, and shows warnings.
    pub fn load_resolved(&self, options: &LoadOptions) -> Result<Resolved, Error> {
        let resolved = load_resolved(options).map_err(|found| Error::Compose(Box::new(found)))?;
        self.view.warnings(&resolved.warnings, &resolved.sources);
        Ok(resolved)
    }

    /// Loads the files with their variables as they are written, and shows warnings.
    pub fn load_written(&self, options: &LoadOptions) -> Result<Written, Error> {
        let written = load_written(options).map_err(|found| Error::Compose(Box::new(found)))?;
        self.view.warnings(&written.warnings, &written.sources);
        Ok(written)
    }

    /// Loads the project, and refuses what cannot be done here.
    pub fn load_runnable(&self, options: &LoadOptions) -> Result<Loaded, Error> {
        let loaded = self.load(options)?;
        loaded
            .runnable()
            .map_err(|found| Error::Compose(Box::new(found)))?;
        Ok(loaded)
    }

    /// Loads the project without a word, for commands that can do without.
    pub fn try_load(&self) -> Result<Result<Loaded, Diagnostics>, Error> {
        Ok(load(&self.options()?))
    }

    /// The project's name, from as little as it takes: teardown and looking need no sound file.
    pub fn project(&self) -> Result<ProjectName, Error> {
        project_name(&self.options()?).map_err(|found| Error::Compose(Box::new(found)))
    }

    /// The project of the file for a command that takes it down; `None` if there is no file, or none that can be read.
    pub fn known(&self) -> Result<Option<Loaded>, Error> {
        match self.try_load()? {
            Ok(loaded) => Ok(Some(loaded)),
            Err(found) => {
                if found.list.iter().any(|problem| problem.code != "no-file") {
                    self.view.warn(
                        "the compose file has errors: everything of the project is meant, \
                         `hoist config` tells what is wrong",
                    );
                }
                Ok(None)
            }
        }
    }

    /// The services of the file; `None` as for [`Self::known`].
    pub fn known_services(&self) -> Result<Option<Vec<ServiceName>>, Error> {
        Ok(self.known()?.as_ref().map(all_services))
    }

    /// The services that a verb without a file of its own is about: the named ones; those of the file; none = all that the
    /// project has, if there is no sound file, or a name alone says which project is meant.
    pub fn chosen(&self, named: &[ServiceName]) -> Result<Vec<ServiceName>, Error> {
        if !named.is_empty() {
            self.check_services(named)?;
            return Ok(named.to_vec());
        }
        if self.is_named() {
            return Ok(Vec::new());
        }
        let loaded = self.try_load()?.ok();
        Ok(loaded.map_or_else(Vec::new, |it| it.project.services.into_keys().collect()))
    }

    /// A name alone says which project is meant.
    fn is_named(&self) -> bool {
        self.global.project_name.is_some() && self.global.file.is_empty()
    }

    /// Refuses a project that a name alone says, and that has nothing.
    pub fn refuse_unknown(&self, project: &ProjectName) -> Result<(), Error> {
        if !self.is_named() || !engine::ps(&self.engine(), project)?.is_empty() {
            return Ok(());
        }
        Err(Error::hinted(
            format!("project `{project}` has no container"),
            "`hoist ls -a` lists the projects",
        ))
    }

    /// Refuses names that the file, if there is a sound one, does not have.
    pub fn check_services(&self, names: &[ServiceName]) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        let Ok(loaded) = self.try_load()? else {
            return Ok(());
        };
        let project = &loaded.project;
        let known: Vec<&ServiceName> = project.services.keys().chain(&project.disabled).collect();
        match names.iter().find(|name| !known.contains(name)) {
            Some(name) => Err(no_such_service(name.as_str(), &loaded)),
            None => Ok(()),
        }
    }

    /// What went wrong with a container of this service; if there is none, and the file knows no such service, then that.
    pub fn misnamed(&self, service: &str, error: impl Into<Error>) -> Error {
        let names: Vec<ServiceName> = ServiceName::new(service).into_iter().collect();
        let Err(unknown) = self.check_services(&names) else {
            return error.into();
        };
        // The file may have forgotten a service that still has containers.
        let project = self.project().ok();
        let containers = project.and_then(|project| engine::ps(&self.engine(), &project).ok());
        let mut containers = containers.into_iter().flatten();
        match containers.any(|container| container.service == service) {
            true => error.into(),
            false => unknown,
        }
    }
}

/// `no such service: web`, with the one that was probably meant; or that it is off.
pub fn no_such_service(name: &str, loaded: &Loaded) -> Error {
    let project = &loaded.project;
    if project.disabled.iter().any(|off| off.as_str() == name) {
        return Error::hinted(
            format!("service `{name}` is off: none of its profiles is active"),
            "switch it on with `--profile NAME`; `hoist config --profiles` lists them",
        );
    }
    let known = project.services.keys().chain(&project.disabled);
    not_among(name, known.map(ServiceName::as_str))
}

/// `no such service: web`, with the one of `known` that was probably meant.
pub fn not_among<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    let hint = match did_you_mean(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<String> = known.map(|name| format!("`{name}`")).collect();
            format!("services: {}", names.join(", "))
        }
    };
    Error::hinted(format!("no such service: `{name}`"), hint)
}

/// A service has no container with the number that was asked for.
pub fn no_such_number(service: &str, number: u32) -> Error {
    Error::hinted(
        format!("service `{service}` has no container number {number}"),
        format!("hoist ps -a {service}"),
    )
}

fn read_stdin() -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut text);
    read.map_err(Error::io("read the compose file from stdin"))?;
    Ok(text)
}

/// The services of a project, those that are off too.
pub fn all_services(loaded: &Loaded) -> Vec<ServiceName> {
    let project = &loaded.project;
    let all = project.services.keys().chain(&project.disabled);
    all.cloned().collect()
}
