//! What our side and theirs say about a case, in comparable form.
//!
//! JSON is compared without what always differs (`differences.md` says why): see [`comparable`].

use super::case::Case;
use hoist::compose::LoadOptions;
use hoist::compose::load;
use hoist::compose::render;
use hoist::compose::schema;
use hoist::compose::schema::Kind;
use hoist::compose::schema::Shape;
use serde_json::Value;
use serde_json::json;
use std::path::Path;
use std::process::Command;

impl Case {
    /// What `config` loads.
    fn options(&self, folder: &Path) -> LoadOptions {
        let mut options = LoadOptions::new(folder.to_owned(), self.environment.clone());
        options.narrow = true;
        options
    }

    /// What we say. The plain question needs no process of its own.
    pub fn ours(&self, folder: &Path) -> Value {
        if !self.arguments.is_empty() {
            return self.ask(Path::new(env!("CARGO_BIN_EXE_hoist")), folder);
        }
        let options = self.options(folder);
        match load(&options) {
            Ok(loaded) => normal(&render::json(&loaded.canonical), folder),
            Err(_) => failure(""),
        }
    }

    /// What we say with all services on.
    pub fn ours_with_all(&self, folder: &Path) -> Value {
        let mut options = self.options(folder);
        options.profiles = vec!["*".to_owned()];
        match load(&options) {
            Ok(loaded) => normal(&render::json(&loaded.canonical), folder),
            Err(_) => failure(""),
        }
    }

    /// The YAML that we print.
    pub fn our_yaml(&self, folder: &Path) -> Value {
        let options = self.options(folder);
        match load(&options) {
            Ok(loaded) => Value::from(hide(&render::yaml(&loaded.canonical), folder)),
            Err(_) => failure(""),
        }
    }

    /// What we say about the YAML that we print.
    pub fn ours_read_back(&self, folder: &Path) -> Option<Value> {
        let mut options = self.options(folder);
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
            // One thread and no garbage collection: it starts twice as fast.
            true => command
                .args(["config", "--format", "json"])
                .envs([("GOMAXPROCS", "1"), ("GOGC", "off")]),
            false => command.args(&self.arguments),
        };
        let stdin = match std::fs::File::open(folder.join("stdin")) {
            Ok(file) => file.into(),
            Err(_) => std::process::Stdio::null(),
        };
        let output = command
            .current_dir(folder)
            .env_clear()
            .envs(&self.environment)
            .stdin(stdin)
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
pub fn same(ours: &Value, theirs: &Value) -> bool {
    if failed(ours) && failed(theirs) {
        return true;
    }
    let (ours, theirs) = comparable(ours, theirs);
    ours == theirs
}

/// Both without what always differs.
pub fn comparable(ours: &Value, theirs: &Value) -> (Value, Value) {
    let (mut ours, mut theirs) = (ours.clone(), theirs.clone());
    if let Some(fields) = ours.as_object_mut() {
        fields.shift_remove("models");
        fields
            .iter_mut()
            .filter_map(|(key, value)| Some((schema::DOCUMENT.field(key)?, value)))
            .for_each(|(field, value)| without_extensions(value, &field.shape));
    }
    for side in [&mut ours, &mut theirs] {
        for service in members(side, "services") {
            for limit in members(service, "ulimits") {
                if *limit == json!({}) || *limit == json!({"soft": 0, "hard": 0}) {
                    *limit = json!(0);
                }
            }
            for list in members(service, "blkio_config") {
                list.as_array_mut()
                    .into_iter()
                    .flatten()
                    .for_each(in_lower_case);
            }
        }
    }
    without_host_path(&mut ours, &theirs);
    (ours, theirs)
}

/// The values of the mapping at `key`.
fn members<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    let map = value.get_mut(key).and_then(Value::as_object_mut);
    map.into_iter().flat_map(|map| map.values_mut())
}

/// They print `x-…` of inner objects in YAML only.
fn without_extensions(value: &mut Value, shape: &Shape) {
    match (shape.kind, value) {
        (Kind::List(items), Value::Array(list)) => {
            list.iter_mut()
                .for_each(|item| without_extensions(item, items));
        }
        (Kind::Map(values), Value::Object(fields)) => {
            fields
                .values_mut()
                .for_each(|value| without_extensions(value, values));
        }
        (Kind::Object(_), Value::Object(fields)) => {
            fields.retain(|key, _| !key.starts_with("x-"));
            for (key, value) in fields {
                if let Some(field) = shape.field(key) {
                    without_extensions(value, &field.shape);
                }
            }
        }
        (Kind::Either(_, longer), value @ Value::Object(_)) => without_extensions(value, longer),
        _ => {}
    }
}

/// `{"Path": …}` as `{"path": …}`.
fn in_lower_case(item: &mut Value) {
    if let Some(fields) = item.as_object_mut() {
        let old = std::mem::take(fields).into_iter();
        fields.extend(old.map(|(key, value)| (key.to_lowercase(), value)));
        fields.sort_keys();
    }
}

/// They print `create_host_path` only if it is `true`, and not always then.
fn without_host_path(ours: &mut Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            if !theirs.contains_key("create_host_path") {
                ours.shift_remove("create_host_path");
            }
            for (key, value) in ours {
                without_host_path(value, theirs.get(key).unwrap_or(&Value::Null));
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                without_host_path(ours, theirs);
            }
        }
        _ => {}
    }
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
