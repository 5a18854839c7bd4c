//! Planner tests as folders below `tests/fixtures/plan`: `compose.yaml`, `observed.txt`, `options.txt` (the command) and
//! `plan.txt`. In `observed.txt` the word `same` stands for what an up-to-date thing has. `UPDATE_PLANS=1` writes the
//! plans anew, to be read before they are committed.

use super::asking;
use super::faults::walk_with_every_fault;
use super::planned;
use super::simulated::Simulated;
use hoist::compose;
use hoist::compose::model::Service;
use hoist::id::Digest;
use hoist::id::ServiceName;
use hoist::scheduler::desired::Desired;
use hoist::scheduler::desired::DesiredError;
use hoist::scheduler::desired::ImageFacts;
use hoist::scheduler::observed::Observed;
use hoist::scheduler::reconcile::Options;
use hoist::scheduler::reconcile::Recreate;
use hoist::scheduler::reconcile::Up;
use hoist::scheduler::reconcile::Verb;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

struct Case {
    folder: PathBuf,
    name: String,
    desired: Result<Desired, DesiredError>,
    observed: Observed,
    options: Options,
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plan");
    let mut folders: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders.into_iter().map(case).collect()
}

fn case(folder: PathBuf) -> Case {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let (options, scale) = command(&read("options.txt"));
    let mut load = compose::LoadOptions::new(folder.clone(), BTreeMap::new());
    load.project_name = Some("app".to_owned());
    let compose::Loaded {
        canonical, project, ..
    } = compose::load(&load).unwrap_or_else(|e| panic!("{name}: {}", e.render(false, 120)));
    let fingerprint =
        |service: &Service| compose::fingerprint::service(&canonical, service.name.as_str());
    let unscaled = Desired::new(&project, &image, &fingerprint, &IndexMap::new()).unwrap();
    let text: Vec<_> = read("observed.txt")
        .lines()
        .map(|line| filled_in(line, &unscaled))
        .collect();
    let observed = Observed::parse(&text.join("\n")).unwrap_or_else(|e| panic!("{name}: {e}"));
    let desired = Desired::new(&project, &image, &fingerprint, &scale);
    Case {
        folder,
        name,
        desired,
        observed,
        options,
    }
}

/// Images whose name begins with `checked` have a health check; `absent` is not here.
fn image(reference: &str) -> Option<ImageFacts> {
    let hex: String = reference
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    (reference != "absent").then(|| ImageFacts {
        id: Digest::new(format!("sha256:{hex:0<64}")).unwrap(),
        has_healthcheck: reference.starts_with("checked"),
        volumes: vec![],
    })
}

/// Puts in what `same` stands for.
fn filled_in(line: &str, desired: &Desired) -> String {
    let mut words = line.split_whitespace();
    let (noun, name) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let service = words.find_map(|word| word.strip_prefix("service="));
    let service = service.and_then(|name| desired.services.get(name));
    let hash = match noun {
        "network" => desired
            .networks
            .iter()
            .find(|n| n.name.as_str() == name)
            .map(|n| &n.hash),
        "volume" => desired
            .volumes
            .iter()
            .find(|v| v.name.as_str() == name)
            .map(|v| &v.hash),
        _ => None,
    };
    let mut line = line.to_owned();
    for (key, digest) in [
        ("hash", hash),
        ("config", service.map(|s| &s.config)),
        ("image", service.and_then(|s| s.image.as_ref())),
    ] {
        if let Some(digest) = digest {
            line = line.replace(&format!("{key}=same"), &format!("{key}={}", digest.hex()));
        }
    }
    line
}

/// Reads a command line, e.g. `up --scale web=3 -t 5 web`.
fn command(text: &str) -> (Options, IndexMap<ServiceName, u32>) {
    let mut words = text.split_whitespace();
    let verb = words.next().unwrap();
    let mut options = asking(Verb::Stop);
    let (mut up, mut flags, mut scale) = (Up::default(), vec![], IndexMap::new());
    while let Some(word) = words.next() {
        match word {
            "--no-deps" => options.no_deps = true,
            "--remove-orphans" => options.remove_orphans = true,
            "-t" => {
                options.timeout = Some(Duration::from_secs(words.next().unwrap().parse().unwrap()))
            }
            "--force-recreate" => up.recreate = Recreate::Force,
            "--no-recreate" => up.recreate = Recreate::Never,
            "--always-recreate-deps" => up.recreate_deps = true,
            "--no-start" => up.no_start = true,
            "--wait" => (up.wait, _) = (true, flags.push("--wait")),
            "--renew-anon-volumes" => up.renew_anonymous_volumes = true,
            "-y" => up.renew_volumes = true,
            "--scale" => {
                let (service, number) = words.next().unwrap().split_once('=').unwrap();
                scale.insert(ServiceName::new(service).unwrap(), number.parse().unwrap());
            }
            "--volumes" | "--stop" => flags.push(word),
            service => options.services.push(ServiceName::new(service).unwrap()),
        }
    }
    let has = |flag| flags.contains(&flag);
    options.verb = match verb {
        "up" => Verb::Up(up),
        "down" => Verb::Down {
            volumes: has("--volumes"),
        },
        "stop" => Verb::Stop,
        "start" => Verb::Start {
            wait: has("--wait"),
        },
        "restart" => Verb::Restart,
        "rollback" => Verb::Rollback,
        "kill" => Verb::Kill {
            signal: "SIGKILL".to_owned(),
        },
        "rm" => Verb::Remove {
            stop: has("--stop"),
            volumes: has("--volumes"),
        },
        other => panic!("unknown command `{other}`"),
    };
    (options, scale)
}

fn failure(error: &dyn std::error::Error, hint: Option<String>) -> String {
    let hint = hint
        .map(|hint| format!("hint: {hint}\n"))
        .unwrap_or_default();
    format!("error: {error}\n{hint}")
}

impl Case {
    fn text(&self) -> String {
        match &self.desired {
            Err(error) => failure(&error, error.hint()),
            Ok(desired) => match planned(desired, &self.observed, &self.options) {
                Err(error) => failure(&error, error.hint()),
                Ok(plan) => plan.to_string(),
            },
        }
    }

    /// The project, if the case has a plan.
    fn plannable(&self) -> Option<&Desired> {
        let desired = self.desired.as_ref().ok()?;
        planned(desired, &self.observed, &self.options)
            .ok()
            .map(|_| desired)
    }
}

#[test]
fn every_fixture_gives_its_plan() {
    let cases = cases();
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    let mut wrong = String::new();
    for case in cases {
        let file = case.folder.join("plan.txt");
        let text = case.text();
        if std::env::var_os("UPDATE_PLANS").is_some() {
            fs::write(&file, &text).unwrap();
        }
        let wanted = fs::read_to_string(&file).unwrap_or_default();
        if text != wanted {
            wrong += &format!("--- {}: wanted\n{wanted}--- got\n{text}\n", case.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_fixture_can_be_carried_out() {
    for case in cases() {
        let Some(desired) = case.plannable() else {
            continue;
        };
        let host = Simulated::new(desired, case.observed.clone()).lax(case.options.no_deps);
        let plan = planned(desired, &case.observed, &case.options).unwrap();
        let end = host.run(&plan);
        assert!(end.is_ok(), "{}: {end:?}\n{plan}", case.name);
    }
}

#[test]
fn every_fixture_survives_a_failure_at_every_step() {
    for case in cases() {
        if let Some(desired) = case.plannable() {
            walk_with_every_fault(desired, &case.observed, &case.options);
        }
    }
}
