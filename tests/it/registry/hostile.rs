//! A registry does what it should not: each case ends in a clear error or in a retry that succeeds, soon, and the store is
//! never wrong.

use super::fake::{Answer, Fake, Seen};
use super::images::{self, Layer, noise};
use super::{assert_sound, client, pull, pull_with, whole};
use hoist::image::{Name, Store};
use std::time::{Duration, Instant};

/// A case that takes longer is not bounded.
const SOON: Duration = Duration::from_secs(20);

/// A registry with `app:1`, an image of two layers, and a store.
struct Case {
    fake: Fake,
    layers: Vec<Layer>,
    folder: tempfile::TempDir,
    store: Store,
}

impl Case {
    fn new() -> Self {
        let fake = Fake::start();
        let layers = vec![
            images::layer("big", &noise(1, 700_000)),
            images::layer("small", b"small"),
        ];
        images::publish(&fake, "app", "1", &layers);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        Self {
            fake,
            layers,
            folder,
            store,
        }
    }

    /// The pull succeeds, soon, and all is here.
    #[track_caller]
    fn succeeds(&self) {
        let begin = Instant::now();
        if let Err(error) = pull(&self.fake, &self.store) {
            panic!("{}", whole(&error));
        }
        assert!(begin.elapsed() < SOON);
        assert_sound(self.folder.path());
        assert_eq!(self.store.list().unwrap().len(), 1);
    }

    /// The pull fails, soon, with these words; then the registry mends its ways, and a pull succeeds.
    #[track_caller]
    fn fails(&self, words: &[&str]) {
        let begin = Instant::now();
        let error = pull(&self.fake, &self.store).expect_err("it must fail");
        let text = whole(&error);
        for word in words {
            assert!(text.contains(word), "`{word}` is missing in: {text}");
        }
        assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
        assert_sound(self.folder.path());
        assert_eq!(self.store.list().unwrap().len(), 0, "nothing is named");
        self.fake.reset();
        self.succeeds();
    }
}

fn is_big(case: &Case) -> impl Fn(&Seen) -> bool + Send + use<> {
    let digest = case.layers[0].digest.clone();
    move |seen| seen.path.ends_with(&digest)
}

#[test]
fn a_download_goes_on_where_it_was_cut() {
    let case = Case::new();
    let size = case.layers[0].bytes.len();
    let is = is_big(&case);
    // Each time a little further; the third time at the very end.
    let cuts = [0, 1, 300_000, size - 300_001 - 1];
    case.fake.behave(move |seen, earlier| {
        cuts.get(earlier)
            .filter(|_| is(seen))
            .map(|at| Answer::Cut(*at))
    });
    case.succeeds();
    let sent = case.fake.sent(&case.layers[0].digest);
    assert_eq!(sent, size as u64, "no byte came twice");
    let seen = case.fake.seen();
    let froms: Vec<_> = seen
        .iter()
        .filter(|it| it.path.ends_with(&case.layers[0].digest))
        .map(|it| it.from)
        .collect();
    assert_eq!(
        froms,
        [None, None, Some(1), Some(300_001), Some(size as u64 - 1)]
    );
}

#[test]
fn a_cut_anywhere_else_is_tried_again() {
    for what in [Seen::is_manifest, Seen::is_blob, |_: &Seen| true] {
        for answer in [Answer::HangUp, Answer::Cut(0), Answer::Cut(20)] {
            let case = Case::new();
            case.fake
                .behave(move |seen, earlier| (what(seen) && earlier == 0).then(|| answer.clone()));
            case.succeeds();
        }
    }
}

#[test]
fn a_registry_that_always_hangs_up_is_given_up() {
    let case = Case::new();
    let is = is_big(&case);
    case.fake
        .behave(move |seen, _| is(seen).then_some(Answer::Cut(0)));
    case.fails(&["broke off after 0 of", "blob `sha256:"]);
}

#[test]
fn what_is_temporary_is_tried_again_and_what_stays_is_an_error() {
    for status in [408, 429, 500, 502, 503, 504] {
        let case = Case::new();
        let wait = vec![("Retry-After".to_owned(), "0".to_owned())];
        case.fake.behave(move |seen, earlier| {
            let refused = earlier < 2 && (seen.is_blob() || seen.is_manifest());
            refused.then(|| Answer::Status(status, wait.clone(), vec![]))
        });
        case.succeeds();
    }
    let case = Case::new();
    case.fake.behave(|seen, _| {
        seen.is_manifest()
            .then(|| Answer::Status(503, vec![], vec![]))
    });
    case.fails(&["answers 503", "image `app:1`"]);
    for status in [400, 405, 418, 501] {
        let case = Case::new();
        let body = br#"{"errors":[{"code":"X","message":"because"}]}"#.to_vec();
        case.fake.behave(move |seen, _| {
            seen.is_manifest()
                .then(|| Answer::Status(status, vec![], body.clone()))
        });
        case.fails(&[&format!("answers {status}"), "because"]);
        // refused for good: asked once (by digest or tag), not again and again
    }
}

