//! Push to a registry that breaks off, refuses, forgets and lies: what arrives is whole, what was there is not sent, and
//! what was sent is not sent again.

use super::fake::{Answer, Fake, Seen};
use super::images::{self, Layer, noise};
use super::{client, pull_with, whole};
use hoist::image::registry::Pushed;
use hoist::image::{Error, Name, Store};
use std::sync::Arc;

/// A store with `FAKE/app:1`, an image of a big and a small layer, and an empty registry.
struct Case {
    fake: Fake,
    layers: Vec<Layer>,
    manifest: String,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let layers = vec![
            images::layer("big", &noise(1, 1_500_000)),
            images::layer("small", b"small"),
        ];
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let source = Fake::start();
        let manifest = images::publish(&source, "app", "1", &layers);
        let fake = Fake::start();
        let from = format!("{}/app:1", source.host());
        pull_with(&client(&[]), &store, &from).unwrap();
        store.tag(&from, &format!("{}/app:1", fake.host())).unwrap();
        Self {
            fake,
            layers,
            manifest,
            store,
            _folder: folder,
        }
    }

    fn push(&self) -> Result<Pushed, Error> {
        let name = Name::parse(&format!("{}/app:1", self.fake.host())).unwrap();
        self.store.push(&client(&[]), &name, Arc::new(|_| {}))
    }

    /// All of it is there, byte for byte.
    #[track_caller]
    fn arrives(&self) {
        let pushed = self.push().map_err(|error| whole(&error)).unwrap();
        assert_eq!(pushed.digest.as_str(), self.manifest);
        for layer in &self.layers {
            assert_eq!(*self.fake.blob(&layer.digest).unwrap(), layer.bytes);
        }
        let manifest = self.fake.manifest("app/manifests/1").unwrap();
        assert_eq!(images::digest(&manifest), self.manifest);
        assert_eq!(pushed.size, manifest.len() as u64);
    }

    #[track_caller]
    fn fails(&self, words: &[&str]) {
        let text = whole(&self.push().expect_err("it must fail"));
        for word in words {
            assert!(text.contains(word), "`{word}` is missing in: {text}");
        }
        let tag = self.fake.manifest("app/manifests/1");
        assert_eq!(tag, None, "the tag does not name half an image");
        self.fake.reset();
        self.arrives();
    }

    fn big(&self) -> u64 {
        self.layers[0].bytes.len() as u64
    }

    fn pieces(&self) -> Vec<Seen> {
        let seen = self.fake.seen().into_iter();
        seen.filter(|it| it.method == "PATCH").collect()
    }
}

#[test]
fn an_upload_goes_on_where_it_was_cut() {
    let case = Case::new();
    let mut cuts = vec![1_000_000, 1, 300_000].into_iter();
    case.fake.behave(move |seen, _| {
        let is = seen.method == "PATCH";
        is.then(|| cuts.next()).flatten().map(Answer::Cut)
    });
    case.arrives();
    let froms: Vec<_> = case.pieces().iter().map(|it| it.from).collect();
    let expected = [None, Some(1_000_000), Some(1_000_001), Some(1_300_001)];
    assert_eq!(froms, expected);
    let small: u64 = case.fake.received() - case.big();
    assert!(small < 4096, "bytes came twice: {small}");
}

#[test]
fn a_piece_whose_answer_is_lost_is_not_sent_again() {
    let case = Case::new();
    let mut first = true;
    case.fake.behave(move |seen, _| {
        let is = seen.method == "PATCH" && std::mem::take(&mut first);
        is.then_some(Answer::Silence)
    });
    case.arrives();
    assert_eq!(case.pieces().len(), 1);
}

