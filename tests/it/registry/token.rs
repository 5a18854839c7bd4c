//! Debian's registry server with a token service of ours, which signs as the specification says.

use super::fake::{Answer, Fake, Seen};
use super::server::{Server, fails, hoist};
use super::{client, images, pull_with, trees};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hoist::image::Store;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// A key that signs tokens.
struct Signer {
    folder: tempfile::TempDir,
}

impl Signer {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new("openssl")
            .args(
                "req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=t"
                    .split(' '),
            )
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(done.status.success());
        Self { folder }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert")
    }

    /// A token for what the scopes of a request ask for.
    fn token(&self, scopes: &[String]) -> String {
        let pem = std::fs::read_to_string(self.certificate()).unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let access: Vec<_> = scopes
            .iter()
            .map(|scope| {
                let parts: Vec<&str> = scope.split(':').collect();
                let actions: Vec<&str> = parts[2].split(',').collect();
                serde_json::json!({"type": parts[0], "name": parts[1], "actions": actions})
            })
            .collect();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let header = serde_json::json!({"typ": "JWT", "alg": "RS256", "x5c": [der]});
        let claims = serde_json::json!({
            "iss": "me", "sub": "someone", "aud": "service", "jti": "1",
            "exp": now + 60, "nbf": now - 60, "iat": now, "access": access,
        });
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut openssl = Command::new("openssl")
            .args(["dgst", "-sha256", "-sign", "key"])
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        openssl
            .stdin
            .take()
            .unwrap()
            .write_all(signed.as_bytes())
            .unwrap();
        let signature = openssl.wait_with_output().unwrap().stdout;
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The values of a field of a query.
fn fields(seen: &Seen, key: &str) -> Vec<String> {
    let query = seen.path.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| {
            value
                .replace("%3A", ":")
                .replace("%2C", ",")
                .replace("%2F", "/")
        })
        .collect()
}

/// Puts one file into a store, named for a registry.
fn load_small(root: &Path, name: &str) {
    let layer = images::tar("file", b"small");
    std::fs::write(root.join("file.tar"), layer).unwrap();
    hoist(root, &[], &["import", "file.tar", name]);
}

#[test]
fn tokens_are_asked_for_with_what_is_needed_and_no_more() {
    let service = Fake::start();
    let signer = Signer::new();
    let certificate = signer.certificate();
    let allowed = format!("Basic {}", STANDARD.encode("me:pw"));
    service.behave(move |seen, _| {
        if !seen.path.starts_with("/token?") || fields(seen, "service") != ["service"] {
            return None;
        }
        let scopes = fields(seen, "scope");
        let writes = scopes.iter().any(|scope| scope.contains("push"));
        let known = seen.authorization.as_deref() == Some(&allowed);
        if !known && (writes || seen.authorization.is_some()) {
            return Some(Answer::Status(
                401,
                vec![],
                br#"{"details": "who are you"}"#.to_vec(),
            ));
        }
        let body = serde_json::json!({"token": signer.token(&scopes), "expires_in": 60});
        Some(Answer::Status(200, vec![], body.to_string().into_bytes()))
    });
    let auth = format!(
        "auth: {{token: {{realm: 'http://{}/token', service: service, issuer: me, rootcertbundle: '{}'}}}}\n",
        service.host(),
        certificate.display()
    );
    let server = Server::start(&auth, None);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    load_small(root, &server.name("team/a:1"));
    let failed = fails(root, &[], &["push", "-q", &server.name("team/a:1")]);
    assert!(
        failed.contains("who are you") && failed.contains("hoist login"),
        "{failed}"
    );
    let login = ["login", "-u", "me", "--password-stdin", server.host()];
    assert_eq!(super::server::with_stdin(root, &login, "nonsense").0, 1);
    let (code, said) = super::server::with_stdin(root, &login, "pw");
    assert_eq!(code, 0, "{said}");
    hoist(root, &[], &["push", "-q", &server.name("team/a:1")]);
    // the second repository gets the blobs of the first, with the right to read there
    hoist(
        root,
        &[],
        &["tag", &server.name("team/a:1"), &server.name("team/b:1")],
    );
    hoist(root, &[], &["push", "-q", &server.name("team/b:1")]);
    let scopes: Vec<_> = service
        .seen()
        .iter()
        .map(|it| fields(it, "scope"))
        .collect();
    let both = ["repository:team/b:pull,push", "repository:team/a:pull"];
    assert!(scopes.iter().any(|it| *it == both), "{scopes:?}");
    // anybody may read
    hoist(root, &[], &["logout", server.host()]);
    let other = tempfile::tempdir().unwrap();
    hoist(other.path(), &[], &["pull", "-q", &server.name("team/b:1")]);
    let tree = trees::of_store(&other.path().join("root"), &server.name("team/b:1"));
    assert!(tree.contains_key("file"));
}

#[test]
fn an_identity_token_is_traded_by_post_and_by_get_where_that_is_all_there_is() {
    for posts in [true, false] {
        let fake = Fake::start();
        images::publish(&fake, "app", "1", &[images::layer("x", b"x")]);
        let host = fake.host();
        fake.behave(move |seen, _| {
            if seen.path.starts_with("/token") {
                let body = br#"{"access_token": "good"}"#.to_vec();
                return Some(match seen.method.as_str() {
                    "POST" if posts => Answer::Status(200, vec![], body),
                    "GET" if !posts && seen.authorization.is_some() => {
                        Answer::Status(200, vec![], body)
                    }
                    _ => Answer::Status(404, vec![], vec![]),
                });
            }
            let ask = format!(r#"Bearer realm="http://{host}/token",service="s""#);
            let ask = vec![("WWW-Authenticate".to_owned(), ask)];
            let good = seen.authorization.as_deref() == Some("Bearer good");
            (!good && seen.path != "/v2/").then(|| Answer::Status(401, ask, vec![]))
        });
        let auth = format!(
            r#"{{"auths": {{"{}": {{"identitytoken": "refresh"}}}}}}"#,
            fake.host()
        );
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let name = format!("{}/app:1", fake.host());
        pull_with(&client(&[("DOCKER_AUTH_CONFIG", &auth)]), &store, &name).unwrap();
    }
}
