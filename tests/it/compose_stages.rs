//! The stages of a load, one by one: what each can leave out, whom a problem stops, and how a report shows the way of a
//! value.

use hoist::compose::LoadOptions;
use hoist::compose::Loaded;
use hoist::compose::Severity;
use hoist::compose::load;
use hoist::compose::render;
use serde_json::Value;
use std::collections::BTreeMap;

/// Names and texts.
type Files<'a> = &'a [(&'a str, &'a str)];

struct World {
    folder: tempfile::TempDir,
    options: LoadOptions,
}

impl World {
    fn new(files: Files<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let mut options = LoadOptions::new(folder.path().to_owned(), BTreeMap::new());
        options.project_name = Some("p".to_owned());
        Self { folder, options }
    }

    fn with(mut self, change: impl FnOnce(&mut LoadOptions)) -> Self {
        change(&mut self.options);
        self
    }

    fn load(&self) -> Loaded {
        load(&self.options).unwrap_or_else(|problems| panic!("{}", problems.render(false, 100)))
    }

    fn tree(&self) -> Value {
        let text = render::json(&self.load().canonical);
        serde_json::from_str(&text.replace(self.folder.path().to_str().unwrap(), "/W")).unwrap()
    }

    fn report(&self) -> String {
        load(&self.options).unwrap_err().render(false, 100)
    }
}

const EXTENDING: Files<'static> = &[
    (
        "compose.yaml",
        "services: {a: {extends: {file: sub/b.yaml, service: b}, volumes: [\"./here:/h\"], env_file: e, environment: [X]}}\n",
    ),
    (
        "sub/b.yaml",
        "services: {b: {image: x, volumes: [\"./there:/t\"]}}\n",
    ),
    ("e", "A=1\n"),
];

#[test]
fn paths_stay_relative_to_the_project_if_they_shall_not_be_resolved() {
    let world = World::new(EXTENDING).with(|options| options.resolve_paths = false);
    let service = &world.tree()["services"]["a"];
    assert_eq!(service["volumes"][0]["source"], "sub/there");
    assert_eq!(service["volumes"][1]["source"], "./here");
    assert_eq!(service["environment"]["A"], "1");
}

#[test]
fn env_files_stay_unread_if_they_shall_not_be_resolved() {
    let world = World::new(EXTENDING).with(|options| options.resolve_env = false);
    let service = &world.tree()["services"]["a"];
    assert_eq!(service["env_file"][0]["path"], "/W/e");
    assert_eq!(service["environment"], serde_json::json!({"X": null}));
}

#[test]
fn nothing_is_added_that_nobody_wrote_if_it_shall_not_be_normalized() {
    let world = World::new(EXTENDING).with(|options| options.normalize = false);
    let tree = world.tree();
    assert_eq!(tree["services"]["a"].get("networks"), None);
    assert_eq!(tree.get("networks"), None);
}

#[test]
fn contradictions_pass_if_consistency_shall_not_be_checked() {
    let files = [("compose.yaml", "services: {a: {depends_on: [gone]}}\n")];
    assert!(
        World::new(&files)
            .report()
            .contains("undefined service `gone`")
    );
    World::new(&files)
        .with(|options| options.consistency = false)
        .load();
}

const PARTLY_BROKEN: Files<'static> = &[(
    "compose.yaml",
    "services:\n  web: {image: x, depends_on: [db]}\n  db: {image: y}\n  \
     old: {image: \"${GONE:?}\", imagee: z, ports: [x], env_file: gone}\n  \
     off: {image: x, profiles: [off], privileged: perhaps}\n",
)];

#[test]
fn problems_of_services_that_nobody_asked_for_are_warnings() {
    let all = World::new(PARTLY_BROKEN);
    let problems = load(&all.options).unwrap_err();
    let about = |service: &str, severity: Severity| {
        let of = |d: &&hoist::compose::Diagnostic| d.service.as_deref() == Some(service);
        problems
            .list
            .iter()
            .filter(of)
            .filter(|d| d.severity == severity)
            .count()
    };
    assert_eq!(
        (about("old", Severity::Error), about("off", Severity::Error)),
        (4, 0)
    );
    assert_eq!(about("off", Severity::Warning), 1);

    let web = World::new(PARTLY_BROKEN).with(|options| {
        options.services = vec!["web".to_owned()];
        options.narrow = true;
    });
    let loaded = web.load();
    assert!(loaded.warnings.len() >= 4);
    assert!(loaded.runnable().is_ok());
    let names: Vec<&str> = loaded.canonical.names("services").collect();
    assert_eq!(names, ["web", "db"]);
}

