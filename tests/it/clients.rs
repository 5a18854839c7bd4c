//! Programs that drive docker compose by its command line work with hoist under its name. They come from the registries, so
//! where those cannot be reached, the tests say so and pass.

use crate::world::World;
use std::path::Path;
use std::process::Command;

const COMPOSE: &str = "\
name: cl
services:
  web:
    image: host
    init: true
    command: [sh, -c, 'echo serving; exec sleep 1000']
    stop_grace_period: 1s
    ports: ['127.0.0.1:8077:80']
";

/// Installs a package into a folder; false if the registry cannot be reached, or its client is not there.
fn installed(folder: &Path, program: &str, args: &[&str]) -> bool {
    let output = Command::new(program)
        .args(args)
        .current_dir(folder)
        .output();
    let done = output.as_ref().is_ok_and(|output| output.status.success());
    if !done {
        println!(
            "left out: `{program} {}` failed: {output:?}",
            args.join(" ")
        );
    }
    done
}

fn world(name: &str) -> World {
    let world = World::new(name);
    world.write("compose.yaml", COMPOSE);
    let link = world.project().join("docker-compose");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hoist"), link).unwrap();
    world
}

#[test]
fn the_npm_package_docker_compose_drives_it() {
    let world = world("cl-npm");
    if !installed(
        &world.project(),
        "npm",
        &["install", "--no-audit", "--no-fund", "docker-compose"],
    ) {
        return;
    }
    world.write(
        "drive.js",
        "const all = require('docker-compose'); const v2 = all.v2 ?? all;
const options = { cwd: process.cwd(), executable: { standalone: true, executablePath: process.cwd() + '/docker-compose' } };
(async () => {
  await v2.upAll(options);
  const ps = await v2.ps({ ...options, commandOptions: [['--format', 'json']] });
  console.log('services', ps.data.services.map(it => it.name).join());
  const port = await v2.port('web', 80, options);
  console.log('port', port.data.address, port.data.port);
  const exec = await v2.exec('web', 'echo hello', options);
  console.log('exec', exec.out.trim());
  const run = await v2.run('web', 'echo once', options);
  console.log('run', run.out.trim());
  const version = await v2.version(options);
  console.log('version', version.data.version);
  await v2.pauseOne('web', options);
  await v2.unpauseOne('web', options);
  await v2.downAll(options);
})().catch(error => { console.error(error); process.exit(1); });
",
    );
    let output = world.run(&["node", "drive.js"]).ok().stdout;
    for line in [
        "services cl-web-1",
        "port 127.0.0.1 8077",
        "exec hello",
        "run once",
        "version 2.",
    ] {
        assert!(output.contains(line), "{line} is not in\n{output}");
    }
    world.assert_no_trace();
}

#[test]
fn the_python_package_testcontainers_drives_it() {
    let world = world("cl-python");
    if !installed(&world.project(), "python3", &["-m", "venv", "env"])
        || !installed(
            &world.project(),
            "env/bin/pip",
            &["install", "-q", "testcontainers"],
        )
    {
        return;
    }
    world.write(
        "drive.py",
        "from testcontainers.compose import DockerCompose
import os
with DockerCompose(context='.', compose_file_name='compose.yaml', docker_command_path=os.getcwd() + '/docker-compose', wait=True) as compose:
    containers = compose.get_containers()
    print('names', [it.Name for it in containers])
    print('port', compose.get_service_port('web', 80))
    out, err, code = compose.exec_in_container(['echo', 'hello'], 'web')
    print('exec', out.strip(), code)
    out, err = compose.get_logs('web')
    print('logs', 'serving' in out)
",
    );
    let output = world.run(&["env/bin/python", "drive.py"]).ok().stdout;
    for line in [
        "names ['cl-web-1']",
        "port 8077",
        "exec hello 0",
        "logs True",
    ] {
        assert!(output.contains(line), "{line} is not in\n{output}");
    }
    world.assert_no_trace();
}

#[test]
fn editors_read_config_and_ps_as_json() {
    let world = world("cl-editor");
    world.hoist(&["up", "-d"]).ok();
    let compose = |words: &[&str]| {
        let all = [&["./docker-compose", "compose"], words].concat();
        world.run(&all).ok().stdout
    };
    let config: serde_json::Value =
        serde_json::from_str(&compose(&["config", "--format", "json"])).unwrap();
    assert_eq!(config["services"]["web"]["image"], "host");
    let ps = compose(&["ps", "--format", "json"]);
    let row: serde_json::Value = serde_json::from_str(ps.lines().next().unwrap()).unwrap();
    assert_eq!(
        (row["Service"].as_str(), row["State"].as_str()),
        (Some("web"), Some("running"))
    );
    assert_eq!(row["Publishers"][0]["PublishedPort"], 8077);
    let list: serde_json::Value =
        serde_json::from_str(&compose(&["ls", "--format", "json"])).unwrap();
    assert_eq!(list[0]["Name"], "cl");
    world.hoist(&["down"]).ok();
    world.assert_no_trace();
}

#[test]
fn names_can_be_those_of_the_first_docker_compose() {
    let world = world("cl-compat");
    world.hoist(&["--compatibility", "up", "-d"]).ok();
    let names = world.hoist(&["ps", "--format", "{{.Name}}"]).ok().stdout;
    assert_eq!(names, "cl_web_1\n");
    world.hoist(&["down"]).ok();
    world.assert_no_trace();
}

#[test]
fn doctor_looks_and_keeps_secrets() {
    let mut world = world("cl-doctor");
    world.set_env("SECRET_OF_MINE", "hunter2");
    world.hoist(&["up", "-d"]).ok();
    let doctor = world
        .hoist(&["doctor", "--bundle", "report.txt"])
        .ok()
        .stdout;
    for line in ["✔ rights", "✔ overlayfs", "✔ projects", "cgroups"] {
        assert!(doctor.contains(line), "{line} is not in\n{doctor}");
    }
    let report = std::fs::read_to_string(world.project().join("report.txt")).unwrap();
    assert!(
        report.contains("cl-web-1") && !report.contains("hunter2"),
        "{report}"
    );
    world.hoist(&["down"]).ok();
    world.assert_no_trace();
}
