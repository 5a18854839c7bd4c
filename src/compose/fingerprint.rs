//! A stable name for what a service's containers are made of: when it changes, they are made anew.
//!
//! It is the SHA-256 of the canonical service as JSON with sorted keys, without what says something about the project and
//! nothing about a container (as in docker compose: `build`, `pull_policy`, the number of replicas, `depends_on`,
//! `profiles`, and here also `attach`), and with what the keys of networks, volumes, secrets and configs stand for.
//! Contents of bind mounts and of files behind secrets and configs are not looked at; inline and environment contents
//! are.
//!
//! Invariant: it does not depend on the order of keys in a file.

use super::canonical::Canonical;
use super::model::FileContent;
use super::render;
use super::yaml::Node;
use crate::id::Digest;
use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha256;

const LEFT_OUT: [&str; 8] = [
    "attach",
    "build",
    "depends_on",
    "develop",
    "profiles",
    "pull_policy",
    "pull_refresh_after",
    "scale",
];

/// Parts of `deploy` that say nothing about a container.
const DEPLOY_LEFT_OUT: [&str; 7] = [
    "endpoint_mode",
    "labels",
    "mode",
    "placement",
    "replicas",
    "rollback_config",
    "update_config",
];

/// The fingerprint of a service of a project.
pub fn service(canonical: &Canonical, name: &str) -> Digest {
    digest(&material(canonical, name, |text| text.into()))
}

/// What the fingerprint is made of, to be kept and told: a digest instead of what a secret or config holds.
pub fn tellable(canonical: &Canonical, name: &str) -> Value {
    let hidden = |content: &str| digest(&content.into()).to_string().into();
    material(canonical, name, hidden)
}

/// `content` writes down what a secret or config holds.
fn material(canonical: &Canonical, name: &str, content: impl Fn(&str) -> Value) -> Value {
    let empty = Node::mapping(canonical.root.span, []);
    let service = canonical.service(name).unwrap_or(&empty);
    let mut value = render::to_json(service);
    if let Value::Object(fields) = &mut value {
        fields.retain(|key, _| !LEFT_OUT.contains(&key.as_str()));
        if let Some(Value::Object(deploy)) = fields.get_mut("deploy") {
            deploy.retain(|key, _| !DEPLOY_LEFT_OUT.contains(&key.as_str()));
            if deploy.is_empty() {
                fields.shift_remove("deploy");
            }
        }
        fields.insert("x-names".into(), names(canonical, service));
        for section in ["secrets", "configs"] {
            let contents = contents(canonical, service, section, &content);
            fields.insert(format!("x-{section}"), contents);
        }
    }
    render::sort(&mut value);
    value
}

fn digest(value: &Value) -> Digest {
    let hash = Sha256::digest(value.to_string().as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::new(format!("sha256:{hex}")).expect("a sha256 is 64 hex digits")
}

/// What the keys of networks, volumes and models stand for.
fn names(canonical: &Canonical, service: &Node) -> Value {
    let named = |section: &str, key: &str| {
        let resource = canonical.root.get(section)?.get(key)?;
        Some(Value::from(resource.text_at("name")?))
    };
    let networks = service.get("networks").into_iter().flat_map(Node::entries);
    let networks = networks.filter_map(|(key, _)| named("networks", key));
    let volumes = service.get("volumes").map_or(&[][..], Node::items).iter();
    let volumes = volumes.filter_map(|mount| named("volumes", mount.text_at("source")?));
    let models = service.get("models").into_iter().flat_map(Node::entries);
    let models = models.filter_map(|(key, _)| {
        let model = canonical.root.get("models")?.get(key)?;
        Some(render::to_json(model))
    });
    networks.chain(volumes).chain(models).collect()
}

fn contents(
    canonical: &Canonical,
    service: &Node,
    section: &str,
    content: impl Fn(&str) -> Value,
) -> Value {
    let objects = canonical.root.get(section);
    let mounts = service.get(section).map_or(&[][..], Node::items).iter();
    mounts
        .filter_map(|mount| objects?.get(mount.text_at("source")?))
        .map(|object| match canonical.content(object) {
            Some(FileContent::Environment(_, text) | FileContent::Inline(text)) => content(&text),
            _ => Value::from(object.text_at("file").unwrap_or_default()),
        })
        .collect()
}
