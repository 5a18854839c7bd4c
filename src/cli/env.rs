//! The environment, read once, and what it says about how to talk. Which files and variables make the project (`COMPOSE_FILE`
//! and its like, which may also stand in `.env`) is `compose`'s to know; where things are kept, the engine's.

use super::args::{Ansi, ProgressKind};
use clap::ValueEnum;
use std::collections::BTreeMap;

/// Variables.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// All variables that are UTF-8.
    pub vars: BTreeMap<String, String>,
    /// We were called under docker's name.
    pub as_docker: bool,
}

impl Env {
    /// Of this process.
    pub fn of_process() -> Self {
        let utf8 = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((key.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            vars: std::env::vars_os().filter_map(utf8).collect(),
            as_docker: false,
        }
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.vars.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// A variable that says yes or no.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"))
    }

    /// `COMPOSE_PARALLEL_LIMIT`; `None` if unset or no number.
    pub fn parallel(&self) -> Option<i64> {
        self.get("COMPOSE_PARALLEL_LIMIT")?.parse().ok()
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
            as_docker: false,
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
    fn an_empty_variable_is_not_set() {
        assert!(!env(&[("NO_COLOR", ""), ("CI", "")]).no_color());
        assert!(env(&[("NO_COLOR", "0")]).no_color());
        assert!(!env(&[("CI", "false")]).ci());
        assert!(env(&[("TERM", "dumb")]).dumb_terminal() && env(&[]).dumb_terminal());
    }
}