#[test]
fn what_a_service_takes_over_from_one_that_is_off_still_stops_it() {
    let world = World::new(&[(
        "compose.yaml",
        "services:\n  base: {image: \"${GONE:?}\", profiles: [never]}\n  web: {extends: base, profiles: !reset []}\n",
    )]);
    assert!(world.report().contains("error[required-variable]"));
}

#[test]
fn what_cannot_run_here_yet_is_printed_and_stops_up_only() {
    let world = World::new(&[(
        "compose.yaml",
        "services: {a: {image: x, use_api_socket: true, cap_add: [NOT_ONE]}}\n",
    )]);
    let loaded = world.load();
    assert_eq!(world.tree()["services"]["a"]["use_api_socket"], true);
    let report = loaded.runnable().unwrap_err().render(false, 100);
    for part in [
        "`use_api_socket` in `services.a` is not supported yet",
        "`NOT_ONE`",
    ] {
        assert!(report.contains(part), "{report}");
    }
}

#[test]
fn a_report_shows_both_places_of_a_value_that_came_from_elsewhere() {
    let cases: [(&str, Files, &str); 4] = [
        (
            "an alias",
            &[(
                "compose.yaml",
                "x-a: &a {image: x, scale: many}\nservices:\n  web: *a\n",
            )],
            "3 |   web: *a\n  |        -- used here",
        ),
        (
            "extends",
            &[
                (
                    "compose.yaml",
                    "services:\n  web: {extends: {file: b.yaml, service: b}}\n",
                ),
                ("b.yaml", "services: {b: {image: x, scale: many}}\n"),
            ],
            "- extended here",
        ),
        (
            "include",
            &[
                ("compose.yaml", "include: [b.yaml]\n"),
                ("b.yaml", "services: {b: {image: x, scale: many}}\n"),
            ],
            "- included here",
        ),
        (
            "a variable",
            &[
                (
                    "compose.yaml",
                    "services: {b: {image: x, scale: \"${N}\"}}\n",
                ),
                (".env", "N=many\n"),
            ],
            "made of `N`",
        ),
    ];
    for (what, files, wanted) in cases {
        let report = World::new(files).report();
        assert!(
            report.contains("must be a whole number, not `many`"),
            "{report}"
        );
        assert!(report.contains(wanted), "{what}:\n{report}");
    }
}

#[test]
fn files_of_a_repository_are_fetched_included_and_extended() {
    let world = World::new(&[
        (
            "r.git/compose.yaml",
            "services: {far: {image: x, volumes: [\"./d:/d\"]}}\n",
        ),
        ("r.git/base.yaml", "services: {base: {image: y}}\n"),
        ("compose.yaml", ""),
    ]);
    let repository = world.folder.path().join("r.git");
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=e@x"])
            .args(arguments)
            .current_dir(&repository)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "one"]);
    let url = format!("file://{}", repository.display());
    let text = format!(
        "include: [\"{url}\"]\nservices: {{a: {{extends: {{file: \"{url}#HEAD:base.yaml\", service: base}}}}}}\n"
    );
    std::fs::write(world.folder.path().join("compose.yaml"), text).unwrap();
    let world = world.with(|options| {
        let path = std::env::var("PATH").unwrap();
        options.remote = Some(hoist::compose::Cache {
            folder: options.working_directory.join("cache"),
            environment: BTreeMap::from([("PATH".to_owned(), path)]),
            artifacts: None,
        });
    });
    let tree = world.tree();
    assert_eq!(tree["services"]["a"]["image"], "y");
    let source = tree["services"]["far"]["volumes"][0]["source"]
        .as_str()
        .unwrap();
    assert!(
        source.starts_with("/W/cache/git/") && source.ends_with("/d"),
        "{source}"
    );

    let without = world.with(|options| options.remote = None);
    assert!(without.report().contains("error[remote-file]"));
}
