//! Debian's `docker-registry` on a port of its own, and the programs that talk to it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than a registry takes to listen on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running registry; ends when dropped.
pub struct Server {
    folder: tempfile::TempDir,
    child: Child,
    host: String,
    /// `user:password` for skopeo.
    login: Option<String>,
}

impl Server {
    /// With more configuration, and perhaps TLS.
    pub fn start(more: &str, tls: Option<&Tls>) -> Self {
        Self::new(more, tls, None)
    }

    /// One that wants a name and a password.
    pub fn with_password(user: &str, password: &str) -> Self {
        let hash = Command::new("perl")
            .args([
                "-e",
                r#"print crypt($ARGV[0], '$2y$05$abcdefghijklmnopqrstuu')"#,
                password,
            ])
            .output()
            .unwrap();
        let line = format!("{user}:{}\n", String::from_utf8(hash.stdout).unwrap());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), line).unwrap();
        let path = file.into_temp_path();
        let more = format!(
            "auth: {{htpasswd: {{realm: r, path: '{}'}}}}\n",
            path.display()
        );
        Self::new(&more, None, Some((format!("{user}:{password}"), path)))
    }

    fn new(more: &str, tls: Option<&Tls>, login: Option<(String, tempfile::TempPath)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A port that was free a moment ago may be taken: then another one.
        for _ in 0..10 {
            let port = {
                let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                socket.local_addr().unwrap().port()
            };
            let host = format!("127.0.0.1:{port}");
            let tls = tls.map(Tls::section).unwrap_or_default();
            let text = format!(
                "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}, delete: {{enabled: true}}}}\nhttp:\n  addr: {host}\n{tls}{more}",
                folder.path().join("data").display()
            );
            fs::write(folder.path().join("config.yml"), text).unwrap();
            let log = fs::File::create(folder.path().join("log")).unwrap();
            let mut child = Command::new("docker-registry")
                .arg("serve")
                .arg(folder.path().join("config.yml"))
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .unwrap();
            if listens(&mut child, &host) {
                if let Some((_, path)) = login {
                    // read at the first request
                    path.keep().unwrap();
                    return Self {
                        folder,
                        child,
                        host,
                        login: Some("me:pw".to_owned()),
                    };
                }
                return Self {
                    folder,
                    child,
                    host,
                    login: None,
                };
            }
        }
        panic!(
            "no registry: {}",
            fs::read_to_string(folder.path().join("log")).unwrap()
        );
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// As hoist writes it.
    pub fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.host)
    }

    /// As skopeo writes it.
    pub fn docker(&self, image: &str) -> String {
        format!("docker://{}/{image}", self.host)
    }

    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

/// Waits until the registry answers; false if it ended.
fn listens(child: &mut Child, host: &str) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if TcpStream::connect(host).is_ok() {
            return true;
        }
        assert!(Instant::now() < deadline, "the registry does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A CA, a certificate for 127.0.0.1 and one for a client.
pub struct Tls {
    folder: tempfile::TempDir,
}

impl Tls {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"
            key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
            openssl req -x509 $key -keyout ca.key -out ca.crt -days 2 -subj /CN=ca
            printf 'subjectAltName=IP:127.0.0.1' > server.ext
            printf 'extendedKeyUsage=clientAuth' > client.ext
            for it in server client; do
                openssl req $key -keyout $it.key -out $it.csr -subj /CN=$it
                openssl x509 -req -in $it.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile $it.ext -out $it.crt
            done"#;
        let done = Command::new("sh")
            .args(["-euc", script])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn ca(&self) -> PathBuf {
        self.file("ca.crt")
    }

    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.file("client.crt"), self.file("client.key"))
    }

    fn section(&self) -> String {
        let (certificate, key) = (self.file("server.crt"), self.file("server.key"));
        format!(
            "  tls:\n    certificate: '{}'\n    key: '{}'\n",
            certificate.display(),
            key.display()
        )
    }

    /// The registry asks who we are.
    pub fn client_auth(&self) -> String {
        format!("    clientcas: ['{}']\n", self.ca().display())
    }
}

/// Runs skopeo; what it prints.
#[track_caller]
pub fn skopeo(words: &[&str]) -> Vec<u8> {
    let done = Command::new("skopeo").args(words).output().unwrap();
    assert!(
        done.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    done.stdout
}

fn command(root: &Path, env: &[(&str, &str)], words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoist"));
    let home = root.join("home");
    fs::create_dir_all(&home).unwrap();
    let path = format!("{}:{}", root.display(), std::env::var("PATH").unwrap());
    command
        .args(words)
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("HOIST_ROOT", root.join("root"))
        .env("HOIST_RUN", root.join("run"))
        .envs(env.iter().copied())
        .current_dir(root);
    command
}

/// Runs hoist with the folder as home and state, and it must do well; its stdout.
#[track_caller]
pub fn hoist(root: &Path, env: &[(&str, &str)], words: &[&str]) -> String {
    let done = command(root, env, words).output().unwrap();
    assert!(
        done.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

/// Runs hoist, and it must do well; its stderr.
#[track_caller]
pub fn stderr(root: &Path, words: &[&str]) -> String {
    let done = command(root, &[], words).output().unwrap();
    let text = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{words:?}: {text}");
    text
}

/// Runs hoist, and it must fail as an operation does; its stderr.
#[track_caller]
pub fn fails(root: &Path, env: &[(&str, &str)], words: &[&str]) -> String {
    let done = command(root, env, words).output().unwrap();
    let text = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{words:?}: {text}");
    text
}

/// Runs hoist with this on stdin; its code, and stdout after stderr.
pub fn with_stdin(root: &Path, words: &[&str], text: &str) -> (i32, String) {
    let mut child = command(root, &[], words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (child.wait().unwrap().code().unwrap_or(-1), said)
}
