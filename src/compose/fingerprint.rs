//! A stable name for what a service's containers are made of: when it changes, they are made anew.
//!
//! As in docker compose, that leaves out `pull_policy`, the number of replicas, `depends_on`, `profiles` and `attach`,
//! which say something about the project and nothing about a container. Contents of bind mounts and of files behind
//! secrets and configs are not looked at; inline and environment contents are.
//!
//! Invariant: it does not depend on the order of keys in a file.

use super::model::FileContent;
use super::model::FileMount;
use super::model::FileObject;
use super::model::Mount;
use super::model::Project;
use super::model::Service;
use super::render;
use crate::id::Digest;
use indexmap::IndexMap;
use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha256;

const LEFT_OUT: [&str; 6] = [
    "attach",
    "depends_on",
    "deploy",
    "profiles",
    "pull_policy",
    "scale",
];

/// The fingerprint of a service of `project`.
pub fn service(project: &Project, service: &Service) -> Digest {
    let mut value = render::service(service);
    if let Value::Object(fields) = &mut value {
        for key in LEFT_OUT {
            fields.shift_remove(key);
        }
        fields.insert("restart".into(), format!("{:?}", service.restart).into());
        fields.insert("x-names".into(), names(project, service));
        let secrets = contents(&project.secrets, &service.secrets);
        let configs = contents(&project.configs, &service.configs);
        fields.insert("x-secrets".into(), secrets);
        fields.insert("x-configs".into(), configs);
    }
    render::sort(&mut value);
    let hash = Sha256::digest(value.to_string().as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::new(format!("sha256:{hex}")).expect("a sha256 is 64 hex digits")
}

/// What the keys of networks and volumes stand for.
fn names(project: &Project, service: &Service) -> Value {
    let networks = service
        .networks
        .keys()
        .filter_map(|key| project.networks.get(key))
        .map(|network| Value::from(network.name.as_str()));
    let volumes = service.mounts.iter().filter_map(|mount| match mount {
        Mount::Volume(volume) => {
            let volume = project.volumes.get(volume.source.as_ref()?)?;
            Some(Value::from(volume.name.as_str()))
        }
        _ => None,
    });
    networks.chain(volumes).collect()
}

fn contents(objects: &IndexMap<String, FileObject>, mounts: &[FileMount]) -> Value {
    mounts
        .iter()
        .filter_map(|mount| objects.get(&mount.source))
        .map(|object| match &object.content {
            FileContent::File(path) => Value::from(path.display().to_string()),
            FileContent::Environment(_, text) | FileContent::Inline(text) => Value::from(&**text),
        })
        .collect()
}
