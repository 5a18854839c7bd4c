//! Compose files in registries: both programs fetch them from Debian's registry, and must say the same.
//!
//! docker compose speaks TLS with every registry, also one on loopback, so this one has a certificate.

use super::answer;
use super::case::Case;
use super::oracle;
use crate::registry::images::digest;
use crate::registry::server::Server;
use crate::registry::server::Tls;
use crate::registry::server::skopeo;
use serde_json::Value;
use serde_json::json;
use std::path::Path;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const PROJECT: &str = "application/vnd.docker.compose.project";

/// The artifacts: a name, and the files in it. `*`: one that others extend.
const ARTIFACTS: [(&str, &[(&str, &str)]); 8] = [
    (
        "app",
        &[
            (
                "compose.yaml",
                "services: {web: {image: web, env_file: 0a.env, extends: {file: 0b.yaml, service: base}}}\n",
            ),
            (
                "compose.override.yaml",
                "services: {web: {image: 'web:${TAG:-2}', build: ./ctx}}\n",
            ),
            (
                "*0b.yaml",
                "services: {base: {labels: {from: base}, volumes: ['./data:/data']}}\n",
            ),
            ("0a.env", "A=1\n"),
        ],
    ),
    (
        "plain",
        &[(
            "compose.yaml",
            "services: {p: {image: 'p:${TAG:-none}', volumes: ['vol:/v']}}\nvolumes: {vol: }\n",
        )],
    ),
    (
        "two",
        &[
            ("a.yaml", "services: {a: {image: x}}\n"),
            ("b.yaml", "services: {a: {hostname: h}, b: {image: y}}\n"),
        ],
    ),
    (
        "named",
        &[("compose.yaml", "name: given\nservices: {p: {image: p}}\n")],
    ),
    (
        "leads",
        &[(
            "compose.yaml",
            "include: ['oci://@/plain']\nservices: {l: {image: l}}\n",
        )],
    ),
    (
        "out",
        &[
            ("compose.yaml", "services: {p: {image: p}}\n"),
            ("../../out.env", "A=1\n"),
        ],
    ),
    ("empty", &[("a.env", "A=1\n")]),
    ("broken", &[("compose.yaml", "services: {p: {imag: p}}\n")]),
];

/// What is asked, in a folder with a `.env`, `here.env`, and this file. `@` is the registry.
const MAIN: &str =
    "include: ['oci://@/plain']\nservices: {m: {image: 'z:${TAG:-none}', volumes: ['./m:/m']}}\n";
const QUESTIONS: [(&str, &str, &str); 16] = [
    ("included", MAIN, ""),
    (
        "included-env",
        "include: [{path: 'oci://@/plain', env_file: here.env}]\nservices: {m: {image: z}}\n",
        "",
    ),
    ("included-all", "include: ['oci://@/app']\n", ""),
    (
        "extended",
        "services: {q: {extends: {file: 'oci://@/plain', service: p}}}\nvolumes: {vol: }\n",
        "",
    ),
    ("file", MAIN, "-f oci://@/app"),
    ("file-tag", MAIN, "-f oci://@/app:latest"),
    ("file-two", MAIN, "-f oci://@/two"),
    ("file-named", MAIN, "-f oci://@/named"),
    ("file-leads", MAIN, "-f oci://@/leads"),
    ("file-project", MAIN, "-p other -f oci://@/plain"),
    (
        "own-and-file",
        "services: {p: {volumes: ['./mine:/mine']}}\n",
        "-f compose.yaml -f oci://@/plain",
    ),
    ("no-such-tag", MAIN, "-f oci://@/app:gone"),
    ("no-such-name", "include: ['oci://@/gone']\n", ""),
    ("no-way-out", MAIN, "-f oci://@/out"),
    ("no-compose-file", MAIN, "-f oci://@/empty"),
    ("no-such-attribute", MAIN, "-f oci://@/broken"),
];

/// Writes a file as a blob of the layout, and says what to call it.
fn blob(layout: &Path, bytes: &[u8]) -> String {
    let name = digest(bytes);
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(name.strip_prefix("sha256:").unwrap()), bytes).unwrap();
    name
}

/// A file as docker compose publishes it.
fn layer(layout: &Path, (name, text): (&str, &str)) -> Value {
    let (extends, name) = (name.starts_with('*'), name.trim_start_matches('*'));
    let (kind, key) = match name.ends_with(".env") {
        true => ("envfile", "com.docker.compose.envfile"),
        false => ("file+yaml", "com.docker.compose.file"),
    };
    let mut annotations = json!({key: name, "com.docker.compose.version": "v2.40.3"});
    if extends {
        annotations["com.docker.compose.extends"] = "true".into();
    }
    json!({
        "mediaType": format!("application/vnd.docker.compose.{kind}"),
        "digest": blob(layout, text.as_bytes()), "size": text.len(), "annotations": annotations,
    })
}

fn publish(server: &Server, root: &Path, name: &str, files: &[(&str, &str)]) {
    let layout = root.join(format!("layout-{name}"));
    let text = |text: &str| text.replace('@', server.host());
    let layers = files
        .iter()
        .map(|(name, it)| layer(&layout, (name, &text(it))));
    let layers: Vec<Value> = layers.collect();
    let empty = blob(&layout, b"{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": PROJECT, "layers": layers,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": MANIFEST, "digest": blob(&layout, &manifest), "size": manifest.len(),
    }]});
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    std::fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion": "1.0.0"}"#,
    )
    .unwrap();
    let from = format!("oci:{}", layout.display());
    let to = server.docker(&format!("{name}:latest"));
    skopeo(&["copy", "-q", "--dest-tls-verify=false", &from, &to]);
}

