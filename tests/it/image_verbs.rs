//! The commands about images, as a user types them: every transport read back by other tools, commit and export of a
//! container, what tables and filters show, and what is refused.

use crate::registry::{images, trees};
use crate::world::{Output, World};
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};

/// A box whose store has `app:1`, an image of two layers that came from a layout.
fn place(name: &str) -> World {
    let world = World::new(name);
    let layout = world.project().join("made");
    let layers = [images::tar("one", b"1"), images::tar("two", b"22")];
    trees::write_layout(&layout, &layers);
    words(&world, "load -q -i oci:made:1").ok();
    let id = words(&world, "image ls -q").ok().stdout;
    words(&world, &format!("tag {} app:1", id.trim_end())).ok();
    world
}

fn words(world: &World, line: &str) -> Output {
    world.hoist(&line.split(' ').collect::<Vec<_>>())
}

/// Copies what skopeo finds at a place into a layout, and unpacks that with umoci.
fn read_back(world: &World, from: &str) -> trees::Tree {
    let to = world.project().join("back");
    world
        .run(&[
            "skopeo",
            "copy",
            "-q",
            from,
            &format!("oci:{}:1", to.display()),
        ])
        .ok();
    let mut tree = trees::of_umoci(&to, &world.project());
    fs::remove_dir_all(to).unwrap();
    // no layer has an entry for the root
    tree.remove("");
    tree
}

/// What a container of an image sees.
fn tree(world: &World, image: &str) -> trees::Tree {
    let mut tree = trees::of_store(&world.state(), image);
    tree.remove("");
    tree
}

#[test]
fn what_is_saved_other_tools_read_and_what_they_write_is_loaded() {
    let world = place("transports");
    let expected = tree(&world, "app:1");
    let id = words(&world, "image ls -q --no-trunc app:1").ok().stdout;
    for (place, theirs) in [
        ("oci:layout:v1", "oci:layout:v1"),
        (
            "oci:layout:127.0.0.1:5000/x:1",
            "oci:layout:127.0.0.1:5000/x:1",
        ),
        ("oci-archive:o.tar:v1", "oci-archive:o.tar:v1"),
        ("docker-archive:d.tar", "docker-archive:d.tar:app:1"),
        (
            "docker-archive:e.tar:other:2",
            "docker-archive:e.tar:other:2",
        ),
        ("dir:folder", "dir:folder"),
        ("plain.tar", "docker-archive:plain.tar:app:1"),
    ] {
        world.hoist(&["save", "-o", place, "app:1"]).ok();
        trees::assert_equal(&read_back(&world, theirs), &expected, place);
        // and back into a store that has nothing of it
        words(&world, &format!("rmi -f {}", id.trim_end())).ok();
        assert_eq!(words(&world, "image ls -q").ok().stdout, "");
        let said = world.hoist(&["load", "-i", place]).ok().stdout;
        assert!(said.starts_with("Loaded image"), "{said}");
        assert_eq!(
            words(&world, "image ls -q --no-trunc").ok().stdout,
            id,
            "{place}"
        );
        words(&world, &format!("tag {} app:1", id.trim_end())).ok();
        words(&world, "image prune -f").ok();
    }
    let script = "\"$0\" save app:1 | gzip | \"$0\" load";
    let said = world
        .run(&["sh", "-c", script, env!("CARGO_BIN_EXE_hoist")])
        .ok();
    assert_eq!(said.stdout, "Loaded image: app:1\n");
    for (line, why) in [
        ("save -o oci:made:1:2 none:1", "is not in the store"),
        ("save -o dir:two app:1 app:1x", "is not in the store"),
        ("save -o dir:made app:1", "something else in it"),
        ("load -i dir:nowhere", "nowhere"),
        ("load -i oci:layout:v9", "it has no such image, only: "),
        ("save -o oci: app:1", "a folder must follow"),
    ] {
        let failed = words(&world, line).ended(1).stderr;
        assert!(failed.contains(why), "{line}: {failed}");
    }
}