#[test]
fn a_rate_limit_is_obeyed_for_a_while_and_told_otherwise() {
    let case = Case::new();
    let begin = Instant::now();
    let soon = vec![("Retry-After".to_owned(), "1".to_owned())];
    case.fake.behave(move |seen, earlier| {
        (seen.is_manifest() && earlier == 0).then(|| Answer::Status(429, soon.clone(), vec![]))
    });
    case.succeeds();
    assert!(begin.elapsed() >= Duration::from_secs(1), "it did not wait");

    let case = Case::new();
    let late = vec![("Retry-After".to_owned(), "3600".to_owned())];
    let body = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#.to_vec();
    case.fake.behave(move |seen, _| {
        seen.is_manifest()
            .then(|| Answer::Status(429, late.clone(), body.clone()))
    });
    case.fails(&["allows no more requests", "slow down", "3600 s"]);
}

#[test]
fn wrong_bytes_never_get_into_the_store() {
    let case = Case::new();
    let is = is_big(&case);
    let other = noise(2, case.layers[0].bytes.len());
    case.fake
        .behave(move |seen, _| is(seen).then(|| Answer::Instead(other.clone())));
    case.fails(&["has digest", "instead of", case.layers[0].digest.as_str()]);

    let case = Case::new();
    let is = is_big(&case);
    let mut other = case.layers[0].bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    case.fake
        .behave(move |seen, _| is(seen).then(|| Answer::Instead(other.clone())));
    case.fails(&["has digest", "instead of"]);
}

#[test]
fn a_wrong_length_is_an_error() {
    for off in [-1i64, 1, 1 << 40] {
        let case = Case::new();
        let is = is_big(&case);
        let length = case.layers[0].bytes.len() as i64 + off;
        case.fake
            .behave(move |seen, _| is(seen).then_some(Answer::Length(length as u64)));
        case.fails(&["by the manifest", &length.to_string()]);
    }
}

#[test]
fn a_body_without_end_is_read_no_further_than_it_should_be() {
    let case = Case::new();
    let is = is_big(&case);
    case.fake
        .behave(move |seen, _| is(seen).then(|| Answer::Endless(vec![b'x'; 4096])));
    case.fails(&["has digest"]);

    let case = Case::new();
    case.fake.behave(|seen, _| {
        seen.is_manifest()
            .then(|| Answer::Endless(vec![b' '; 4096]))
    });
    case.fails(&["longer than 4194304 bytes"]);

    // the config, which is kept in memory
    let case = Case::new();
    let layers: Vec<_> = case.layers.iter().map(|it| it.digest.clone()).collect();
    case.fake.behave(move |seen, _| {
        let is_config = seen.is_blob() && !layers.iter().any(|it| seen.path.ends_with(it));
        is_config.then(|| Answer::Endless(vec![b' '; 4096]))
    });
    case.fails(&["longer than 8388608 bytes"]);
}

#[test]
fn a_huge_manifest_is_not_even_read() {
    let case = Case::new();
    case.fake
        .behave(|seen, _| seen.is_manifest().then_some(Answer::Length(1 << 30)));
    case.fails(&["longer than 4194304 bytes"]);
}

#[test]
fn a_part_that_was_not_asked_for_is_refused_and_a_whole_one_is_cut_to_size() {
    for (answer, good) in [(Answer::OtherPart, false), (Answer::Whole, true)] {
        let case = Case::new();
        let is = is_big(&case);
        case.fake.behave(move |seen, earlier| match earlier {
            0 if is(seen) => Some(Answer::Cut(100_000)),
            _ if is(seen) => Some(answer.clone()),
            _ => None,
        });
        match good {
            true => case.succeeds(),
            false => case.fails(&["sends another"]),
        }
    }
    let case = Case::new();
    let is = is_big(&case);
    case.fake.behave(move |seen, earlier| match earlier {
        0 if is(seen) => Some(Answer::Cut(100_000)),
        _ if is(seen) => Some(Answer::Status(416, vec![], vec![])),
        _ => None,
    });
    case.fails(&["answers 416"]);
}

