//! Compose files that a registry keeps: `oci://` in `-f` and `include`.

use super::fake::Fake;
use super::images::{self, digest};
use super::server::{fails, hoist};
use std::fs;
use std::path::Path;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const PROJECT: &str = "application/vnd.docker.compose.project";
const FILE: &str = "application/vnd.docker.compose.file+yaml";
const ENV: &str = "application/vnd.docker.compose.envfile";

/// A layer: kind, the annotation that names its file (`*`: one that others extend), and what is in it.
type File<'a> = (&'a str, &'a str, &'a str);

const FILES: [File<'_>; 4] = [
    (
        FILE,
        "compose.yaml",
        "services: {web: {image: web, env_file: 0a.env, extends: {file: 0b.yaml, service: base}}}\n",
    ),
    (
        FILE,
        "compose.override.yaml",
        "services: {web: {image: 'web:${TAG:-2}'}}\n",
    ),
    (
        FILE,
        "*0b.yaml",
        "services: {base: {labels: {from: base}, volumes: ['./data:/data']}}\n",
    ),
    (ENV, "0a.env", "A=1\n"),
];

/// Publishes files as docker compose does; the digest of the manifest.
fn publish(fake: &Fake, tag: &str, files: &[File<'_>]) -> String {
    let layer = |(kind, name, text): &File<'_>| {
        let (name, extends) = (name.trim_start_matches('*'), name.starts_with('*'));
        let name_of = match *kind {
            ENV => "com.docker.compose.envfile",
            _ => "com.docker.compose.file",
        };
        let mut annotations = serde_json::json!({name_of: name});
        if extends {
            annotations["com.docker.compose.extends"] = "true".into();
        }
        fake.put_blob(&digest(text.as_bytes()), text.as_bytes().to_vec());
        serde_json::json!({
            "mediaType": kind, "digest": digest(text.as_bytes()), "size": text.len(), "annotations": annotations,
        })
    };
    let layers: Vec<_> = files.iter().map(layer).collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": PROJECT, "layers": layers,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
    });
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let name = digest(&bytes);
    fake.put_manifest("team/app", tag, MANIFEST, &bytes);
    fake.put_manifest("team/app", &name, MANIFEST, &bytes);
    name
}

fn config(root: &Path, file: &str) -> serde_json::Value {
    let text = hoist(
        root,
        &[],
        &["-p", "p", "-f", file, "config", "--format", "json"],
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn compose_files_of_a_registry_are_fetched_once() {
    let (fake, root) = (Fake::start(), tempfile::tempdir().unwrap());
    let root = root.path();
    let digest = publish(&fake, "1", &FILES);
    let url = format!("oci://{}/team/app", fake.host());
    let first = config(root, &format!("{url}:1"));
    let web = &first["services"]["web"];
    assert_eq!(web["image"], "web:2");
    assert_eq!(web["environment"]["A"], "1");
    assert_eq!(web["labels"]["from"], "base");
    let source = web["volumes"][0]["source"].as_str().unwrap();
    let folder = format!("home/.cache/hoist/oci/{}", digest.replace(':', "-"));
    assert_eq!(Path::new(source), root.join(&folder).join("data"));

    fake.reset();
    assert_eq!(config(root, &format!("{url}:1")), first);
    assert!(fake.seen().iter().all(|seen| !seen.is_blob()));
    fake.reset();
    assert_eq!(config(root, &format!("{url}@{digest}")), first);
    assert!(fake.seen().is_empty(), "a digest that is here needs nobody");

    let including = format!("include: ['{url}:1']\nservices: {{db: {{image: db}}}}\n");
    fs::write(root.join("own.yaml"), including).unwrap();
    let services = hoist(root, &[], &["-f", "own.yaml", "config", "--services"]);
    assert_eq!(services.lines().count(), 2, "{services}");
}

#[test]
fn an_index_leads_to_the_compose_files_in_it() {
    let (fake, root) = (Fake::start(), tempfile::tempdir().unwrap());
    let inner = publish(&fake, "inner", &FILES);
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{"mediaType": MANIFEST, "artifactType": PROJECT, "digest": inner, "size": 1}],
    });
    fake.put_manifest("team/app", "1", INDEX, &serde_json::to_vec(&index).unwrap());
    let found = config(root.path(), &format!("oci://{}/team/app:1", fake.host()));
    assert_eq!(found["services"]["web"]["image"], "web:2");
}

#[test]
fn what_is_no_compose_artifact_is_refused() {
    let (fake, root) = (Fake::start(), tempfile::tempdir().unwrap());
    let root = root.path();
    images::publish(&fake, "team/app", "image", &[images::layer("x", b"y")]);
    publish(
        &fake,
        "out",
        &[
            (FILE, "compose.yaml", "services: {}\n"),
            (ENV, "../../out", "A=1\n"),
        ],
    );
    publish(&fake, "none", &[(ENV, "a.env", "A=1\n")]);
    for (tag, words) in [
        ("image", "it is an image, not compose files"),
        ("out", "`../../out` is no name of a file in its folder"),
        ("none", "it has no compose file"),
        ("gone", "has no image `team/app:gone`"),
    ] {
        let file = format!("oci://{}/team/app:{tag}", fake.host());
        let told = fails(root, &[], &["-p", "p", "-f", &file, "config"]);
        assert!(
            told.contains("error[remote-file]: cannot fetch `oci://"),
            "{told}"
        );
        assert!(told.contains(words), "{told}");
    }
    let kept = fs::read_dir(root.join("home/.cache/hoist/oci"))
        .into_iter()
        .flatten();
    assert_eq!(kept.count(), 0);
    assert!(!root.join("home/.cache/out").exists());
}
