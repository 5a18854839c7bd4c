//! Pull, push and login against a real registry (Debian's `docker-registry`) and against one that is not to be trusted.

mod artifact;
mod crowd;
mod debian;
mod fake;
mod hostile;
pub mod images;
mod intake;
mod lock;
mod push;
mod real;
pub mod server;
mod token;
pub mod trees;

use fake::Fake;
use hoist::id::ImageRef;
use hoist::image::registry::{Client, Patience, PullRequest, Pulled, Settings};
use hoist::image::{Error, Name, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Patience for a registry that answers at once or never.
fn hasty() -> Patience {
    Patience {
        connect: Duration::from_secs(5),
        stall: Duration::from_millis(400),
        least: 4096,
        retries: 3,
        pause: Duration::from_millis(5),
        longest: Duration::from_secs(2),
    }
}

fn client(variables: &[(&str, &str)]) -> Client {
    let variables: BTreeMap<String, String> = variables
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    let mut settings = Settings::from_environment(&variables).unwrap();
    settings.patience = hasty();
    Client::new(settings)
}

fn pull_with(client: &Client, store: &Store, name: &str) -> Result<Pulled, Error> {
    let request = PullRequest {
        name: Name::parse(name).unwrap(),
        platform: None,
        pin: None,
    };
    store.pull(client, &request, Arc::new(|_| {}))
}

/// Pulls `app:1` from the fake.
fn pull(fake: &Fake, store: &Store) -> Result<Pulled, Error> {
    pull_with(&client(&[]), store, &format!("{}/app:1", fake.host()))
}

/// An error with all of its causes, on one line.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// Runs hoist with its state in a folder, and it must do well; its stdout.
#[track_caller]
pub fn hoist(root: &Path, words: &[&str]) -> String {
    server::hoist(root, &[], words)
}

/// Everything visible in the store is what its name says, and every image in it is complete.
pub fn assert_sound(root: &Path) {
    let store = Store::open(root).unwrap();
    for entry in fs::read_dir(root.join("oci/blobs/sha256")).unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        let name = format!("sha256:{}", entry.file_name().to_str().unwrap());
        assert_eq!(images::digest(&bytes), name);
    }
    for image in store.list().unwrap() {
        let reference = ImageRef::new(image.id.hex()).unwrap();
        let image = store.resolve(&reference).unwrap();
        for layer in &image.layers {
            assert!(
                fs::read_dir(layer).unwrap().count() > 0,
                "{layer:?} is empty"
            );
        }
    }
    let work = root.join("layers/.work");
    assert_eq!(fs::read_dir(work).unwrap().count(), 0, "work was left");
}
