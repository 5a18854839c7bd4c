//! Which files, folders, variables, names and services a load takes.

use hoist::compose::LoadOptions;
use hoist::compose::Loaded;
use hoist::compose::fingerprint;
use hoist::compose::load;
use hoist::compose::load_canonical;
use hoist::compose::model::FileContent;
use hoist::compose::model::Project;
use hoist::compose::project_name;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

/// A folder with files, and what it is loaded with.
struct World {
    folder: tempfile::TempDir,
    options: LoadOptions,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("My.App-")
            .tempdir()
            .unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let options = LoadOptions::new(folder.path().to_owned(), BTreeMap::new());
        Self { folder, options }
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.options
            .environment
            .insert(name.to_owned(), value.to_owned());
        self
    }

    fn with(mut self, change: impl FnOnce(&mut LoadOptions)) -> Self {
        change(&mut self.options);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self) -> Loaded {
        match load(&self.options) {
            Ok(loaded) => loaded,
            Err(problems) => panic!("{}", problems.render(false, 100)),
        }
    }

    fn project(&self) -> Project {
        self.load().project
    }

    fn error(&self) -> String {
        load(&self.options).unwrap_err().to_string()
    }
}

fn names(project: &Project) -> Vec<&str> {
    project.services.keys().map(|name| name.as_str()).collect()
}

const ONE: &str = "services: {a: {image: x}}\n";

#[test]
fn the_usual_file_is_found_here_and_above_with_its_override() {
    let world = World::new(&[
        ("compose.yaml", ONE),
        ("docker-compose.yml", "services: {b: {image: x}}"),
        ("compose.override.yaml", "services: {a: {user: u}}"),
        ("deep/er/file", ""),
    ]);
    let below = World::new(&[]).with(|o| o.working_directory = world.path("deep/er"));
    let loaded = below.load();
    let a = &loaded.project.services["a"];
    assert_eq!(a.user.as_deref(), Some("u"));
    assert_eq!(loaded.project.directory, world.folder.path());
    let files = ["compose.yaml", "compose.override.yaml"].map(|name| world.path(name));
    assert_eq!(loaded.project.files, files);
    assert!(loaded.warnings.iter().any(|w| w.code == "several-files"));
}

#[test]
fn no_file_is_an_error_that_says_what_to_do() {
    let world = World::new(&[]).with(|o| o.working_directory = PathBuf::from("/proc/self/task"));
    let problems = load(&world.options).unwrap_err();
    assert!(
        problems
            .render(false, 100)
            .contains("name a file with `-f`")
    );
    assert!(project_name(&world.options).is_err());
}

#[test]
fn named_files_are_merged_in_order_without_the_override() {
    let world = World::new(&[
        (
            "sub/one.yaml",
            "services: {a: {image: x, volumes: [./d:/d]}}",
        ),
        ("two.yaml", "services: {a: {image: y}}"),
        ("compose.override.yaml", "services: {a: {image: z}}"),
    ])
    .with(|o| o.files = vec!["sub/one.yaml".into(), "two.yaml".into()]);
    let project = world.project();
    assert_eq!(project.services["a"].image, "y");
    assert_eq!(project.directory, world.path("sub"));
}

