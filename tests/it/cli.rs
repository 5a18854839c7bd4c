//! The command line where no container is needed: usage, exit codes, `config`, completions and man pages.

use assert_cmd::Command;
use std::path::Path;
use tempfile::TempDir;

const COMPOSE: &str = "\
name: shop
services:
  web:
    image: web:1
    depends_on: [db]
    ports: ['8080:80']
  db:
    image: db:2
    volumes: ['data:/data']
  debug:
    image: debug:3
    profiles: [debug]
volumes:
  data:
";

/// A folder with a compose file, a state root of its own, and nothing of the caller's environment.
struct Shop {
    folder: TempDir,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::write(folder.path().join("compose.yaml"), COMPOSE).expect("it is ours");
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn hoist(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hoist"));
        command
            .env_clear()
            .env("HOIST_ROOT", self.path().join("state"))
            .current_dir(self.path())
            .args(line.split_whitespace());
        command
    }

    /// stdout of a command that must succeed and say nothing on stderr.
    fn output(&self, line: &str) -> String {
        let output = self.hoist(line).output().expect("hoist can be run");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {stderr}");
        assert_eq!(stderr, "", "{line}");
        String::from_utf8(output.stdout).expect("stdout is UTF-8")
    }

    /// Exit code and stderr of a command that must write nothing to stdout.
    fn failure(&self, line: &str) -> (i32, String) {
        let output = self.hoist(line).output().expect("hoist can be run");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{line}");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().expect("no signal ended it"), stderr)
    }
}

#[test]
fn without_a_verb_help_is_data() {
    let text = Shop::new().output("");
    assert!(text.contains("Usage: hoist"), "{text}");
    for verb in ["up", "down", "ps", "logs", "exec", "config"] {
        assert!(text.contains(&format!("  {verb} ")), "{verb} is missing");
    }
}

