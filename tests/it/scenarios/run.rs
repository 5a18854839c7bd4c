//! Playing a scenario with hoist in a box, or with another command.

use super::parse::{Expected, Scenario, Step};
use crate::world::{Output, Running, World};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long "soon" is.
const SOON: Duration = Duration::from_secs(20);

pub enum Outcome {
    Right,
    Wrong(String),
}

/// Who plays.
pub enum Subject<'a> {
    Hoist(&'a World),
    Foreign(&'a Foreign),
}

/// Another program, such as `docker compose`.
pub struct Foreign {
    words: Vec<String>,
    image: String,
    folder: tempfile::TempDir,
}

impl Foreign {
    pub fn new(command: &str, image: &str) -> Self {
        Self {
            words: command.split_whitespace().map(str::to_owned).collect(),
            image: image.to_owned(),
            folder: tempfile::tempdir_in("/tmp").unwrap(),
        }
    }

    fn run(&self, args: &[String]) -> Output {
        let started = Instant::now();
        // A command that hangs is a difference, too.
        let done = Command::new("timeout")
            .args(["-k", "5", "120"])
            .args(&self.words)
            .args(args)
            .output()
            .unwrap();
        Output {
            code: done.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
            took: started.elapsed(),
        }
    }
}

enum Begun {
    Hoist(Running),
    Foreign(std::thread::JoinHandle<i32>),
}

/// A container at one moment.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    id: String,
    state: String,
    health: String,
    code: i64,
}

struct Play<'a> {
    subject: &'a Subject<'a>,
    project: String,
    folder: PathBuf,
    last: Option<(Vec<String>, Output)>,
    code_checked: bool,
    before: BTreeMap<String, Seen>,
    /// Start times of PID 1, of containers that were asked for it.
    starts: BTreeMap<String, String>,
    begun: Vec<Begun>,
}