#[test]
fn an_override_between_two_that_extend_each_other_is_for_all_above_it() {
    // docker compose forgets it in most runs, and which ones is chance: no case for its answers.
    let world = World::new(&[(
        "compose.yaml",
        "services: {a: {extends: b, dns: [9.9.9.9]}, b: {extends: c, dns: !override [8.8.8.8]}, c: {image: x, dns: [1.1.1.1]}}",
    )]);
    let project = world.project();
    let dns = |name: &str| {
        project.services[name]
            .dns
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(dns("a"), ["8.8.8.8", "9.9.9.9"]);
    assert_eq!(dns("b"), ["8.8.8.8"]);
    assert_eq!(dns("c"), ["1.1.1.1"]);
}

#[test]
fn the_standard_input_is_a_file_called_dash() {
    let world = World::new(&[]).with(|o| {
        o.files = vec!["-".into()];
        o.stdin = Some(b"services: {a: {image: x, imagee: y}}".to_vec());
    });
    assert!(
        world.error().starts_with("-:1:26: unknown attribute"),
        "{}",
        world.error()
    );
}

#[test]
fn compose_file_and_its_separator_name_files() {
    let world = World::new(&[("a.yaml", ONE), ("b.yaml", "services: {b: {image: x}}")])
        .set("COMPOSE_FILE", "a.yaml,b.yaml")
        .set("COMPOSE_PATH_SEPARATOR", ",");
    assert_eq!(names(&world.project()), ["a", "b"]);
    let world = World::new(&[("a.yaml", ONE), (".env", "COMPOSE_FILE=a.yaml")]);
    assert_eq!(names(&world.project()), ["a"]);
}

#[test]
fn the_project_directory_moves_relative_paths() {
    let world = World::new(&[
        ("compose.yaml", "services: {a: {image: x, env_file: e.env}}"),
        ("other/e.env", "A=1"),
    ])
    .with(|o| {
        o.files = vec!["compose.yaml".into()];
        o.project_directory = Some("other".into());
    });
    let project = world.project();
    assert_eq!(project.services["a"].environment["A"].as_deref(), Some("1"));
    assert_eq!(project.name.as_str(), "other");
}

#[test]
fn names_come_from_flag_variable_file_and_folder_in_this_order() {
    let files = [("compose.yaml", "name: file\nservices: {a: {image: x}}")];
    let name = |world: &World| {
        let name = project_name(&world.options).unwrap();
        assert_eq!(name, world.project().name);
        name.to_string()
    };
    assert_eq!(name(&World::new(&files)), "file");
    assert_eq!(
        name(&World::new(&files).set("COMPOSE_PROJECT_NAME", "variable")),
        "variable"
    );
    let both = World::new(&files).set("COMPOSE_PROJECT_NAME", "variable");
    assert_eq!(
        name(&both.with(|o| o.project_name = Some("flag".into()))),
        "flag"
    );
    let folder = World::new(&[("compose.yaml", ONE)]);
    assert!(name(&folder).starts_with("myapp-"));
    let bad = World::new(&files).with(|o| o.project_name = Some("Not Good".into()));
    assert!(bad.error().contains("lowercase"));
}

#[test]
fn the_name_needs_no_variable_no_env_file_and_no_correct_service() {
    let world = World::new(&[
        (
            "compose.yaml",
            "name: shop\nservices:\n  a: {image: \"${REQ:?}\", env_file: gone, nonsense: 1}\n  a: {}\n",
        ),
        (".env", "NOT GOOD\nX=\"open"),
    ]);
    assert_eq!(project_name(&world.options).unwrap().as_str(), "shop");
    assert!(load(&world.options).is_err());
    let nowhere = World::new(&[]).with(|o| o.project_name = Some("p".into()));
    assert_eq!(project_name(&nowhere.options).unwrap().as_str(), "p");
}

#[test]
fn environment_files_can_be_named_and_switched_off() {
    let files = [
        ("compose.yaml", "services: {a: {image: \"x:${TAG-none}\"}}"),
        (".env", "TAG=dot"),
        ("one.env", "TAG=one"),
        ("two.env", "TAG=two"),
    ];
    let image = |world: World| world.project().services["a"].image.clone();
    assert_eq!(image(World::new(&files)), "x:dot");
    assert_eq!(
        image(World::new(&files).set("COMPOSE_DISABLE_ENV_FILE", "1")),
        "x:none"
    );
    assert_eq!(
        image(World::new(&files).set("COMPOSE_ENV_FILES", "one.env,two.env")),
        "x:two"
    );
    let named = World::new(&files).with(|o| o.env_files = vec!["one.env".into()]);
    assert_eq!(image(named), "x:one");
    assert_eq!(image(World::new(&files).set("TAG", "shell")), "x:shell");
    let missing = World::new(&files).with(|o| o.env_files = vec!["gone.env".into()]);
    assert!(missing.error().contains("gone.env"));
}

#[test]
fn profiles_and_named_services_switch_services_on() {
    let files = [(
        "compose.yaml",
        "services:\n  a: {image: x}\n  b: {image: x, profiles: [p]}\n  c: {image: x, profiles: [q], env_file: gone}\n",
    )];
    let world = World::new(&files);
    let project = world.project();
    assert_eq!(names(&project), ["a"]);
    assert_eq!(project.disabled.len(), 2);
    let on = World::new(&files).with(|o| o.profiles = vec!["p".into()]);
    assert_eq!(names(&on.project()), ["a", "b"]);
    let named = World::new(&files).with(|o| o.services = vec!["b".into()]);
    assert_eq!(names(&named.project()), ["a", "b"]);
    let unknown = World::new(&files).with(|o| o.services = vec!["bb".into()]);
    let problems = load(&unknown.options).unwrap_err();
    assert!(problems.render(false, 100).contains("did you mean"));
    let mistyped = World::new(&files).set("COMPOSE_PROFILES", "debgu,debug");
    std::fs::write(
        mistyped.folder.path().join("compose.override.yaml"),
        "services: {d: {image: x, profiles: [debug]}}",
    )
    .unwrap();
    let warnings = load(&mistyped.options).unwrap().warnings;
    let found: Vec<_> = warnings
        .iter()
        .map(|it| (it.code, it.hint.as_deref()))
        .collect();
    assert_eq!(found, [("no-such-profile", Some("did you mean `debug`?"))]);
    let broken = World::new(&files).set("COMPOSE_PROFILES", "q");
    assert!(broken.error().contains("no file `gone`"));
}

#[test]
fn only_resources_in_use_are_kept() {
    let world = World::new(&[(
        "compose.yaml",
        "services:\n  a: {image: x, network_mode: none, configs: [c]}\nnetworks: {n: }\nvolumes: {v: }\n\
         secrets: {s: {environment: UNSET}}\nconfigs: {c: {content: hi}}\n",
    )]);
    let project = world.project();
    assert!(
        project.networks.is_empty() && project.volumes.is_empty() && project.secrets.is_empty()
    );
    assert_eq!(
        project.configs["c"].content,
        FileContent::Inline("hi".into())
    );
}

#[test]
fn problems_of_what_nobody_asked_for_stop_neither_the_load_nor_who_reads_its_text_back() {
    let troubles = [
        "logging: {driver: gelf}",
        "stop_signal: NOPE",
        "ports: ['80/sctp']",
        "security_opt: ['foo:bar']",
        "cap_add: [NOPE]",
        "ulimits: {nofile: {soft: 2, hard: 1}}",
        "working_dir: rel/dir",
        "secrets: [outside]",
        "networks: [broken]",
    ];
    let shared = "secrets: {outside: {external: true}}\nnetworks: {broken: {ipam: {config: [{subnet: nonsense}]}}}\n";
    for trouble in troubles {
        let text = format!("services:\n  ok: {{image: x}}\n  b: {{image: x, {trouble}}}\n{shared}");
        let world = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            World::new(&[("compose.yaml", &text)]).with(|o| o.services = named.clone())
        };
        let loaded = load(&world(&["ok"]).options).unwrap();
        loaded.runnable().unwrap();
        assert!(!loaded.warnings.is_empty(), "{trouble}");
        let again = load_canonical(&loaded.canonical.text(), &["ok".to_owned()]).unwrap();
        assert_eq!(names(&again.project), ["ok", "b"], "{trouble}");
        let asked = load(&world(&["b"]).options);
        let runs = asked.is_ok_and(|loaded| loaded.runnable().is_ok());
        assert!(!runs, "{trouble}");
    }
}

