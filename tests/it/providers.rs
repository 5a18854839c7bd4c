//! `provider`: a program outside brings a service up, and says what those who depend on it have to know.

use crate::stack::{SLEEP, asked, ps};
use crate::world::World;

/// A provider that notes how it is called, and gives two variables.
const PROGRAM: &str = r#"#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in
*metadata*) echo '{"up": {"parameters": [{"name": "size"}]}, "down": {"parameters": []}}' ;;
*" up "*"broken"*) echo '{"type": "error", "message": "no quota left"}'; exit 1 ;;
*" up "*)
    echo '{"type": "info", "message": "making it"}'
    echo '{"type": "setenv", "message": "URL=there:5432"}'
    echo '{"type": "rawsetenv", "message": "PLAIN=yes"}' ;;
esac
"#;

fn world(services: &str) -> World {
    let mut world = World::new("provider");
    let program = world.write("bin/cloud", PROGRAM);
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("it is ours");
    let folder = program
        .parent()
        .expect("it is in a folder")
        .display()
        .to_string();
    let calls = world.project().join("calls").display().to_string();
    world.set_env("PATH", &format!("{folder}:/usr/sbin:/usr/bin:/sbin:/bin"));
    world.set_env("CALLS", &calls);
    world.write("compose.yaml", &format!("services: {{{services}}}\n"));
    world
}

fn calls(world: &World) -> String {
    std::fs::read_to_string(world.project().join("calls")).unwrap_or_default()
}

#[test]
fn a_provider_is_called_and_its_variables_reach_who_depends_on_it() {
    let world = world(&format!(
        "db: {{provider: {{type: cloud, options: {{size: 2, other: x}}}}}}, a: {{{SLEEP}, depends_on: [db]}}, b: {{{SLEEP}}}"
    ));
    let up = world.hoist(&["up", "-d"]).ok();
    assert!(up.stderr.contains("making it"), "{}", up.stderr);
    assert_eq!(asked(&world, "a", "echo $DB_URL $PLAIN"), "there:5432 yes");
    assert_eq!(asked(&world, "b", "echo $DB_URL $PLAIN"), "");
    assert_eq!(ps(&world).len(), 2);
    world.hoist(&["down"]).ok();
    let wanted = "compose metadata\ncompose --project-name=project up --size=2 db\ncompose metadata\n\
                  compose --project-name=project down db\n";
    assert_eq!(calls(&world), wanted);
}

#[test]
fn a_provider_that_fails_or_is_missing_is_told_before_anything_is_made() {
    let world = world(&format!(
        "broken: {{provider: {{type: cloud}}}}, a: {{{SLEEP}, depends_on: [broken]}}"
    ));
    let failed = world.hoist(&["up", "-d"]).ended(1).stderr;
    assert!(
        failed.contains("service `broken`: provider `cloud` says: no quota left"),
        "{failed}"
    );
    world.write(
        "compose.yaml",
        "services: {x: {provider: {type: nowhere}}}\n",
    );
    let missing = world.hoist(&["up", "-d"]).ended(1).stderr;
    assert!(
        missing.contains("there is no provider `nowhere`"),
        "{missing}"
    );
    assert!(
        missing.contains("install the program `docker-nowhere` or `nowhere`"),
        "{missing}"
    );
    world.assert_no_trace();
}

#[test]
fn only_the_providers_that_are_meant_are_called() {
    let world = world(&format!(
        "db: {{provider: {{type: cloud}}}}, a: {{{SLEEP}, depends_on: [db]}}, b: {{{SLEEP}}}"
    ));
    world.hoist(&["up", "-d", "--dry-run"]).ok();
    world.hoist(&["up", "-d", "b"]).ok();
    assert_eq!(calls(&world), "");
    world.hoist(&["up", "-d", "db"]).ok();
    assert!(calls(&world).contains("up db"));
    assert_eq!(
        ps(&world).len(),
        1,
        "a provided service alone brings nothing else up"
    );
    world.hoist(&["stop"]).ok();
    assert!(calls(&world).ends_with("compose --project-name=project stop db\n"));
    std::fs::remove_file(world.project().join("calls")).expect("it was called");
    world.hoist(&["down"]).ok();
}

#[test]
fn a_model_that_the_user_runs_is_known_to_who_uses_it() {
    let world = World::new("models");
    world.write(
        "compose.yaml",
        &format!(
            "services: {{a: {{{SLEEP}, models: [llm-one]}}, b: {{{SLEEP}, models: {{llm-one: {{endpoint_var: HERE, model_var: WHICH}}}}}}}}\n\
             models: {{llm-one: {{model: ai/small, x-hoist: {{endpoint: 'http://there:1/v1'}}}}}}\n"
        ),
    );
    world.hoist(&["up", "-d"]).ok();
    assert_eq!(
        asked(&world, "a", "echo $LLM_ONE_URL $LLM_ONE_MODEL"),
        "http://there:1/v1 ai/small"
    );
    assert_eq!(
        asked(&world, "b", "echo $HERE $WHICH"),
        "http://there:1/v1 ai/small"
    );
    world.hoist(&["down"]).ok();
    world.write(
        "compose.yaml",
        &format!("services: {{a: {{{SLEEP}, models: [m]}}}}\nmodels: {{m: {{model: ai/small}}}}\n"),
    );
    let refused = world.hoist(&["up", "-d"]).ended(1).stderr;
    assert!(
        refused.contains("nothing says where model `m` answers"),
        "{refused}"
    );
    assert!(refused.contains("x-hoist: {endpoint: URL}"), "{refused}");
}