#[test]
fn every_verb_has_help() {
    let shop = Shop::new();
    let help = shop.output("");
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let verbs: Vec<&str> = verbs
        .map_while(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs {
        let text = shop.output(&format!("{verb} --help"));
        assert!(text.contains(&format!("Usage: hoist {verb}")), "{text}");
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_two() {
    let shop = Shop::new();
    for (line, said) in [
        ("frobnicate", "frobnicate"),
        ("up --frobnicate", "--frobnicate"),
        ("up -d --attach web", "--attach"),
        ("up --force-recreate --no-recreate", "--no-recreate"),
        ("up --scale web", "SERVICE=N"),
        ("up --build", "`--build` is not implemented yet"),
        ("up -d --watch", "--watch"),
        ("logs --tail few", "--tail"),
        ("logs --index 1", "one service"),
        ("cp one two web:/tmp", "`web:/tmp` is one argument too many"),
        ("run -v", "hoist run --help"),
        ("logs --since whenever", "invalid time `whenever`"),
        ("ps --filter colour=red", "invalid filter `colour=red`"),
        (
            "ps --format {{.Nmae}}",
            "the template names no field: `.Nmae`",
        ),
        ("ps --format {{.Name", "not closed"),
        ("exec web", "COMMAND"),
        ("wait", "SERVICE"),
        ("completion tcsh", "tcsh"),
    ] {
        let (code, stderr) = shop.failure(line);
        assert_eq!(code, 2, "{line}: {stderr}");
        assert!(stderr.starts_with("error: "), "{line}: {stderr}");
        assert!(stderr.contains(said), "{line}: {stderr}");
    }
    assert!(
        !shop.path().join("state").exists(),
        "a refused command line has changed nothing"
    );
}

#[test]
fn a_wrong_file_is_exit_code_one_and_placed() {
    let shop = Shop::new();
    let file = shop.path().join("compose.yaml");
    std::fs::write(&file, COMPOSE.replace("image: web:1", "imgae: web:1")).expect("it is ours");
    for line in ["config", "config -q", "up -d"] {
        let (code, stderr) = shop.failure(line);
        assert_eq!(code, 1, "{line}: {stderr}");
        assert!(stderr.contains("compose.yaml:4:5"), "{line}: {stderr}");
        assert!(stderr.contains("`image`"), "{line}: {stderr}");
    }
    assert!(!shop.path().join("state").exists(), "nothing was made");
}

#[test]
fn a_service_that_is_not_in_the_file_is_told_with_the_one_that_was_meant() {
    let shop = Shop::new();
    for line in [
        "up -d wbe",
        "up -d --scale wbe=2",
        "up --exit-code-from wbe",
        "stop wbe",
        "restart wbe",
        "config --hash wbe",
    ] {
        let (code, stderr) = shop.failure(line);
        assert_eq!(code, 1, "{line}: {stderr}");
        assert!(
            stderr.contains("no such service: `wbe`"),
            "{line}: {stderr}"
        );
        assert!(stderr.contains("did you mean `web`?"), "{line}: {stderr}");
    }
}

#[test]
fn config_prints_the_parts_that_are_asked_for() {
    let shop = Shop::new();
    let sorted = |line: &str| {
        let text = shop.output(line);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted("config --services"), ["db", "web"]);
    assert_eq!(
        sorted("--profile debug config --services"),
        ["db", "debug", "web"]
    );
    assert_eq!(sorted("config --volumes"), ["data"]);
    assert_eq!(sorted("config --networks"), ["default"]);
    assert_eq!(sorted("config --images"), ["db:2", "web:1"]);
    assert_eq!(sorted("config --profiles"), ["debug"]);
    assert_eq!(shop.output("config -q"), "");
    let hashes = sorted("config --hash *");
    assert_eq!(hashes.len(), 2);
    assert!(
        hashes[0].starts_with("db ") && hashes[0].len() == "db ".len() + 64,
        "{hashes:?}"
    );
    assert_eq!(sorted("config --hash db,web"), hashes);
}

#[test]
fn config_is_the_same_project_in_yaml_json_and_a_file() {
    let shop = Shop::new();
    let json: serde_json::Value =
        serde_json::from_str(&shop.output("config --format json")).expect("it is JSON");
    assert_eq!(json["name"], "shop");
    assert_eq!(json["services"]["web"]["image"], "web:1");
    let yaml = shop.output("config");
    assert_eq!(shop.output("config -o out.yaml"), "");
    let written = std::fs::read_to_string(shop.path().join("out.yaml")).expect("it was written");
    assert_eq!(written, yaml);
    assert_eq!(
        shop.output("-f out.yaml config"),
        yaml,
        "it is a fixed point"
    );
    let mut piped = shop.hoist("-f - config");
    let output = piped
        .write_stdin(COMPOSE)
        .output()
        .expect("hoist can be run");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        yaml,
        "stdin is a file, too"
    );
}

#[test]
fn the_environment_names_files_and_project() {
    let shop = Shop::new();
    std::fs::rename(
        shop.path().join("compose.yaml"),
        shop.path().join("other.yaml"),
    )
    .expect("it is ours");
    let output = shop
        .hoist("config --format json")
        .env("COMPOSE_FILE", "other.yaml")
        .env("COMPOSE_PROJECT_NAME", "named")
        .output()
        .expect("hoist can be run");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(json["name"], "named");
    let (code, stderr) = shop.failure("config");
    assert_eq!(code, 1);
    assert!(stderr.contains("compose.yaml"), "{stderr}");
}

#[test]
fn a_project_without_state_has_nothing_to_list() {
    let shop = Shop::new();
    assert_eq!(
        shop.output("ps"),
        "NAME      IMAGE     COMMAND   SERVICE   CREATED   STATUS    PORTS\n"
    );
    assert_eq!(shop.output("ps --format json"), "");
    assert_eq!(shop.output("ps -q"), "");
    assert_eq!(shop.output("ls --format json"), "[]\n");
    assert_eq!(shop.output("ls"), "NAME      STATUS    CONFIG FILES\n");
}

#[test]
fn the_version_is_the_packages_and_names_the_commit_it_was_built_from() {
    let shop = Shop::new();
    let version = env!("CARGO_PKG_VERSION");
    let (long, json) = match option_env!("HOIST_COMMIT") {
        Some(commit) => (
            format!("{version} ({commit})"),
            format!("{{\"version\":\"{version}\",\"commit\":\"{commit}\"}}\n"),
        ),
        None => (
            version.to_owned(),
            format!("{{\"version\":\"{version}\"}}\n"),
        ),
    };
    assert_eq!(shop.output("version --short"), format!("{version}\n"));
    assert_eq!(shop.output("version"), format!("hoist version {long}\n"));
    assert_eq!(shop.output("--version"), format!("hoist {version}\n"));
    assert_eq!(shop.output("version --format json"), json);
}

#[test]
fn completions_and_man_pages_know_every_verb() {
    let shop = Shop::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = shop.output(&format!("completion {shell}"));
        assert!(script.contains("remove-orphans"), "{shell}");
    }
    // Names of services are asked for where they can stand, and there is a function that tells them.
    let zsh = shop.output("completion zsh");
    for argument in ["'*::services", "':service", "'--exit-code-from="] {
        let mut lines = zsh.lines().filter(|line| line.starts_with(argument));
        assert!(
            lines.all(|line| line.contains(":_hoist_services'")),
            "{argument}"
        );
    }
    let (before, call) = zsh.split_once("\nif [ ").expect("it ends in a call");
    assert!(before.contains("\n_hoist_services() {\n") && call.contains("compdef _hoist hoist"));
    assert_eq!(shop.output("man pages/man1"), "");
    for page in ["hoist.1", "hoist-up.1", "hoist-exec.1"] {
        let text = std::fs::read_to_string(shop.path().join("pages/man1").join(page));
        assert!(text.is_ok_and(|text| text.contains(".TH")), "{page}");
    }
}

#[test]
fn under_dockers_name_it_is_docker_compose() {
    let shop = Shop::new();
    let name = shop.path().join("docker-compose");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hoist"), &name).expect("it is ours");
    let called = |line: &str| {
        let mut command = Command::new(&name);
        let command = command.env_clear().current_dir(shop.path());
        let output = command
            .args(line.split(' '))
            .output()
            .expect("it can be run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is UTF-8");
        text(output.stdout) + &text(output.stderr)
    };
    for line in [
        "--version",
        "compose -v",
        "version",
        "--context default compose version",
    ] {
        let said = called(line);
        assert!(
            said.starts_with("Docker Compose version v2."),
            "{line}: {said}"
        );
    }
    for line in ["help compose up", "compose help up", "compose up --help"] {
        assert!(called(line).contains("Usage: docker compose up"), "{line}");
    }
    let bash = called("completion bash");
    let last = bash.lines().last().unwrap_or_default();
    assert!(
        last.ends_with(" docker-compose") && bash.contains("docker-compose config"),
        "{last}"
    );
    let asked = |line: &str| called(&format!("__complete compose {line}"));
    assert_eq!(asked("logs d"), "db\n:4\n");
    assert_eq!(asked("--profile d"), "debug\n:4\n");
    assert!(asked("res").starts_with("restart\t"));
    assert!(asked("up --det").starts_with("--detach\t"));
    assert_eq!(asked("exec web ls"), ":0\n");
    assert!(called("up --frobnicate").contains("`docker-compose up --help`"));
    assert!(called("compose up --frobnicate").contains("`docker compose up --help`"));
}

#[test]
fn variables_about_the_command_itself_are_heard() {
    let shop = Shop::new();
    for (name, value, said) in [
        (
            "COMPOSE_PARALLEL_LIMIT",
            "abc",
            "must be a whole number, not `abc`",
        ),
        ("COMPOSE_PROGRESS", "foo", "cannot be `foo`"),
    ] {
        let output = shop
            .hoist("ps")
            .env(name, value)
            .output()
            .expect("it can be run");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
        // `.env` says it as well
        std::fs::write(shop.path().join(".env"), format!("{name}={value}\n")).expect("it is ours");
        assert!(shop.failure("ps").1.contains(said), "{name}");
        std::fs::remove_file(shop.path().join(".env")).expect("it is ours");
    }
}

#[test]
fn a_project_that_is_not_there_is_told_where_its_name_says_all() {
    let shop = Shop::new();
    for verb in ["stop", "start", "restart", "kill"] {
        let (code, stderr) = shop.failure(&format!("-p typo {verb}"));
        assert_eq!(code, 1, "{verb}: {stderr}");
        assert!(
            stderr.contains("project `typo` has no container"),
            "{verb}: {stderr}"
        );
    }
}

#[test]
fn a_group_of_commands_tells_which_there_are() {
    let shop = Shop::new();
    for group in [
        "project",
        "system",
        "network",
        "container",
        "volume",
        "image",
        "alpha",
    ] {
        let text = shop.output(group);
        assert!(text.contains(&format!("Usage: hoist {group}")), "{text}");
    }
    assert_eq!(shop.output("help up"), shop.output("up --help"));
}

#[test]
fn errors_are_json_when_progress_is() {
    let shop = Shop::new();
    let (code, stderr) = shop.failure("--progress json stop wbe");
    assert_eq!(code, 1);
    let error: serde_json::Value = serde_json::from_str(&stderr).expect("it is one JSON object");
    assert_eq!(error["message"], "no such service: `wbe`");
    assert_eq!(error["hint"], "did you mean `web`?");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let shop = Shop::new();
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_hoist"))
        .arg("config")
        .env_clear()
        .current_dir(shop.path())
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .output()
        .expect("hoist can be run");
    assert_eq!(status.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&status.stderr), "");
}