fn question(asked: (&str, &str, &str), host: &str, home: &Path, tls: &Tls) -> Case {
    let (name, file, arguments) = asked;
    let variable = |name: &str, value: String| (name.to_owned(), value);
    let words = format!("{arguments} config --format json").replace('@', host);
    let files = [
        ("compose.yaml", file),
        (".env", "TAG=new\n"),
        ("here.env", "TAG=here\n"),
    ];
    Case {
        name: name.to_owned(),
        environment: [
            variable("PATH", std::env::var("PATH").unwrap()),
            variable("HOME", home.display().to_string()),
            variable("SSL_CERT_FILE", tls.ca().display().to_string()),
        ]
        .into(),
        files: files
            .map(|(name, text)| (name.to_owned(), text.replace('@', host)))
            .into(),
        arguments: words.split_whitespace().map(str::to_owned).collect(),
        ..Case::default()
    }
}

/// An answer without the places of both caches: theirs is named after the digest, as ours is.
fn without_cache(answer: &Value, home: &Path) -> Value {
    let caches = [".cache/docker-compose/", ".cache/hoist/oci/sha256-"];
    let text = caches.iter().fold(answer.to_string(), |text, cache| {
        text.replace(home.join(cache).to_str().unwrap(), "/ARTIFACT-")
    });
    serde_json::from_str(&text).unwrap()
}

/// A project of which nearly everything is in other files, as hoist publishes it.
const PUBLISHED: [(&str, &str); 5] = [
    (
        "compose.yaml",
        "# mine\nservices:\n  web: {image: 'x:${TAG:-1}', env_file: [./env/a.env], volumes: ['./data:/data']}\n  \
         api:\n    environment: {A: one}\n    extends: {file: sub/base.yaml, service: base} # elsewhere\n",
    ),
    (
        "compose.override.yaml",
        "services: {web: {hostname: over, depends_on: [api]}}\n",
    ),
    ("env/a.env", "FROM_FILE=1\nTWO=${FROM_FILE}2\n"),
    (
        "sub/base.yaml",
        "services: {base: {image: base, label_file: l.env, extends: {file: deep.yaml, service: deep}}}\n",
    ),
    ("sub/deep.yaml", "services: {deep: {command: [deep]}}\n"),
];

#[test]
fn what_is_published_docker_compose_reads_as_we_do() {
    let Some(oracle) = oracle::oracle() else {
        return;
    };
    let (root, places) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (tls, home) = (Tls::new(), root.path().join("home"));
    let server = Server::start("", Some(&tls));
    let project = root.path().join("project");
    for (name, text) in PUBLISHED.into_iter().chain([("sub/l.env", "label=1\n")]) {
        let file = project.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hoist"));
        command
            .args(words)
            .current_dir(&project)
            .env_clear()
            .env("HOME", &home);
        command.output().unwrap()
    };
    for (form, name) in [("1.1", "new"), ("1.0", "old")] {
        let to = server.name(&format!("{name}:1"));
        let refused = run(&["publish", &to]);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(
            told.contains("hint: publish it with `--with-env`"),
            "{told}"
        );
        let asked = run(&["publish", "--with-env", &to]);
        let told = String::from_utf8_lossy(&asked.stderr);
        assert!(
            told.contains("sets `A`") && told.contains("Publish it? [yN]"),
            "{told}"
        );
        let flags = [
            "--with-env",
            "--yes",
            "--insecure-registry",
            "--oci-version",
            form,
        ];
        let words = [&["publish"][..], &flags, &[to.as_str()]].concat();
        let done = run(&words);
        let line = String::from_utf8_lossy(&done.stdout);
        assert!(line.starts_with("1: digest: sha256:"), "{line}{done:?}");
        let file = format!("-f oci://@/{name}:1");
        let case = question((name, "services: {}\n", &file), server.host(), &home, &tls);
        let folder = case.write(places.path());
        let ours = without_cache(&case.ours(&folder), &home);
        let theirs = without_cache(&case.theirs(oracle, &folder), &home);
        assert!(
            answer::same(&ours, &theirs),
            "ours   {ours}\ntheirs {theirs}"
        );
        let services = &ours["services"];
        assert_eq!(
            services["web"]["environment"],
            json!({"FROM_FILE": "1", "TWO": "12"}),
            "{ours}"
        );
        assert_eq!(services["api"]["labels"], json!({"label": "1"}));
        assert_eq!(services["api"]["command"], json!(["deep"]));
    }
}

#[test]
fn files_in_registries_are_read_as_docker_compose_reads_them() {
    let Some(oracle) = oracle::oracle() else {
        return;
    };
    let (root, places) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tls = Tls::new();
    let server = Server::start("", Some(&tls));
    for (name, files) in ARTIFACTS {
        publish(&server, root.path(), name, files);
    }
    let home = root.path().join("home");
    let different = super::names("differences.md");
    let mut wrong = Vec::new();
    for asked in QUESTIONS {
        let case = question(asked, server.host(), &home, &tls);
        let folder = case.write(places.path());
        let ours = without_cache(&case.ours(&folder), &home);
        let theirs = without_cache(&case.theirs(oracle, &folder), &home);
        let fails = asked.0.starts_with("no-");
        let differs = different.contains(&format!("oci:{}", case.name));
        if answer::same(&ours, &theirs) == differs || answer::failed(&ours) != fails {
            wrong.push(format!("{}\n  ours   {ours}\n  theirs {theirs}", case.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
