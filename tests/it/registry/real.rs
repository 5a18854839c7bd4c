//! Debian's registry server: what skopeo pushes we pull, what we push skopeo pulls, over plain HTTP, TLS, with passwords,
//! tokens and through a mirror.

use super::server::{Server, Tls, hoist, skopeo};
use super::trees::{self, Recipe};
use std::fs;
use std::process::Command;

/// The digest that skopeo sees.
fn digest(server: &Server, image: &str) -> String {
    let raw = skopeo(&[
        "inspect",
        "--raw",
        "--tls-verify=false",
        &server.docker(image),
    ]);
    super::images::digest(&raw)
}

/// The digest that a pull prints.
fn printed(output: &str) -> &str {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("Digest: "));
    line.unwrap_or_default()
}

#[test]
fn images_of_every_kind_are_the_same_trees_as_umoci_makes_of_them() {
    let server = Server::start("", None);
    let folder = tempfile::tempdir().unwrap();
    let recipes = Recipe::all();
    assert!(recipes.len() >= 30);
    let mut seen = 0;
    for (n, recipe) in recipes.iter().enumerate() {
        let layout = folder.path().join(format!("oci{n}"));
        recipe.build(&layout);
        let image = format!("tree/i{n}:1");
        let from = format!("oci:{}:1", layout.display());
        let mut words = vec!["copy", "-q", "--dest-tls-verify=false"];
        words.extend(recipe.format());
        skopeo(&[words, vec![&from, &server.docker(&image)]].concat());
        let pulled = hoist(folder.path(), &[], &["pull", &server.name(&image)]);
        assert_eq!(
            printed(&pulled),
            digest(&server, &image),
            "{}",
            recipe.name()
        );
        let ours = trees::of_store(&folder.path().join("root"), &server.name(&image));
        let theirs = trees::of_umoci(&layout, folder.path());
        trees::assert_equal(&ours, &theirs, &recipe.name());
        seen += ours.len();
        fs::remove_dir_all(&layout).unwrap();
    }
    assert!(seen > 1000, "only {seen} files were compared");
}