#[test]
fn an_upload_that_the_registry_forgets_begins_anew() {
    let case = Case::new();
    let mut first = true;
    case.fake.behave(move |seen, _| match seen.method.as_str() {
        "PATCH" if std::mem::take(&mut first) => Some(Answer::Cut(500_000)),
        "GET" if seen.is_upload() => Some(Answer::Status(404, vec![], vec![])),
        _ => None,
    });
    case.arrives();
    assert_eq!(case.pieces().len(), 2);
    assert!(case.pieces().iter().all(|it| it.from.is_none()));
}

#[test]
fn what_is_temporary_is_tried_again_wherever_it_comes() {
    for (method, statuses) in [
        ("HEAD", [429, 500]),
        ("POST", [502, 503]),
        ("PATCH", [504, 500]),
        ("PUT", [503, 429]),
    ] {
        let case = Case::new();
        let mut left = statuses.into_iter();
        case.fake.behave(move |seen, _| {
            let status = (seen.method == method).then(|| left.next()).flatten();
            status.map(|status| Answer::Status(status, vec![], vec![]))
        });
        case.arrives();
    }
    for method in ["HEAD", "POST", "PUT"] {
        let case = Case::new();
        let mut left = 2;
        case.fake.behave(move |seen, _| {
            let is = seen.method == method && left > 0;
            left -= i32::from(is);
            is.then_some(Answer::HangUp)
        });
        case.arrives();
    }
}

#[test]
fn what_stays_is_an_error_and_the_tag_stays_where_it_was() {
    for (method, words) in [
        ("POST", "answers 403"),
        ("PATCH", "answers 403"),
        ("PUT", "answers 403"),
    ] {
        let case = Case::new();
        let body = br#"{"errors":[{"code":"DENIED","message":"read only"}]}"#.to_vec();
        case.fake.behave(move |seen, _| {
            (seen.method == method).then(|| Answer::Status(403, vec![], body.clone()))
        });
        let text = whole(&case.push().expect_err(words));
        assert!(text.contains("read only"), "{text}");
        assert_eq!(case.fake.manifest("app/manifests/1"), None);
        case.fake.reset();
        case.arrives();
    }
    let case = Case::new();
    case.fake
        .behave(|seen, _| (seen.method == "PATCH").then_some(Answer::Cut(0)));
    case.fails(&["the connection was closed"]);

    // it says where the upload goes on, and that is nowhere
    let case = Case::new();
    case.fake
        .behave(|seen, _| (seen.method == "POST").then(|| Answer::Status(202, vec![], vec![])));
    case.fails(&["does not say where the upload goes on"]);

    // the manifest that arrives is another one
    let case = Case::new();
    let other = ("Docker-Content-Digest".to_owned(), images::digest(b"other"));
    case.fake.behave(move |seen, _| {
        (seen.is_manifest() && seen.method == "PUT")
            .then(|| Answer::Status(201, vec![other.clone()], vec![]))
    });
    case.fails(&["the manifest that arrived", "has digest"]);
}

#[test]
fn what_is_there_is_not_sent_and_what_a_neighbour_has_is_mounted() {
    let case = Case::new();
    case.arrives();
    let before = case.fake.received();
    case.arrives();
    assert_eq!(case.fake.received(), before, "everything was there");

    let case = Case::new();
    let near = format!("{}/near:1", case.fake.host());
    case.store
        .tag(&format!("{}/app:1", case.fake.host()), &near)
        .unwrap();
    // it has the layer, and does not tell of another repository's blobs
    let layer = case.layers[0].clone();
    case.fake.put_blob(&layer.digest, layer.bytes);
    case.fake
        .behave(|seen, _| (seen.method == "HEAD").then(|| Answer::Status(404, vec![], vec![])));
    case.arrives();
    let mounts = case.fake.seen();
    let mounts: Vec<_> = mounts
        .iter()
        .filter(|it| it.path.contains("from=near"))
        .collect();
    assert!(
        mounts.iter().any(|it| it.path.contains(&layer.digest)),
        "{mounts:?}"
    );
    assert!(case.fake.received() < 4096, "the layer was mounted");
}