#[test]
fn a_registry_that_drips_or_falls_silent_is_left() {
    let case = Case::new();
    let is = is_big(&case);
    case.fake
        .behave(move |seen, _| is(seen).then_some(Answer::Drip(1, Duration::from_millis(20))));
    case.fails(&["too slow", "4096 bytes"]);

    let case = Case::new();
    let is = is_big(&case);
    case.fake
        .behave(move |seen, _| is(seen).then_some(Answer::Silence));
    case.fails(&["broke off after 0 of"]);

    let case = Case::new();
    case.fake.behave(|seen, _| {
        seen.is_manifest()
            .then_some(Answer::Drip(1, Duration::from_millis(20)))
    });
    case.fails(&["too slow", "image `app:1`"]);

    // only once: the next connection is better
    let case = Case::new();
    case.fake
        .behave(|seen, earlier| (seen.is_blob() && earlier == 0).then_some(Answer::Silence));
    case.succeeds();
}

#[test]
fn manifests_that_are_none_are_told() {
    let image = |change: fn(&mut serde_json::Value)| {
        let layers = [images::layer("x", b"x")];
        let config = images::config(&layers);
        let mut value = serde_json::from_slice(&images::manifest(&config, &layers)).unwrap();
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    };
    for (bytes, words) in [
        (b"<html>".to_vec(), "not valid JSON"),
        (b"{}".to_vec(), "neither an image nor an index"),
        (image(|it| it["schemaVersion"] = 1.into()), "schema 1"),
        (
            image(|it| it["manifests"] = serde_json::json!([])),
            "at once",
        ),
        (
            image(|it| it["mediaType"] = images::INDEX.into()),
            "of type",
        ),
        (
            image(|it| it["config"]["mediaType"] = "application/vnd.helm".into()),
            "no container image",
        ),
        (
            image(|it| it["layers"][0]["digest"] = "md5:1".into()),
            "digest",
        ),
        (image(|it| it["layers"][0]["size"] = (-1).into()), "JSON"),
        (
            image(|it| it["layers"] = serde_json::json!([])),
            "number of layers",
        ),
        (
            br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(),
            "no variant for `linux/amd64`",
        ),
    ] {
        let case = Case::new();
        images::publish(&case.fake, "other", "1", &[images::layer("x", b"x")]);
        case.fake.put_manifest("app", "1", images::MANIFEST, &bytes);
        let error = pull(&case.fake, &case.store).expect_err(words);
        assert!(
            whole(&error).contains(words),
            "`{words}` in {}",
            whole(&error)
        );
        assert_sound(case.folder.path());
        assert!(case.store.list().unwrap().is_empty());
    }
}

#[test]
fn a_manifest_by_digest_is_that_manifest() {
    let case = Case::new();
    let digest = images::publish(&case.fake, "app", "2", &[images::layer("y", b"y")]);
    let wrong = images::manifest(b"{}", &[]);
    case.fake
        .put_manifest("app", &digest, images::MANIFEST, &wrong);
    let name = format!("{}/app@{digest}", case.fake.host());
    let error = pull_with(&client(&[]), &case.store, &name).unwrap_err();
    assert!(whole(&error).contains("has digest"), "{}", whole(&error));
    assert_sound(case.folder.path());

    images::publish(&case.fake, "app", "2", &[images::layer("y", b"y")]);
    let pulled = pull_with(&client(&[]), &case.store, &name).unwrap();
    assert_eq!(pulled.digest.as_str(), digest);
    assert!(
        case.store
            .resolve(&hoist::id::ImageRef::new(&name).unwrap())
            .is_ok()
    );
}

#[test]
fn a_layer_that_is_not_what_the_config_says_is_refused() {
    let case = Case::new();
    let mut layer = images::layer("x", b"x");
    layer.diff_id = format!("sha256:{}", "0".repeat(64));
    images::publish(&case.fake, "app", "1", &[layer]);
    let error = pull(&case.fake, &case.store).unwrap_err();
    assert!(
        whole(&error).contains("instead of `sha256:0000"),
        "{}",
        whole(&error)
    );
    assert_sound(case.folder.path());

    // the digest fits, but it is half a gzip stream
    let mut broken = images::layer("x", &noise(3, 50_000));
    broken.bytes.truncate(20_000);
    broken.digest = images::digest(&broken.bytes);
    images::publish(&case.fake, "app", "1", &[broken]);
    let error = pull(&case.fake, &case.store).unwrap_err();
    assert!(
        whole(&error).contains("cannot unpack layer"),
        "{}",
        whole(&error)
    );
    assert_sound(case.folder.path());
}