#[test]
fn nothing_outside_the_options_is_looked_at() {
    // Cargo itself sets this one for every test.
    let world = World::new(&[(
        "compose.yaml",
        "services: {a: {image: \"x:${CARGO_PKG_NAME-unset}\"}}",
    )]);
    assert_eq!(world.project().services["a"].image, "x:unset");
}

fn print_of(service: &str, rest: &str) -> String {
    let text =
        format!("name: p\nservices: {{a: {{image: x, {service}}}, b: {{image: x}}}}\n{rest}\n");
    let world = World::new(&[("compose.yaml", &text)]).with(|o| {
        o.project_directory = Some("/srv".into());
        o.files = vec!["compose.yaml".into()];
    });
    fingerprint::service(&world.load().canonical, "a").to_string()
}

#[test]
fn the_fingerprint_changes_with_the_container_and_with_nothing_else() {
    let same = [
        "environment: {A: 1, B: 2}, labels: {x: y}",
        "labels: [x=y], environment: [B=2, A=1]",
        "environment: {A: 1, B: 2}, labels: {x: y}, scale: 3, profiles: [], pull_policy: always",
        "environment: {A: 1, B: 2}, labels: {x: y}, depends_on: [b], attach: false",
    ];
    let first = print_of(same[0], "");
    for service in same {
        assert_eq!(print_of(service, ""), first, "{service}");
    }
    let other = [
        "environment: {A: 1, B: 3}, labels: {x: y}",
        "environment: {A: 1, B: 2}, labels: {x: y}, restart: always",
        "environment: {A: 1, B: 2}, labels: {x: y}, ports: [80]",
        "environment: {A: 1, B: 2}, labels: {x: y}, command: []",
    ];
    for service in other {
        assert_ne!(print_of(service, ""), first, "{service}");
    }
    let config = |content: &str| {
        print_of(
            "configs: [c]",
            &format!("configs: {{c: {{content: {content}}}}}"),
        )
    };
    assert_ne!(config("one"), config("two"));
}

#[test]
fn paths_do_not_follow_the_disk() {
    assert!(Path::new("/proc/self").exists());
    let world = World::new(&[(
        "compose.yaml",
        "services: {a: {image: x, volumes: [\"./gone/../here:/h\"]}}",
    )]);
    let project = world.project();
    let mount = &project.services["a"].mounts[0];
    let shown = format!("{mount:?}");
    assert!(
        shown.contains(&format!("{:?}", world.path("here"))),
        "{shown}"
    );
}