#[test]
fn a_container_is_committed_and_exported_as_it_is() {
    let world = place("commit");
    world.write(
        "compose.yaml",
        "services: {one: {image: 'app:1', network_mode: none}}\n",
    );
    words(&world, "up --no-start").ok();
    world.write("new", "new");
    words(&world, "cp new one:/new").ok();
    let id = world
        .hoist(&[
            "commit",
            "-m",
            "why",
            "-a",
            "who",
            "-c",
            "ENV A=\"b c\"",
            "-c",
            r#"CMD ["/x", "y"]"#,
            "one",
            "made:1",
        ])
        .ok()
        .stdout;
    let found: Value =
        serde_json::from_str(&words(&world, "image inspect made:1").ok().stdout).unwrap();
    assert_eq!(found[0]["Id"], id.trim_end());
    assert_eq!(found[0]["Author"], "who");
    assert_eq!(found[0]["Config"]["Cmd"], serde_json::json!(["/x", "y"]));
    assert!(found[0]["Config"]["Env"].to_string().contains("A=b c"));
    assert_eq!(found[0]["RepoTags"], serde_json::json!(["made:1"]));
    assert_eq!(found[0]["RootFS"]["Layers"].as_array().unwrap().len(), 3);
    let history = words(&world, "history --format {{.Comment}} made:1")
        .ok()
        .stdout;
    assert_eq!(history.lines().next(), Some("why"), "{history}");

    let expected = tree(&world, "made:1");
    assert!(expected.contains_key("new") && expected.contains_key("two"));
    words(&world, "save -o oci:out:1 made:1").ok();
    trees::assert_equal(&read_back(&world, "oci:out:1"), &expected, "saved");

    words(&world, "export -o one.tar one").ok();
    let names = world.run(&["tar", "-tf", "one.tar"]).ok().stdout;
    for name in ["one", "two", "new"] {
        let is = |line: &str| line.trim_start_matches("./") == name;
        assert!(names.lines().any(is), "{name} in {names}");
    }
    words(&world, "import one.tar again:1").ok();
    let again = tree(&world, "again:1");
    for path in ["one", "two", "new"] {
        assert_eq!(again[path], expected[path], "{path}");
    }
    // what a container was made of stays
    let failed = words(&world, "rmi app:1").ended(1).stderr;
    assert!(
        failed.contains("is used by container `project-one-1`"),
        "{failed}"
    );
    words(&world, "image prune -a -f").ok();
    let left = words(&world, "image ls --format {{.Repository}}:{{.Tag}}").ok();
    assert_eq!(left.stdout, "app:1\n");
    words(&world, "up --no-start").ok();
    let failed = words(&world, "commit two x:1").ended(1).stderr;
    assert!(failed.contains("two"), "{failed}");
    words(&world, "down").ok();
    words(&world, "rmi app:1").ok();
}

#[test]
fn a_replica_is_committed_and_exported_by_its_number() {
    let world = place("commit-index");
    world.write(
        "compose.yaml",
        "services: {one: {image: 'app:1', network_mode: none, scale: 2}}\n",
    );
    words(&world, "up --no-start").ok();
    world.write("second", "2");
    words(&world, "cp --index 2 second one:/second").ok();
    let change = [
        "commit", "--index", "2", "--change", "CMD /x", "one", "two:1",
    ];
    world.hoist(&change).ok();
    words(&world, "commit --index 1 one one:1").ok();
    assert!(tree(&world, "two:1").contains_key("second"));
    assert!(!tree(&world, "one:1").contains_key("second"));
    let exported = |index: &str| {
        words(&world, &format!("export --index {index} -o out.tar one")).ok();
        world.run(&["tar", "-tf", "out.tar"]).ok().stdout
    };
    assert!(exported("2").contains("second"));
    assert!(!exported("1").contains("second"));
    words(&world, "export --index 3 one").ended(1);
    words(&world, "down").ok();
    words(&world, "rmi app:1 one:1 two:1").ok();
}