#[test]
fn indexes_that_nest_without_end_are_refused() {
    let case = Case::new();
    let mut inner = images::publish(&case.fake, "app", "x", &[images::layer("x", b"x")]);
    let mut kind = images::MANIFEST;
    let mut size = 1;
    for depth in 1..=6 {
        let index = serde_json::to_vec(&serde_json::json!({
            "schemaVersion": 2, "mediaType": images::INDEX,
            "manifests": [
                {"mediaType": images::MANIFEST, "digest": inner, "size": 1,
                 "platform": {"os": "unknown", "architecture": "unknown"}},
                {"mediaType": kind, "digest": inner, "size": size},
            ],
        }))
        .unwrap();
        (inner, kind, size) = (images::digest(&index), images::INDEX, index.len());
        case.fake.put_manifest("app", &inner, kind, &index);
        case.fake.put_manifest("app", "1", kind, &index);
        let pulled = pull(&case.fake, &case.store);
        match depth {
            1..=3 => drop(pulled.unwrap()),
            _ => assert!(whole(&pulled.unwrap_err()).contains("nest too deeply")),
        }
        assert_sound(case.folder.path());
    }
}

#[test]
fn secrets_do_not_follow_a_redirect_to_another_host() {
    let case = Case::new();
    let elsewhere = Fake::start();
    images::publish(&elsewhere, "app", "1", &case.layers);
    let target = elsewhere.host();
    case.fake.behave(move |seen, _| {
        if seen.authorization.is_none() && seen.path != "/v2/" {
            let ask = vec![(
                "WWW-Authenticate".to_owned(),
                "Basic realm=\"x\"".to_owned(),
            )];
            return Some(Answer::Status(401, ask, vec![]));
        }
        let there = format!("http://{target}{}", seen.path);
        seen.is_blob()
            .then(|| Answer::Status(307, vec![("Location".to_owned(), there)], vec![]))
    });
    let auth = format!(
        r#"{{"auths": {{"{}": {{"auth": "bWU6cHc="}}}}}}"#,
        case.fake.host()
    );
    let client = client(&[("DOCKER_AUTH_CONFIG", &auth)]);
    let name = format!("{}/app:1", case.fake.host());
    pull_with(&client, &case.store, &name).unwrap();
    assert_sound(case.folder.path());
    assert!(
        case.fake
            .seen()
            .iter()
            .any(|it| it.authorization.as_deref() == Some("Basic bWU6cHc="))
    );
    let seen = elsewhere.seen();
    assert!(seen.iter().filter(|it| it.is_blob()).count() >= 3);
    assert!(seen.iter().all(|it| it.authorization.is_none()), "{seen:?}");
}

#[test]
fn redirects_in_circles_or_out_of_http_are_refused() {
    for (location, words) in [
        ("/v2/app/manifests/1", "redirects in circles"),
        ("file:///etc/passwd", "not HTTPS"),
        ("http://", "redirects to nowhere"),
    ] {
        let case = Case::new();
        case.fake.behave(move |seen, _| {
            let there = vec![("Location".to_owned(), location.to_owned())];
            seen.is_manifest()
                .then(|| Answer::Status(307, there, vec![]))
        });
        case.fails(&[words]);
    }
}

