//! What our side and theirs say about a case, in comparable form.

use super::case::Case;
use hoist::compose::LoadOptions;
use hoist::compose::load;
use hoist::compose::render;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

impl Case {
    /// What we say. The plain question needs no process of its own.
    pub fn ours(&self, folder: &Path) -> Value {
        if !self.arguments.is_empty() {
            return self.ask(Path::new(env!("CARGO_BIN_EXE_hoist")), folder);
        }
        let options = LoadOptions::new(folder.to_owned(), self.environment.clone());
        match load(&options) {
            Ok(loaded) => normal(&render::json(&loaded.canonical), folder),
            Err(_) => failure(""),
        }
    }

    /// What we say about the YAML that we print.
    pub fn ours_read_back(&self, folder: &Path) -> Option<Value> {
        let mut options = LoadOptions::new(folder.to_owned(), self.environment.clone());
        options.services = Vec::new();
        let yaml = render::yaml(&load(&options).ok()?.canonical);
        options.files = vec!["-".into()];
        options.stdin = Some(yaml.into_bytes());
        options.profiles = vec!["*".to_owned()];
        Some(match load(&options) {
            Ok(loaded) => normal(&render::json(&loaded.canonical), folder),
            Err(problems) => failure(&problems.render(false, 100)),
        })
    }

    /// What they say.
    pub fn theirs(&self, oracle: &Path, folder: &Path) -> Value {
        self.ask(oracle, folder)
    }

    fn ask(&self, program: &Path, folder: &Path) -> Value {
        let mut command = Command::new(program);
        match self.arguments.is_empty() {
            true => command.args(["config", "--format", "json"]),
            false => command.args(&self.arguments),
        };
        let output = command
            .current_dir(folder)
            .env_clear()
            .envs(&self.environment)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        match output.status.success() {
            true => normal(&text, folder),
            false => failure(&hide(&String::from_utf8_lossy(&output.stderr), folder)),
        }
    }
}

/// A failure; the words are for the reader.
pub fn failure(words: &str) -> Value {
    let last = words
        .lines()
        .rfind(|line| !line.is_empty())
        .unwrap_or_default();
    serde_json::json!({ "error": last })
}

/// Whether it is a failure.
pub fn failed(answer: &Value) -> bool {
    answer
        .as_object()
        .is_some_and(|fields| fields.len() == 1 && fields.contains_key("error"))
}

/// Equal, or both failures.
pub fn same(one: &Value, other: &Value) -> bool {
    one == other || (failed(one) && failed(other))
}

/// JSON with its keys in order; YAML as it is; names, one a line, in order.
fn normal(text: &str, folder: &Path) -> Value {
    let text = hide(text, folder);
    if let Ok(mut value) = serde_json::from_str::<Value>(&text) {
        value.sort_all_objects();
        return value;
    }
    if text.starts_with("name: ") {
        return Value::from(text);
    }
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    lines.into()
}

fn hide(text: &str, folder: &Path) -> String {
    let folder = folder.to_str().unwrap();
    let (parent, _) = folder.rsplit_once('/').unwrap();
    text.replace(folder, "/CASE").replace(parent, "/PARENT")
}
