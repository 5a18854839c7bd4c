//! `config` with the flags that show a project from other sides: as it is written, its variables, where values came from,
//! as a picture, and its problems for programs.

use assert_cmd::Command;
use tempfile::TempDir;

const SHOP: &str = "\
name: shop
services:
  web:
    image: web:${TAG:-1}
    ports: ['${PORT}:80', '81:81/udp']
    environment: [A=1, B]
    depends_on: {api: {condition: service_healthy}, db: {condition: service_started}}
  api:
    image: api
    depends_on: [db]
    healthcheck: {test: curl x}
  db:
    image: db
    volumes: ['data:/data']
volumes: {data: }
";

fn shop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("compose.yaml"), SHOP).unwrap();
    std::fs::write(folder.path().join(".env"), "# ports\nPORT=8080\n").unwrap();
    folder
}

fn hoist(folder: &TempDir, line: &str) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoist"));
    command
        .env_clear()
        .env("HOIST_ROOT", folder.path().join("state"))
        .current_dir(folder.path())
        .args(line.split_whitespace());
    command.output().unwrap()
}

fn output(folder: &TempDir, line: &str) -> String {
    let output = hoist(folder, line);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_value_is_explained_with_its_line_and_variables() {
    let shop = shop();
    let told = output(&shop, "config --explain services.web.ports[0].published");
    assert_eq!(
        told,
        "services.web.ports[0].published = \"8080\"\n    \
         written at compose.yaml:5:13:  ports: ['${PORT}:80', '81:81/udp']\n    \
         made of `${PORT}:80`\n    \
         variable `PORT` is `8080`, from .env:2:1\n"
    );
    let told = output(&shop, "config --explain services.web.image");
    assert!(told.contains("variable `TAG` is not set"), "{told}");
    let wrong = hoist(&shop, "config --explain services.wbe");
    let stderr = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr.contains("did you mean `web`?"), "{stderr}");
}

#[test]
fn an_override_is_explained_with_what_it_replaced() {
    let shop = shop();
    let over = "services:\n  web:\n    image: other\n";
    std::fs::write(shop.path().join("compose.override.yaml"), over).unwrap();
    let told = output(&shop, "config --explain services.web.image");
    let wanted = "written at compose.override.yaml:3:12:  image: other\n    \
                  in place of compose.yaml:4:12:  image: web:${TAG:-1}\n";
    assert!(told.contains(wanted), "{told}");
}