#[test]
fn a_token_that_expires_on_the_way_is_renewed() {
    let case = Case::new();
    let host = case.fake.host();
    let mut issued = 0;
    let mut expired = false;
    case.fake.behave(move |seen, _| {
        if seen.path.starts_with("/token?") {
            assert!(
                seen.path.contains("scope=repository%3Aapp%3Apull"),
                "{}",
                seen.path
            );
            issued += 1;
            let body = format!(r#"{{"token": "t{issued}", "expires_in": 300}}"#);
            return Some(Answer::Status(200, vec![], body.into_bytes()));
        }
        if seen.path == "/v2/" {
            return None;
        }
        // the first token is no good once a blob is asked for
        expired |= seen.is_blob();
        let good = match seen.authorization.as_deref() {
            Some("Bearer t1") => !expired,
            token => token.is_some_and(|it| it.starts_with("Bearer t")),
        };
        if good {
            return None;
        }
        let ask = format!(r#"Bearer realm="http://{host}/token",service="s",scope="x""#);
        Some(Answer::Status(
            401,
            vec![("WWW-Authenticate".to_owned(), ask)],
            vec![],
        ))
    });
    case.succeeds();
    let tokens = case
        .fake
        .seen()
        .iter()
        .filter(|it| it.path.starts_with("/token"))
        .count();
    assert!(tokens >= 2, "{tokens}");
}

#[test]
fn a_token_service_may_refuse_or_be_broken() {
    for (answer, words) in [
        (
            Answer::Status(401, vec![], br#"{"details": "who are you"}"#.to_vec()),
            "who are you",
        ),
        (
            Answer::Status(200, vec![], b"{}".to_vec()),
            "gives no token",
        ),
        (
            Answer::Status(200, vec![], vec![b' '; 2 << 20]),
            "longer than 1048576 bytes",
        ),
        (
            Answer::Status(200, vec![], b"nonsense".to_vec()),
            "unusable answer for a token",
        ),
        (Answer::Status(500, vec![], vec![]), "answers 500"),
    ] {
        let case = Case::new();
        let host = case.fake.host();
        case.fake.behave(move |seen, _| {
            if seen.path.starts_with("/token") {
                return Some(answer.clone());
            }
            let ask = format!(r#"Bearer realm="http://{host}/token",service="s""#);
            let ask = vec![("WWW-Authenticate".to_owned(), ask)];
            (seen.path != "/v2/").then(|| Answer::Status(401, ask, vec![]))
        });
        case.fails(&[words]);
    }
}

#[test]
fn what_is_denied_says_how_to_log_in() {
    let case = Case::new();
    let ask = vec![(
        "WWW-Authenticate".to_owned(),
        "Basic realm=\"x\"".to_owned(),
    )];
    case.fake.behave(move |seen, _| {
        seen.is_manifest()
            .then(|| Answer::Status(401, ask.clone(), vec![]))
    });
    let error = pull(&case.fake, &case.store).unwrap_err();
    let hint = error.hint().unwrap();
    assert!(
        hint.contains(&format!("hoist login {}", case.fake.host())),
        "{hint}"
    );
}

#[test]
fn tags_come_in_pages_and_an_endless_list_ends() {
    let case = Case::new();
    let name = Name::parse(&format!("{}/app", case.fake.host())).unwrap();
    let page = |tags: &str, next: &str| {
        let link = ("Link".to_owned(), format!("<{next}>; rel=\"next\""));
        Some(Answer::Status(200, vec![link], tags.as_bytes().to_vec()))
    };
    case.fake.behave(move |seen, _| match seen.path.as_str() {
        "/v2/app/tags/list" => page(
            r#"{"tags": ["a", "b/../c", ""]}"#,
            "/v2/app/tags/list?last=b",
        ),
        "/v2/app/tags/list?last=b" => page(r#"{"tags": ["d"]}"#, "http://evil.test/x?last=d"),
        "/v2/app/tags/list?last=d" => page(r#"{"tags": null}"#, "/v2/app/tags/list?last=z"),
        _ => None,
    });
    let tags = client(&[]).tags(&name).unwrap();
    let tags: Vec<&str> = tags.iter().filter_map(Name::tag).collect();
    assert_eq!(tags, ["a", "d"], "what is no tag is left out");

    let many = format!(r#"{{"tags": ["{}"]}}"#, vec!["x"; 10_000].join(r#"",""#));
    case.fake
        .behave(move |_, _| page(&many, "/v2/app/tags/list?last=x"));
    assert!(client(&[]).tags(&name).unwrap().len() <= 110_000);
    case.fake
        .behave(|_, _| Some(Answer::Status(200, vec![], b"<html>".to_vec())));
    let error = whole(&client(&[]).tags(&name).unwrap_err());
    assert!(error.contains("no list of tags"), "{error}");
}

#[test]
fn a_tag_is_pinned_to_the_digest_that_its_registry_tells() {
    let case = Case::new();
    let digest = images::publish(&case.fake, "app", "2", &[images::layer("y", b"y")]);
    let name = format!("{}/app:2", case.fake.host());
    let text = format!("services: {{a: {{image: '{name}', user: u}}, b: {{image: host}}}}\n");
    std::fs::write(case.folder.path().join("compose.yaml"), text).unwrap();
    let ask = |flag: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_hoist"))
            .env_clear()
            .env("HOME", case.folder.path())
            .env("HOIST_ROOT", case.folder.path().join("state"))
            .current_dir(case.folder.path())
            .args(["config", flag])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let pinned = ask("--resolve-image-digests");
    assert!(
        pinned.contains(&format!("image: {name}@{digest}\n")),
        "{pinned}"
    );
    assert!(pinned.contains("user: u"));
    let locked = ask("--lock-image-digests");
    let wanted = format!("services:\n  a:\n    image: {name}@{digest}\n  b:\n    image: host\n");
    assert_eq!(locked, wanted);
}
