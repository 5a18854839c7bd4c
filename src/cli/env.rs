//! The environment, read once, and what it says about how to talk. Which files and variables make the project (`COMPOSE_FILE`
//! and its like, which may also stand in `.env`) is `compose`'s to know; where things are kept, the engine's.

use super::args::{Ansi, Global, ProgressKind};
use super::exit::Error;
use crate::compose::LoadOptions;
use crate::compose::variables_of_files;
use clap::ValueEnum;
use std::collections::BTreeMap;

/// Variables.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// All variables that are UTF-8.
    pub vars: BTreeMap<String, String>,
    /// Variables of `.env` files about docker compose itself, where the environment has none of that name.
    pub files: BTreeMap<String, String>,
    /// We were called under docker's name.
    pub as_docker: bool,
    /// What was typed to call us.
    pub called: String,
}

impl Env {
    /// Of this process.
    pub fn of_process() -> Self {
        let utf8 = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((key.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            vars: std::env::vars_os().filter_map(utf8).collect(),
            ..Self::default()
        }
    }

    /// Reads what `.env` files say of docker compose itself.
    pub fn read_files(&mut self, global: &Global) {
        let Ok(directory) = std::env::current_dir() else {
            return;
        };
        let global = global.clone();
        self.files = variables_of_files(&LoadOptions {
            files: global.file,
            project_directory: global.project_directory.or(global.workdir),
            env_files: global.env_file,
            ..LoadOptions::new(directory, self.vars.clone())
        });
        let ours = |key: &str| key.starts_with("COMPOSE_") || key == "DOCKER_DEFAULT_PLATFORM";
        self.files.retain(|key, _| ours(key));
    }

    /// Refuses words that no variable of ours takes, unless a flag says it otherwise.
    pub fn check(&self, global: &Global) -> Result<(), Error> {
        if global.parallel.is_none()
            && let Some(text) = self.get("COMPOSE_PARALLEL_LIMIT")
            && text.parse::<i64>().is_err()
        {
            let message = format!("COMPOSE_PARALLEL_LIMIT must be a whole number, not `{text}`");
            return Err(Error::failed(message));
        }
        if global.progress.is_none()
            && let Some(text) = self.get("COMPOSE_PROGRESS")
            && self.progress().is_none()
        {
            return Err(Error::hinted(
                format!("COMPOSE_PROGRESS cannot be `{text}`"),
                "write `auto`, `tty`, `plain`, `json` or `quiet`",
            ));
        }
        Ok(())
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.vars.get(name).or_else(|| self.files.get(name));
        value.map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that says yes or no.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"))
    }

    /// `COMPOSE_PARALLEL_LIMIT`; `None` = no limit, as for every number below 1.
    pub fn parallel(&self) -> Option<i64> {
        let limit = self.get("COMPOSE_PARALLEL_LIMIT")?.parse().ok();
        limit.filter(|limit| *limit > 0)
    }

    /// `COMPOSE_PROGRESS`; a word that is none of ours says nothing.
    pub fn progress(&self) -> Option<ProgressKind> {
        ProgressKind::from_str(self.get("COMPOSE_PROGRESS")?, false).ok()
    }

    /// `COMPOSE_ANSI`.
    pub fn ansi(&self) -> Option<Ansi> {
        Ansi::from_str(self.get("COMPOSE_ANSI")?, false).ok()
    }

    /// `NO_COLOR`, as no-color.org says: any value that is not empty.
    pub fn no_color(&self) -> bool {
        self.get("NO_COLOR").is_some()
    }

    /// Nobody watches: a continuous integration service runs us.
    pub fn ci(&self) -> bool {
        self.get("CI").is_some_and(|value| value != "false")
    }

    /// A terminal that moves no cursor.
    pub fn dumb_terminal(&self) -> bool {
        self.get("TERM").is_none_or(|term| term == "dumb")
    }

    /// The locale's characters are UTF-8; the first of the three variables that is set decides, as for `setlocale`.
    pub fn utf8(&self) -> bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| self.get(name));
        locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &[(&str, &str)]) -> Env {
        let vars = vars.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        Env {
            vars: vars.collect(),
            ..Env::default()
        }
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        assert!(env(&[("LANG", "en_US.UTF-8")]).utf8());
        assert!(!env(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]).utf8());
        assert!(env(&[("LC_ALL", ""), ("LANG", "C.utf8")]).utf8());
        assert!(!env(&[]).utf8());
    }

    #[test]
    fn what_no_variable_takes_is_refused_unless_a_flag_is_there() {
        let check = |vars: &[(&str, &str)], global: &Global| env(vars).check(global);
        let (none, both) = (
            Global::default(),
            Global {
                parallel: Some(2),
                progress: Some(ProgressKind::Plain),
                ..Global::default()
            },
        );
        for bad in [
            ("COMPOSE_PARALLEL_LIMIT", "abc"),
            ("COMPOSE_PROGRESS", "foo"),
        ] {
            assert!(check(&[bad], &none).is_err(), "{bad:?}");
            assert!(check(&[bad], &both).is_ok(), "{bad:?}");
        }
        assert!(check(&[("COMPOSE_PARALLEL_LIMIT", "0")], &none).is_ok());
        assert_eq!(env(&[("COMPOSE_PARALLEL_LIMIT", "0")]).parallel(), None);
        assert_eq!(env(&[("COMPOSE_PARALLEL_LIMIT", "3")]).parallel(), Some(3));
    }

    #[test]
    fn the_environment_wins_over_files() {
        let mut env = env(&[("COMPOSE_MENU", "0")]);
        env.files.insert("COMPOSE_MENU".to_owned(), "1".to_owned());
        env.files
            .insert("COMPOSE_ANSI".to_owned(), "never".to_owned());
        assert_eq!(env.get("COMPOSE_MENU"), Some("0"));
        assert_eq!(env.ansi(), Some(Ansi::Never));
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        assert!(!env(&[("NO_COLOR", ""), ("CI", "")]).no_color());
        assert!(env(&[("NO_COLOR", "0")]).no_color());
        assert!(!env(&[("CI", "false")]).ci());
        assert!(env(&[("TERM", "dumb")]).dumb_terminal() && env(&[]).dumb_terminal());
    }
}
