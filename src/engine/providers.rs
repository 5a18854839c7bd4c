//! `provider`: services that a program outside brings up, by the protocol of docker compose's providers.
//!
//! The program is `docker-TYPE` among docker's plugins, or `TYPE` in `PATH`. It is called as `TYPE compose --project-name=P up
//! --OPTION=VALUE… SERVICE` (`down`, `stop`), and says on its standard output, one JSON object a line, what happens (`info`,
//! `debug`, `error`) and which variables the services that depend on it get (`setenv`: with the service's name before them;
//! `rawsetenv`: as they are). `TYPE compose metadata` tells which options it knows.

use super::Error;
use crate::compose::canonical::Canonical;
use crate::id::{ProjectName, ServiceName};
use crate::scheduler::supervisor::control::{Failure, Up};
use crate::state::event::{Event, Subject, What};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where docker looks for plugins, below the home folder and then from `/`.
const PLUGINS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];
/// What a program says in one line is not longer.
const LONGEST_LINE: u64 = 1 << 20;

/// A service that is not made of containers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Provided {
    service: String,
    kind: String,
    /// `--KEY=VALUE` for each.
    options: Vec<(String, String)>,
    depends_on: Vec<String>,
}

/// One line of a program.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

/// Variables for those who depend on a service.
type Variables = Vec<(String, String)>;

/// Brings up the provided services that `request` means, and leaves of the project what containers are made for.
pub(super) fn bring_up(
    project: &ProjectName,
    request: &mut Up,
    on_event: &mut dyn FnMut(&Event),
) -> Result<(), Error> {
    // The text of a project that has none need not be read.
    if !request.canonical.contains("\"provider\"") {
        return Ok(());
    }
    let mut tree: Value = serde_json::from_str(&request.canonical)
        .map_err(|e| Failure::text(format!("the project text cannot be read back: {e}")))?;
    let all = provided(&tree);
    for one in in_order(&all) {
        let meant =
            request.services.is_empty() || is_needed(&tree, &request.services, &one.service);
        let given = match meant && !request.dry_run {
            true => call(project, one, "up", on_event)?,
            false => Variables::new(),
        };
        take_out(&mut tree, one, &given);
    }
    let is_provided = |name: &ServiceName| all.iter().any(|one| one.service == name.as_str());
    let asked = request.services.len();
    request.services.retain(|name| !is_provided(name));
    if asked > 0 && request.services.is_empty() {
        // Only provided ones were meant: an empty list would mean everything.
        tree["services"] = Value::Object(Map::new());
    }
    request.canonical = tree.to_string();
    Ok(())
}

/// Takes provided services of a project's text down (`down`) or stops them (`stop`), the last first.
pub fn end(
    canonical: &Canonical,
    (verb, services): (&str, &[ServiceName]),
    on_event: &mut dyn FnMut(&Event),
) -> Result<(), Error> {
    if !canonical.has_providers() {
        return Ok(());
    }
    let Ok(tree) = serde_json::from_str::<Value>(&canonical.text()) else {
        return Ok(());
    };
    let all = provided(&tree);
    for one in in_order(&all).into_iter().rev() {
        if services.is_empty() || services.iter().any(|name| name.as_str() == one.service) {
            call(&canonical.name, one, verb, on_event)?;
        }
    }
    Ok(())
}