pub fn scenario(subject: &Subject<'_>, scenario: &Scenario) -> Outcome {
    thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });
    let number = COUNT.replace(COUNT.get() + 1);
    let folder = match subject {
        Subject::Hoist(world) => world.project(),
        Subject::Foreign(foreign) => foreign.folder.path().to_owned(),
    };
    let folder = folder.join(format!("s{number}"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut play = Play {
        subject,
        project: format!("s{number}"),
        folder,
        last: None,
        code_checked: false,
        before: BTreeMap::new(),
        starts: BTreeMap::new(),
        begun: Vec::new(),
    };
    let result = scenario
        .steps
        .iter()
        .try_for_each(|step| play.step(step))
        .and_then(|()| play.settle());
    let told = play.last.take();
    for begun in play.begun.drain(..) {
        if let (Begun::Hoist(running), Subject::Hoist(world)) = (&begun, subject) {
            world.kill("-9", running.pid);
        }
    }
    play.command(&["down", "-v", "-t", "0", "--remove-orphans"].map(str::to_owned));
    match result {
        Ok(()) => Outcome::Right,
        Err(what) => {
            let told = told.map_or(String::new(), |(words, output)| {
                format!(
                    "\n  $ {}\n  code {}\n  stdout: {}\n  stderr: {}",
                    words.join(" "),
                    output.code,
                    output.stdout,
                    output.stderr
                )
            });
            Outcome::Wrong(format!("== {}\n  {what}{told}", scenario.title))
        }
    }
}

impl Play<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Compose(yaml) => {
                let image = match self.subject {
                    Subject::Hoist(_) => "host",
                    Subject::Foreign(foreign) => &foreign.image,
                };
                std::fs::write(
                    self.folder.join("compose.yaml"),
                    yaml.replace("IMAGE", image),
                )
                .unwrap();
            }
            Step::Command(words) => {
                self.settle()?;
                self.before = self.containers();
                self.code_checked = false;
                let output = self.command(words);
                self.last = Some((words.clone(), output));
            }
            Step::Background(words) => {
                self.settle()?;
                self.before = self.containers();
                let begun = self.begin(words);
                self.begun.push(begun);
            }
            Step::Wait(code) => {
                let ended = match self.begun.remove(0) {
                    Begun::Hoist(running) => running.wait().code,
                    Begun::Foreign(thread) => thread.join().unwrap(),
                };
                if ended != *code {
                    return Err(format!(
                        "the background command ended with {ended}, not {code}"
                    ));
                }
            }
            Step::Shell(script) => {
                let done = Command::new("sh")
                    .args(["-c", script])
                    .current_dir(&self.folder)
                    .status()
                    .unwrap();
                assert!(done.success(), "{script}");
            }
            Step::Code(code) => {
                self.code_checked = true;
                let got = self.output().code;
                if got != *code {
                    return Err(format!("ended with {got}, not {code}"));
                }
            }
            Step::Has { out, text } if !self.text(*out).contains(text) => {
                return Err(format!("does not say `{text}`"));
            }
            Step::HasNot { out, text } if self.text(*out).contains(text) => {
                return Err(format!("says `{text}`"));
            }
            Step::Has { .. } | Step::HasNot { .. } => {}
            Step::Container(expected) => self.check(expected)?,
        }
        Ok(())
    }

    /// A command whose code nobody asked for must have succeeded.
    fn settle(&mut self) -> Result<(), String> {
        match &self.last {
            Some((_, output)) if !self.code_checked && output.code != 0 => {
                Err(format!("failed with {}", output.code))
            }
            _ => Ok(()),
        }
    }

    fn output(&self) -> &Output {
        &self.last.as_ref().expect("a command comes first").1
    }

    fn text(&self, out: bool) -> &str {
        if out {
            &self.output().stdout
        } else {
            &self.output().stderr
        }
    }

    fn arguments(&self, words: &[String]) -> Vec<String> {
        let folder = self.folder.display().to_string();
        let file = format!("{folder}/compose.yaml");
        let mut all = vec![
            "-p".to_owned(),
            self.project.clone(),
            "--project-directory".to_owned(),
            folder,
        ];
        if Path::new(&file).exists() {
            all.extend(["-f".to_owned(), file]);
        }
        all.extend_from_slice(words);
        all
    }

    fn command(&self, words: &[String]) -> Output {
        let all = self.arguments(words);
        match self.subject {
            Subject::Hoist(world) => {
                let all: Vec<&str> = all.iter().map(String::as_str).collect();
                world.hoist(&all)
            }
            Subject::Foreign(foreign) => foreign.run(&all),
        }
    }

    fn begin(&self, words: &[String]) -> Begun {
        let all = self.arguments(words);
        match self.subject {
            Subject::Hoist(world) => {
                let all: Vec<&str> = all.iter().map(String::as_str).collect();
                Begun::Hoist(world.start_hoist(&all))
            }
            Subject::Foreign(foreign) => {
                let mut command = Command::new(&foreign.words[0]);
                command.args(&foreign.words[1..]).args(all);
                Begun::Foreign(std::thread::spawn(move || {
                    command.output().unwrap().status.code().unwrap_or(-1)
                }))
            }
        }
    }

    fn containers(&self) -> BTreeMap<String, Seen> {
        let listed = self.command(&["ps", "-a", "--format", "json"].map(str::to_owned));
        let prefix = format!("{}-", self.project);
        let objects = listed
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let text = |object: &serde_json::Value, key: &str| {
            object[key].as_str().unwrap_or_default().to_owned()
        };
        objects
            .map(|object| {
                let name = text(&object, "Name");
                let name = name.strip_prefix(&prefix).unwrap_or(&name).to_owned();
                let seen = Seen {
                    id: text(&object, "ID"),
                    state: text(&object, "State"),
                    health: text(&object, "Health"),
                    code: object["ExitCode"].as_i64().unwrap_or(-1),
                };
                (name, seen)
            })
            .collect()
    }

    fn check(&mut self, expected: &Expected) -> Result<(), String> {
        let deadline = Instant::now() + SOON;
        loop {
            let now = self.containers();
            let result = self.compare(expected, &now);
            if result.is_ok() || !expected.soon || Instant::now() > deadline {
                return result.map_err(|what| {
                    format!(
                        "`{}`: {what}, of {now:?}, before {:?}",
                        expected.line, self.before
                    )
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn compare(&mut self, expected: &Expected, now: &BTreeMap<String, Seen>) -> Result<(), String> {
        let seen = now.get(&expected.name);
        if expected.state == "gone" {
            return if seen.is_none() {
                Ok(())
            } else {
                Err("it is there".to_owned())
            };
        }
        let seen = seen.ok_or("it is not there")?;
        let fits = match expected.state.as_str() {
            "up" => seen.state == "running",
            health @ ("healthy" | "unhealthy" | "starting") => seen.health == health,
            state => match state.strip_prefix("exit ") {
                Some(code) => seen.state == "exited" && seen.code.to_string() == code,
                None => seen.state == state,
            },
        };
        if !fits {
            return Err("its state is another".to_owned());
        }
        let before = self.before.get(&expected.name).map(|seen| seen.id.clone());
        let same = before.as_ref() == Some(&seen.id);
        match expected.becoming.as_deref() {
            Some("new") if same => Err("it is the same".to_owned()),
            Some("same" | "untouched" | "restarted") if !same => Err("it is another".to_owned()),
            Some("untouched" | "restarted" | "noted") => self.process(expected),
            _ => Ok(()),
        }
    }

    /// Whether its first process is the one that was there when it was last looked at.
    fn process(&mut self, expected: &Expected) -> Result<(), String> {
        let (service, number) = expected.name.rsplit_once('-').ok_or("no number")?;
        let words = [
            "exec",
            "-T",
            "--index",
            number,
            service,
            "cat",
            "/proc/1/stat",
        ];
        let stat = self.command(&words.map(str::to_owned)).stdout;
        let start = stat
            .split_whitespace()
            .nth(21)
            .unwrap_or_default()
            .to_owned();
        let before = self.starts.insert(expected.name.clone(), start.clone());
        match (expected.becoming.as_deref(), before) {
            (Some("untouched"), Some(before)) if before != start => {
                Err("it was restarted".to_owned())
            }
            (Some("restarted"), Some(before)) if before == start => {
                Err("it was not restarted".to_owned())
            }
            _ => Ok(()),
        }
    }
}