/// `HOIST_TEST_ENGINES="docker;nsenter --mount=NS podman"`: how the clients of other engines on this machine are called.
#[test]
#[ignore = "needs other engines, and is told of them in HOIST_TEST_ENGINES"]
fn images_of_every_kind_are_the_same_trees_as_other_engines_make_of_them() {
    let engines = std::env::var("HOIST_TEST_ENGINES").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut differing = Vec::new();
    for recipe in Recipe::all() {
        let layout = root.join("oci");
        recipe.build(&layout);
        let from = format!("oci:{}:1", layout.display());
        let ours = comparable(trees::of_store(&root.join("root"), &from));
        for engine in engines.split(';') {
            let words: Vec<&str> = engine.split_whitespace().collect();
            let theirs = comparable(trees::of_engine(&words, &layout, root));
            let found = trees::differences(&ours, &theirs);
            if !found.is_empty() {
                let name = recipe.name();
                differing.push(format!("{name} by {engine}:\n{}", found.join("\n")));
            }
        }
        fs::remove_dir_all(&layout).unwrap();
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// A tree without what docker does otherwise than the specification: the root has the time of its unpacking, and a time
/// before 1970 is 1970.
pub fn comparable(mut tree: trees::Tree) -> trees::Tree {
    tree.remove("");
    for text in tree.values_mut() {
        *text = text.replace("time -3600.000000000", "time 0.000000000");
    }
    tree
}

#[test]
fn what_we_push_skopeo_pulls() {
    let server = Server::start("", None);
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("oci");
    let recipe = &Recipe::all()[0];
    recipe.build(&layout);
    skopeo(&[
        "copy",
        "-q",
        "--dest-tls-verify=false",
        &format!("oci:{}:1", layout.display()),
        &server.docker("a:1"),
    ]);
    let root = folder.path();
    hoist(root, &[], &["pull", "-q", &server.name("a:1")]);
    hoist(
        root,
        &[],
        &["tag", &server.name("a:1"), &server.name("team/b:2")],
    );
    let said = hoist(root, &[], &["push", &server.name("team/b:2")]);
    assert!(
        said.starts_with(&format!("2: digest: {} size: ", digest(&server, "a:1"))),
        "{said}"
    );
    assert_eq!(digest(&server, "team/b:2"), digest(&server, "a:1"));
    // what was in the other repository was mounted, not sent
    assert!(server.log().contains("from=a"), "no mount was tried");
    // to a registry that has nothing of it
    let other = Server::start("", None);
    hoist(root, &[], &["tag", &server.name("a:1"), &other.name("c:3")]);
    hoist(root, &[], &["push", "-q", &other.name("c:3")]);
    let back = format!("oci:{}:1", folder.path().join("back").display());
    skopeo(&[
        "copy",
        "-q",
        "--src-tls-verify=false",
        &other.docker("c:3"),
        &back,
    ]);
    let ours = trees::of_umoci(&folder.path().join("back"), root);
    let theirs = trees::of_umoci(&layout, root);
    trees::assert_equal(&ours, &theirs, "round trip");
    // again: nothing to send
    hoist(root, &[], &["push", "-q", &other.name("c:3")]);
}

#[test]
fn an_index_goes_whole_or_not_at_all() {
    let server = Server::start("", None);
    let folder = tempfile::tempdir().unwrap();
    let index = trees::push_index(&server, folder.path(), "multi:1");
    let root = folder.path();
    let said = hoist(root, &[], &["pull", &server.name("multi:1")]);
    assert_eq!(printed(&said), index);
    let said = hoist(
        root,
        &[],
        &["pull", "--platform", "linux/arm64", &server.name("multi:1")],
    );
    assert_eq!(printed(&said), index);
    let tree = trees::of_store(&root.join("root"), &server.name("multi:1"));
    assert!(tree.keys().any(|path| path == "arm64"), "{:?}", tree.keys());
    let failed = super::server::fails(
        root,
        &[],
        &["pull", "--platform", "linux/s390x", &server.name("multi:1")],
    );
    assert!(failed.contains("no variant for `linux/s390x`"), "{failed}");
    // both images are here now
    let other = Server::start("", None);
    hoist(
        root,
        &[],
        &["tag", &server.name("multi:1"), &other.name("multi:1")],
    );
    hoist(root, &[], &["push", "-q", &other.name("multi:1")]);
    assert_eq!(digest(&other, "multi:1"), index);
}

#[test]
fn all_tags_of_a_repository_come_and_go_together() {
    let server = Server::start("", None);
    let folder = tempfile::tempdir().unwrap();
    for tag in ["a:1", "a:2", "a:latest", "b:1"] {
        trees::push_small(&server, folder.path(), tag);
    }
    let root = folder.path();
    hoist(root, &[], &["pull", "-q", "-a", &server.name("a")]);
    let here = hoist(root, &[], &["images", "--format", "{{.Tag}}"]);
    let mut tags: Vec<&str> = here.lines().collect();
    tags.sort_unstable();
    assert_eq!(tags, ["1", "2", "latest"], "and nothing of b");
    let other = Server::start("", None);
    for tag in ["1", "2"] {
        let from = server.name(&format!("a:{tag}"));
        hoist(root, &[], &["tag", &from, &other.name(&format!("c:{tag}"))]);
    }
    hoist(root, &[], &["push", "-q", "--all-tags", &other.name("c")]);
    assert_eq!(digest(&other, "c:1"), digest(&server, "a:1"));
    assert_eq!(digest(&other, "c:2"), digest(&server, "a:2"));
    for (words, expected) in [
        (["pull", "-a", "a:1"], "neither tag nor digest"),
        (["push", "-a", "nobody/has-it"], "is not in the store"),
    ] {
        let failed = super::server::fails(root, &[], &words);
        assert!(failed.contains(expected), "{failed}");
    }
}

#[test]
fn with_tls_the_ca_decides() {
    let tls = Tls::new();
    let server = Server::start("", Some(&tls));
    let folder = tempfile::tempdir().unwrap();
    trees::push_small(&server, folder.path(), "a:1");
    let root = folder.path();
    let home = root.join("home");
    // a loopback registry without a CA is trusted as docker does
    hoist(root, &[], &["pull", "-q", &server.name("a:1")]);
    let certs = home.join(".config/containers/certs.d").join(server.host());
    fs::create_dir_all(&certs).unwrap();
    fs::copy(Tls::new().ca(), certs.join("ca.crt")).unwrap();
    let failed = super::server::fails(root, &[], &["pull", "-q", &server.name("a:1")]);
    assert!(
        failed.contains("certificate") && failed.contains("certs.d"),
        "{failed}"
    );
    fs::copy(tls.ca(), certs.join("ca.crt")).unwrap();
    hoist(root, &[], &["pull", "-q", &server.name("a:1")]);
    // and a registry that wants to know us
    let mutual = Server::start(&tls.client_auth(), Some(&tls));
    let certs = home.join(".docker/certs.d").join(mutual.host());
    fs::create_dir_all(&certs).unwrap();
    fs::copy(tls.ca(), certs.join("ca.crt")).unwrap();
    super::server::fails(root, &[], &["pull", "-q", &mutual.name("a:1")]);
    fs::copy(tls.client().0, certs.join("me.cert")).unwrap();
    fs::copy(tls.client().1, certs.join("me.key")).unwrap();
    let failed = super::server::fails(root, &[], &["pull", "-q", &mutual.name("a:1")]);
    assert!(
        failed.contains("has no image"),
        "we are let in now: {failed}"
    );
}

#[test]
fn passwords_are_tried_kept_used_and_forgotten() {
    let server = Server::with_password("me", "pw");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let image = server.name("a:1");
    let failed = super::server::fails(root, &[], &["pull", "-q", &image]);
    assert!(
        failed.contains(&format!("hoist login {}", server.host())),
        "{failed}"
    );
    let login = ["login", "-u", "me", "--password-stdin", server.host()];
    let (code, said) = super::server::with_stdin(root, &login, "wrong\n");
    assert_eq!(code, 1, "{said}");
    let (code, said) = super::server::with_stdin(root, &login, "pw\n");
    assert_eq!(
        (code, said.lines().last()),
        (0, Some("Login Succeeded")),
        "{said}"
    );
    trees::push_small(&server, root, "a:1");
    hoist(root, &[], &["pull", "-q", &image]);
    hoist(root, &[], &["tag", &image, &server.name("b:1")]);
    hoist(root, &[], &["push", "-q", &server.name("b:1")]);
    hoist(root, &[], &["logout", server.host()]);
    super::server::fails(root, &[], &["pull", "-q", &image]);
    // what the container tools have written counts as well
    let file = root.join("auth.json");
    let text = format!(
        r#"{{"auths": {{"{}/b": {{"auth": "bWU6cHc="}}}}}}"#,
        server.host()
    );
    fs::write(&file, text).unwrap();
    let env = [("REGISTRY_AUTH_FILE", file.to_str().unwrap())];
    hoist(root, &env, &["pull", "-q", &server.name("b:1")]);
    super::server::fails(root, &env, &["pull", "-q", &image]);
}

#[test]
fn a_credential_keeper_is_asked_and_told() {
    let server = Server::with_password("me", "pw");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    trees::push_small(&server, root, "a:1");
    let program = root.join("docker-credential-test");
    let script = format!(
        "#!/bin/sh\ncd '{}'; case $1 in\nstore) cat > kept;;\nget) grep -qxF '{}' && [ -e kept ] && cat kept || {{ echo 'credentials not found in native keychain'; exit 1; }};;\nerase) rm kept;;\nesac\n",
        root.display(),
        server.host()
    );
    fs::write(&program, script).unwrap();
    Command::new("chmod")
        .arg("+x")
        .arg(&program)
        .status()
        .unwrap();
    let config = root.join("home/.docker");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("config.json"), r#"{"credsStore": "test"}"#).unwrap();
    super::server::fails(root, &[], &["pull", "-q", &server.name("a:1")]);
    let login = ["login", "-u", "me", "--password-stdin", server.host()];
    assert_eq!(super::server::with_stdin(root, &login, "pw").0, 0);
    assert!(
        !fs::read_to_string(config.join("config.json"))
            .unwrap()
            .contains("auth\"")
    );
    hoist(root, &[], &["pull", "-q", &server.name("a:1")]);
    hoist(root, &[], &["logout", server.host()]);
    assert!(!root.join("kept").exists());
}

#[test]
fn a_mirror_is_asked_first_and_the_registry_if_it_fails() {
    let upstream = Server::start("", None);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    trees::push_small(&upstream, root, "library/redis:7");
    let proxy = format!("proxy: {{remoteurl: 'http://{}'}}\n", upstream.host());
    let mirror = Server::start(&proxy, None);
    let file = root.join("registries.json");
    let text = format!(
        r#"{{"registries": {{"docker.io": {{"mirrors": ["{}"]}}}}}}"#,
        mirror.host()
    );
    fs::write(&file, text).unwrap();
    let env = [("HOIST_REGISTRIES", file.to_str().unwrap())];
    let said = hoist(root, &env, &["pull", "redis:7"]);
    assert_eq!(said.lines().last(), Some("docker.io/library/redis:7"));
    // one that is gone is no obstacle
    let dead = mirror.host().to_owned();
    drop(mirror);
    let text = format!(
        r#"{{"registries": {{"{0}": {{"mirrors": ["{dead}"]}}}}}}"#,
        upstream.host()
    );
    fs::write(&file, text).unwrap();
    hoist(
        root,
        &env,
        &["pull", "-q", &upstream.name("library/redis:7")],
    );
}

#[test]
fn up_fetches_what_is_missing_and_names_the_place_of_what_it_cannot() {
    let server = Server::start("", None);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    trees::push_small(&server, root, "a:1");
    let file = |image: &str| {
        let text = format!("services:\n  one:\n    image: {image}\n");
        fs::write(root.join("compose.yaml"), text).unwrap();
    };
    file(&server.name("none:1"));
    let failed = super::server::fails(root, &[], &["up", "-d"]);
    assert!(
        failed.contains("compose.yaml:3:12") && failed.contains("has no image"),
        "{failed}"
    );
    let failed = super::server::fails(root, &[], &["up", "-d", "--pull", "never"]);
    assert!(failed.contains("not in the store"), "{failed}");
    file(&server.name("a:1"));
    hoist(root, &[], &["pull"]);
    let said = super::server::stderr(root, &["pull", "--policy", "missing"]);
    assert!(said.contains("Skipped"), "{said}");
    let said = super::server::stderr(root, &["--progress", "json", "pull"]);
    assert!(
        said.contains(r#""text":"Pulled","details":"up to date""#),
        "{said}"
    );
}