fn provided(tree: &Value) -> Vec<Provided> {
    let services = tree["services"].as_object().into_iter().flatten();
    let one = |(name, service): (&String, &Value)| {
        let provider = service.get("provider")?;
        let options = provider["options"].as_object().into_iter().flatten();
        let values = |value: &Value| match value {
            Value::Array(items) => items.iter().map(text).collect(),
            single => vec![text(single)],
        };
        let needs = service["depends_on"].as_object().into_iter().flatten();
        Some(Provided {
            service: name.clone(),
            kind: provider["type"].as_str()?.to_owned(),
            options: options
                .flat_map(|(key, value)| values(value).into_iter().map(|v| (key.clone(), v)))
                .collect(),
            depends_on: needs.map(|(name, _)| name.clone()).collect(),
        })
    };
    services.filter_map(one).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Those that others depend on first; a circle was refused before.
fn in_order(all: &[Provided]) -> Vec<&Provided> {
    let mut ordered: Vec<&Provided> = Vec::new();
    while ordered.len() < all.len() {
        let done = |name: &str| {
            ordered.iter().any(|one| one.service == name)
                || all.iter().all(|one| one.service != name)
        };
        let ready = |one: &&Provided| {
            !ordered.contains(one) && one.depends_on.iter().all(|name| done(name))
        };
        let Some(next) = all.iter().find(ready) else {
            break;
        };
        ordered.push(next);
    }
    ordered
}

/// Whether one of `asked` is `service`, or depends on it.
fn is_needed(tree: &Value, asked: &[ServiceName], service: &str) -> bool {
    let mut next: Vec<&str> = asked.iter().map(ServiceName::as_str).collect();
    let mut seen: Vec<&str> = Vec::new();
    while let Some(name) = next.pop() {
        if name == service {
            return true;
        }
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let needs = tree["services"][name]["depends_on"].as_object();
        next.extend(needs.into_iter().flatten().map(|(name, _)| name.as_str()));
    }
    false
}

/// Removes a provided service, and gives its variables to those who depend on it.
fn take_out(tree: &mut Value, one: &Provided, given: &Variables) {
    let Some(services) = tree["services"].as_object_mut() else {
        return;
    };
    services.shift_remove(&one.service);
    for service in services.values_mut() {
        let needs = service.get_mut("depends_on").and_then(Value::as_object_mut);
        if needs
            .and_then(|needs| needs.shift_remove(&one.service))
            .is_none()
        {
            continue;
        }
        if service["depends_on"].as_object().is_some_and(Map::is_empty)
            && let Some(fields) = service.as_object_mut()
        {
            fields.shift_remove("depends_on");
        }
        if !given.is_empty() && !service["environment"].is_object() {
            service["environment"] = Value::Object(Map::new());
        }
        for (key, value) in given {
            service["environment"][key] = value.clone().into();
        }
    }
}

/// Runs the program for one service. Gives the variables it sets.
fn call(
    project: &ProjectName,
    one: &Provided,
    verb: &str,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Variables, Error> {
    let mut command = command(project, one, verb)?;
    let (begun, done) = match verb {
        "up" => (What::Creating, What::Created),
        "stop" => (What::Stopping, What::Stopped),
        _ => (What::Removing, What::Removed),
    };
    tell(one, begun, on_event);
    match run(one, &mut command, on_event) {
        Ok(variables) => {
            tell(one, done, on_event);
            Ok(variables)
        }
        Err(error) => {
            let text = format!("provider `{}` {error}", one.kind);
            tell(one, What::Failed { error }, on_event);
            Err(Failure::text(format!("service `{}`: {text}", one.service)).into())
        }
    }
}

fn command(project: &ProjectName, one: &Provided, verb: &str) -> Result<Command, Error> {
    let program = find(&one.kind).ok_or_else(|| {
        let (service, kind) = (&one.service, &one.kind);
        let text = format!("service `{service}`: there is no provider `{kind}`");
        Failure::text(text).with_hint(format!(
            "install the program `docker-{kind}` or `{kind}`; neither is among docker's plugins or in PATH"
        ))
    })?;
    let known = known_options(&program, verb);
    let mut command = Command::new(&program);
    command.args(["compose", &format!("--project-name={project}"), verb]);
    for (key, value) in &one.options {
        if known.as_ref().is_none_or(|known| known.contains(key)) {
            command.arg(format!("--{key}={value}"));
        }
    }
    command.arg(&one.service);
    Ok(command)
}

fn run(
    one: &Provided,
    command: &mut Command,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Variables, String> {
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = piped.spawn().map_err(|e| format!("cannot be run: {e}"))?;
    let output = child.stdout.take().expect("it is piped");
    let heard = listen(one, output, on_event);
    let status = child.wait();
    let status = status.map_err(|e| format!("cannot be waited for: {e}"))?;
    match heard {
        Err(message) => Err(format!("says: {message}")),
        Ok(_) if !status.success() => Err(format!("failed: {status}")),
        Ok(variables) => Ok(variables),
    }
}

/// Takes in what a program says, to its end. An error is what it complains of.
fn listen(
    one: &Provided,
    output: impl Read,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Variables, String> {
    let mut variables = Variables::new();
    let mut complaint = None;
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let Ok(said) = serde_json::from_slice::<Said>(&line) else {
            continue;
        };
        let pair = || {
            let (key, value) = said.message.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        };
        match said.kind.as_str() {
            "info" => tell(
                one,
                What::Waiting {
                    condition: said.message.clone(),
                },
                on_event,
            ),
            "error" => drop(complaint.get_or_insert(said.message)),
            "setenv" => variables.extend(
                pair().map(|(key, value)| (format!("{}_{key}", one.service.to_uppercase()), value)),
            ),
            "rawsetenv" => variables.extend(pair()),
            _ => {}
        }
    }
    complaint.map_or(Ok(variables), Err)
}

/// The options of a verb that a program says it knows; `None` if it does not tell.
fn known_options(program: &Path, verb: &str) -> Option<Vec<String>> {
    let asked = Command::new(program)
        .args(["compose", "metadata"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let told: Value = serde_json::from_slice(&asked.ok()?.stdout).ok()?;
    let parameters = told.get(verb)?.get("parameters")?.as_array()?;
    let names = parameters.iter().filter_map(|p| p["name"].as_str());
    Some(names.map(str::to_owned).collect())
}

/// The program of a type of providers.
fn find(kind: &str) -> Option<PathBuf> {
    if kind.is_empty() || kind.contains('/') {
        return None;
    }
    let home = std::env::home_dir().map(|home| home.join(".docker/cli-plugins"));
    let plugins = home.into_iter().chain(PLUGINS.map(PathBuf::from));
    let plugins = plugins.map(|folder| folder.join(format!("docker-{kind}")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path: Vec<PathBuf> = std::env::split_paths(&path)
        .map(|folder| folder.join(kind))
        .collect();
    plugins.chain(in_path).find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let known = std::fs::metadata(path);
    known.is_ok_and(|known| known.is_file() && known.permissions().mode() & 0o111 != 0)
}

fn tell(one: &Provided, what: What, on_event: &mut dyn FnMut(&Event)) {
    let time = jiff::Timestamp::now().as_nanosecond();
    on_event(&Event {
        time: i64::try_from(time).unwrap_or(i64::MAX),
        subject: Subject::Container {
            name: one.service.clone(),
            service: one.service.clone(),
            id: String::new(),
        },
        what,
        cause: String::new(),
        until: None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_depends_on_a_provided_service_gets_its_variables_and_the_rest_does_not_know_it() {
        let mut tree = json!({"services": {
            "db": {"provider": {"type": "x", "options": {"size": "1", "tag": ["a", "b"]}}},
            "web": {"image": "i", "depends_on": {"db": {}}},
            "idle": {"image": "i", "environment": {"A": "b"}},
        }});
        let all = provided(&tree);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            all[0].options,
            [pair("size", "1"), pair("tag", "a"), pair("tag", "b")]
        );
        take_out(&mut tree, &all[0], &vec![pair("DB_URL", "there")]);
        let wanted = json!({"services": {
            "web": {"image": "i", "environment": {"DB_URL": "there"}},
            "idle": {"image": "i", "environment": {"A": "b"}},
        }});
        assert_eq!(tree, wanted);
    }

    #[test]
    fn what_a_program_says_is_taken_line_by_line() {
        let one = Provided {
            service: "db".to_owned(),
            kind: "x".to_owned(),
            options: vec![],
            depends_on: vec![],
        };
        let hear = |text: &str| listen(&one, text.as_bytes(), &mut |_| {});
        let text = "noise\n{\"type\":\"setenv\",\"message\":\"URL=a=b\"}\n{\"type\":\"rawsetenv\",\"message\":\"K=v\"}\n\
                    {\"type\":\"setenv\",\"message\":\"no pair\"}\n{\"type\":\"later\",\"message\":\"?\"}";
        let pairs = hear(text).unwrap();
        assert_eq!(
            pairs,
            [
                ("DB_URL".to_owned(), "a=b".to_owned()),
                ("K".to_owned(), "v".to_owned())
            ]
        );
        let error = "{\"type\":\"error\",\"message\":\"no quota\"}\n";
        assert_eq!(hear(error), Err("no quota".to_owned()));
    }

    #[test]
    fn they_come_up_in_the_order_of_their_dependencies() {
        let tree = json!({"services": {
            "b": {"provider": {"type": "x"}, "depends_on": {"a": {}}},
            "a": {"provider": {"type": "x"}},
            "web": {"image": "i", "depends_on": {"b": {}}},
        }});
        let all = provided(&tree);
        let names: Vec<_> = in_order(&all)
            .iter()
            .map(|one| one.service.as_str())
            .collect();
        assert_eq!(names, ["a", "b"]);
        let web = [ServiceName::new("web").unwrap()];
        assert!(is_needed(&tree, &web, "a"));
        assert!(!is_needed(&tree, &[ServiceName::new("a").unwrap()], "b"));
    }
}