#[test]
fn tables_filters_and_ids_are_docker_s() {
    let world = place("tables");
    let id = words(&world, "image ls -q --no-trunc").ok().stdout;
    let id = id.trim_end();
    let short = &id["sha256:".len()..][..12];
    words(&world, "tag app:1 app:2").ok();
    words(&world, "tag app:1 registry.test:5000/team/app:1").ok();
    let table = words(&world, "image ls").ok().stdout;
    let head: Vec<_> = table
        .lines()
        .next()
        .unwrap()
        .split("  ")
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .collect();
    assert_eq!(head, ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    assert_eq!(table.lines().count(), 4);
    assert_eq!(
        words(&world, "image ls -q").ok().stdout,
        format!("{short}\n")
    );
    for (line, names) in [
        ("app", "app:1 app:2"),
        ("app:2", "app:2"),
        (
            "--filter reference=*/team/*",
            "registry.test:5000/team/app:1",
        ),
        ("--filter dangling=true", ""),
        ("--filter label=none", ""),
    ] {
        let line = format!("image ls --format {{{{.Repository}}}}:{{{{.Tag}}}} {line}");
        let said = words(&world, &line).ok().stdout;
        assert_eq!(said.lines().collect::<Vec<_>>().join(" "), names, "{line}");
    }
    for (line, told) in [
        ("inspect -f {{.Id}} app:1", id),
        ("inspect --type image -f {{.RepoTags|len}} app:1", "3"),
        (
            "image inspect --format {{.Config.Entrypoint}} app:2",
            "<no value>",
        ),
    ] {
        let said = words(&world, line).ok().stdout;
        assert_eq!(said.trim_end(), told, "{line}");
    }
    let failed = words(&world, "inspect nothing").ended(1).stderr;
    assert!(failed.contains("no such object: `nothing`"), "{failed}");
    let failed = words(&world, "inspect -f {{.Nothing}} app:1")
        .ended(2)
        .stderr;
    assert!(failed.contains("names no field: `.Nothing`"), "{failed}");
    let failed = words(&world, "image ls --filter colour=red")
        .ended(2)
        .stderr;
    assert!(failed.contains("invalid filter `colour=red`"), "{failed}");
    let rows = words(&world, "image ls --format json").ok().stdout;
    let row: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    assert_eq!(row["ID"], short);

    // short ids, and what is ambiguous or unknown
    let found: Value =
        serde_json::from_str(&words(&world, &format!("inspect {}", &short[..5])).stdout)
            .or_else(|_| {
                serde_json::from_str(
                    &words(&world, &format!("image inspect {}", &short[..5]))
                        .ok()
                        .stdout,
                )
            })
            .unwrap();
    assert_eq!(found[0]["Id"], id);
    let failed = words(&world, "image inspect app:3").ended(1);
    assert_eq!(failed.stdout, "[]\n");
    assert!(
        failed.stderr.contains("did you mean `app:1`"),
        "{}",
        failed.stderr
    );
    let failed = words(&world, &format!("rmi {short}")).ended(1).stderr;
    assert!(failed.contains("has several names"), "{failed}");

    // a name moves: the image without one is dangling, and pruned
    fs::remove_dir_all(world.project().join("made")).unwrap();
    trees::write_layout(&world.project().join("made"), &[images::tar("x", b"other")]);
    words(&world, "load -q -i oci:made:1").ok();
    let other = words(&world, "image ls -q --filter dangling=true")
        .ok()
        .stdout;
    let said = words(&world, "rmi app:1 app:2 registry.test:5000/team/app:1")
        .ok()
        .stdout;
    assert_eq!(
        said,
        format!(
            "Untagged: app:1\nUntagged: app:2\nUntagged: registry.test:5000/team/app:1\nDeleted: {id}\n"
        )
    );
    assert_eq!(words(&world, "image ls -q").ok().stdout, other);
    let table = words(&world, "image ls").ok().stdout;
    assert!(table.contains("<none>"), "{table}");
    let said = words(&world, "image prune -f").ok().stdout;
    assert!(
        said.starts_with("Deleted: sha256:") && said.contains("Total reclaimed space: "),
        "{said}"
    );
    assert_eq!(words(&world, "image ls -q").ok().stdout, "");
}

/// A store with `old:1`, and hoist with it, to be killed at the `step`th of the calls that put things in their place.
fn killed(root: &std::path::Path, step: usize, line: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg("trace=rename,renameat,renameat2,unlink,unlinkat")
        .arg("-e")
        .arg(format!(
            "inject=rename,renameat,renameat2,unlink,unlinkat:signal=KILL:when={step}"
        ))
        .arg(env!("CARGO_BIN_EXE_hoist"))
        .args(line)
        .env("HOIST_ROOT", root.join("root"))
        .env("HOIST_RUN", root.join("run"))
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
fn an_import_and_a_prune_killed_at_each_step_leave_a_whole_store() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: `strace` is not installed");
        return;
    }
    for (line, least) in [
        (&["import", "new.tar", "new:1"][..], 4),
        (&["image", "prune", "-a", "-f"], 4),
    ] {
        let mut kills = 0;
        for step in 1..200 {
            let folder = tempfile::tempdir().unwrap();
            let hoist = |words: &[&str]| crate::registry::hoist(folder.path(), words);
            fs::write(folder.path().join("old.tar"), images::tar("old", b"old")).unwrap();
            fs::write(folder.path().join("new.tar"), images::tar("new", b"new")).unwrap();
            hoist(&["import", "old.tar", "old:1"]);
            if killed(folder.path(), step, line)
                .status()
                .unwrap()
                .success()
            {
                break;
            }
            kills += 1;
            crate::registry::assert_sound(&folder.path().join("root"));
            // it is as before or as after, and the command can be given again
            let left = hoist(&["image", "ls", "--format", "{{.Repository}}"]);
            match line[0] {
                "import" => assert!(
                    ["old\n", "new\nold\n", "old\nnew\n"].contains(&left.as_str()),
                    "{left}"
                ),
                _ => assert!(["old\n", ""].contains(&left.as_str()), "{left}"),
            }
            hoist(line);
            hoist(&["import", "old.tar", "old:1"]);
            crate::registry::assert_sound(&folder.path().join("root"));
        }
        assert!(kills >= least, "only {kills} of {line:?} were killed");
    }
}