#[test]
fn the_name_is_explained_by_what_gave_it() {
    let shop = shop();
    let told = output(&shop, "config --explain name");
    assert_eq!(
        told,
        "name = \"shop\"\n    written at compose.yaml:1:7:  name: shop\n"
    );
    let told = output(&shop, "-p bar config --explain name");
    assert_eq!(
        told,
        "name = \"bar\"\n    in place of compose.yaml:1:7:  name: shop\n    given with `-p`\n"
    );
    std::fs::write(shop.path().join(".env"), "COMPOSE_PROJECT_NAME=foo\n").unwrap();
    let told = output(&shop, "config --explain name");
    assert_eq!(
        told,
        "name = \"foo\"\n    written at .env:1:1:  COMPOSE_PROJECT_NAME=foo\n    \
         in place of compose.yaml:1:7:  name: shop\n"
    );
    let refused = hoist(&shop, "config --explain name --format json");
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn the_environment_is_explained_through_files_and_extends() {
    let shop = shop();
    let text = "\
services:
  base: {image: x, environment: {FAR: 1, NEAR: 1}}
  web:
    extends: base
    env_file: [a.env, b.env]
    environment: {NEAR: 2, OWN: 3}
";
    let write = |name: &str, text: &str| std::fs::write(shop.path().join(name), text).unwrap();
    write("compose.yaml", text);
    write("a.env", "A=1\nB=1\nOWN=1\n");
    write("b.env", "B=2\n");
    let told = |name: &str| {
        let path = format!("config --explain services.web.environment.{name}");
        output(&shop, &path)
    };
    let wanted = "written at compose.yaml:2:39:  base: {image: x, environment: {FAR: 1, NEAR: 1}}\n    \
                  by the `extends` at compose.yaml:4:14:  extends: base\n";
    assert!(told("FAR").contains(wanted), "{}", told("FAR"));
    let wanted = "written at compose.yaml:6:25:  environment: {NEAR: 2, OWN: 3}\n    \
                  in place of compose.yaml:2:48:  base: {image: x, environment: {FAR: 1, NEAR: 1}}\n";
    assert!(told("NEAR").contains(wanted), "{}", told("NEAR"));
    let wanted = "written at a.env:1:1:  A=1\n    by the file named at compose.yaml:5:16:  \
                  env_file: [a.env, b.env]\n";
    assert!(told("A").contains(wanted), "{}", told("A"));
    let wanted = "written at b.env:1:1:  B=2\n    in place of a.env:2:1:  B=1\n    \
                  by the file named at compose.yaml:5:23:  env_file: [a.env, b.env]\n";
    assert!(told("B").contains(wanted), "{}", told("B"));
    let wanted = "written at compose.yaml:6:33:  environment: {NEAR: 2, OWN: 3}\n    \
                  in place of a.env:3:1:  OWN=1\n";
    assert!(told("OWN").contains(wanted), "{}", told("OWN"));
}

/// `-f <(…)` of a shell.
#[test]
fn what_the_user_names_may_be_a_pipe() {
    let shop = shop();
    let line = "exec \"$0\" -p piped -f <(echo 'services: {web: {image: \"x:$TAG\", environment: {A: }, env_file: /dev/null}}') \
                --env-file <(echo TAG=9; echo A=b) config";
    let bash = |line: &str, stdin: &str| {
        let mut command = Command::new("bash");
        command
            .env_clear()
            .env("HOIST_ROOT", shop.path().join("state"))
            .current_dir(shop.path())
            .args(["-c", line, env!("CARGO_BIN_EXE_hoist")])
            .write_stdin(stdin);
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    let told = bash(line, "");
    assert!(
        told.contains("image: x:9") && told.contains("A: b"),
        "{told}"
    );
    let line = "exec \"$0\" -p piped -f /dev/stdin --env-file /dev/null config";
    let told = bash(line, "services: {web: {image: \"x:${TAG-none}\"}}");
    assert!(told.contains("image: x:none"), "{told}");
}

#[test]
fn the_graph_is_a_tree_of_needs() {
    let tree = output(&shop(), "config --graph");
    let wanted = "\
shop
└── web  web:1  8080→80  81→81/udp
    ├── api (healthy)  api
    │   └── db  db
    └── db

networks
└── default: web, api, db

volumes
└── data: db
";
    assert_eq!(tree, wanted);
}

#[test]
fn the_graph_is_drawn_in_three_languages() {
    let shop = shop();
    let dot = output(&shop, "config --graph --format dot");
    assert!(dot.starts_with("digraph \"shop\"") && dot.contains("\"web\" -> \"api\""));
    let mermaid = output(&shop, "config --graph --format mermaid");
    assert!(mermaid.starts_with("flowchart LR\n"), "{mermaid}");
    assert!(mermaid.contains("-->|healthy|"), "{mermaid}");
    let svg = output(&shop, "config --graph --format svg");
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("class=\"box\"").count(), 3);
    assert_eq!(svg.matches("class=\"edge\"").count(), 3);
    let refused = hoist(&shop, "config --format svg");
    assert_eq!(refused.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(stderr.contains("add `--graph`"), "{stderr}");
}

/// Thirty arrows would be one bar at a box of the usual height.
#[test]
fn a_box_grows_with_the_arrows_at_it() {
    let shop = shop();
    let workers = (0..30).map(|n| format!("  w{n}: {{image: x, depends_on: [db]}}\n"));
    let workers: String = workers.collect();
    let text = format!("services:\n  db: {{image: x}}\n{workers}");
    std::fs::write(shop.path().join("compose.yaml"), text).unwrap();
    let svg = output(&shop, "config --graph --format svg");
    let boxes = svg.lines().filter(|line| line.contains("class=\"box\""));
    let high = boxes.filter(|line| line.contains("height=\"372\"")).count();
    assert_eq!(high, 1, "{svg}");
}

#[test]
fn problems_are_told_to_editors_as_ranges() {
    let shop = shop();
    let text = "services:\n  web: {imgae: x, ports: [99999]}\n";
    std::fs::write(shop.path().join("compose.yaml"), text).unwrap();
    let failed = hoist(&shop, "config --format json");
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.stdout.is_empty());
    let stderr = String::from_utf8(failed.stderr).unwrap();
    let problems: Vec<serde_json::Value> = stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let first = &problems[0];
    assert_eq!(first["code"], "unknown-attribute");
    assert_eq!(first["file"], "compose.yaml");
    assert_eq!(first["hint"], "did you mean `image`?");
    let range = serde_json::json!({
        "start": {"line": 1, "character": 8}, "end": {"line": 1, "character": 13},
    });
    assert_eq!(first["range"], range);
}

#[test]
fn flags_that_need_values_say_so_without_them() {
    let shop = shop();
    for flag in ["--hash *", "--explain name", "--graph", "--environment"] {
        let refused = hoist(&shop, &format!("config --no-interpolate {flag}"));
        assert_eq!(refused.status.code(), Some(2), "{flag}");
    }
    assert_eq!(
        output(&shop, "config --no-interpolate --images"),
        "web:${TAG:-1}\napi\ndb\n"
    );
}
