//! Compose files in git repositories: both programs fetch them from one that is served here, and must say the same.

use super::answer;
use super::case::Case;
use super::oracle;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// What is in the repository; its tag `v1` is one commit behind, where `TAG` is `old`.
const FILES: [(&str, &str); 5] = [
    (
        "compose.yaml",
        "services: {a: {image: 'x:${TAG:-none}', build: ./ctx, env_file: a.env, volumes: ['./data:/data']}}\n",
    ),
    (
        "sub/other.yaml",
        "services: {b: {image: y, volumes: ['./d:/d'], extends: {file: ../compose.yaml, service: a}}}\n",
    ),
    ("a.env", "A=1\n"),
    ("ctx/Dockerfile", "FROM x\n"),
    (".env", "TAG=new\n"),
];

/// What is asked, in a folder with a `.env`, `here.env`, and these two files. `@` is the URL of the repository.
const MAIN: &str =
    "include: ['@']\nservices: {m: {image: 'z:${TAG:-none}', volumes: ['./m:/m']}}\n";
const QUESTIONS: [(&str, &str, &str); 17] = [
    ("included", MAIN, ""),
    (
        "included-old",
        "include: ['@#v1']\nservices: {m: {image: z}}\n",
        "",
    ),
    (
        "included-path",
        "include: [{path: '@#v1:sub/other.yaml'}]\nservices: {m: {image: z}}\n",
        "",
    ),
    (
        "included-env",
        "include: [{path: '@', env_file: here.env}]\nservices: {m: {image: z}}\n",
        "",
    ),
    (
        "extended",
        "services: {q: {extends: {file: '@', service: a}}}\n",
        "",
    ),
    (
        "extended-path",
        "services: {q: {extends: {file: '@#main:sub/other.yaml', service: b}}}\n",
        "",
    ),
    ("file", MAIN, "-f @"),
    ("file-tag", MAIN, "-f @#v1"),
    ("file-path", MAIN, "-f @#main:sub/other.yaml"),
    (
        "file-and-own",
        "services: {a: {volumes: ['./mine:/mine']}}\n",
        "-f @ -f compose.yaml",
    ),
    (
        "own-and-file",
        "services: {a: {volumes: ['./mine:/mine']}}\n",
        "-f compose.yaml -f @",
    ),
    ("file-elsewhere", MAIN, "--project-directory / -p far -f @"),
    ("file-named", MAIN, "-p other -f @"),
    ("no-such-reference", MAIN, "-f @#nope"),
    ("no-such-path", MAIN, "-f @#:nope.yaml"),
    ("no-file-in-folder", MAIN, "-f @#:sub"),
    ("no-such-repository", "include: ['@x.git']\n", ""),
];

/// A server of one folder: for each connection a `git daemon`, as inetd would start it.
struct Daemon {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    fn new(root: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let (root, stop) = (root.to_owned(), stopped.clone());
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let input = OwnedFd::from(connection.unwrap());
                let output = input.try_clone().unwrap();
                let mut daemon = Command::new("git");
                daemon.args([
                    "daemon",
                    "--inetd",
                    "--export-all",
                    "--log-destination=none",
                ]);
                daemon
                    .arg(format!("--base-path={}", root.display()))
                    .arg(&root);
                daemon.stdin(input).stdout(output).stderr(Stdio::null());
                daemon.status().unwrap();
            }
        });
        Self {
            address,
            stopped,
            thread: Some(thread),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let woken = TcpStream::connect(self.address);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=e@x"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Makes `root/repo.git`.
fn repository(root: &Path) {
    let folder = root.join("repo.git");
    for (name, text) in FILES {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    std::fs::write(folder.join(".env"), "TAG=old\n").unwrap();
    git(&folder, &["init", "--quiet", "--initial-branch=main"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "--quiet", "-m", "one"]);
    git(&folder, &["tag", "v1"]);
    std::fs::write(folder.join(".env"), "TAG=new\n").unwrap();
    git(&folder, &["commit", "--quiet", "-a", "-m", "two"]);
}

fn question((name, file, arguments): (&str, &str, &str), url: &str, home: &Path) -> Case {
    let variable = |name: &str, value: String| (name.to_owned(), value);
    let words = format!("{arguments} config --format json").replace('@', url);
    let files = [
        ("compose.yaml", file),
        (".env", "B=2\n"),
        ("here.env", "TAG=here\n"),
    ];
    Case {
        name: name.to_owned(),
        environment: [
            variable("PATH", std::env::var("PATH").unwrap()),
            variable("HOME", home.display().to_string()),
        ]
        .into(),
        files: files
            .map(|(name, text)| (name.to_owned(), text.replace('@', url)))
            .into(),
        arguments: words.split_whitespace().map(str::to_owned).collect(),
        ..Case::default()
    }
}

/// The folders of `cache`, `depth` below it.
fn folders(cache: &Path, depth: usize) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache).into_iter().flatten();
    let inner = entries.map(|entry| entry.unwrap().path());
    match depth {
        1 => inner.collect(),
        _ => inner
            .flat_map(|folder| folders(&folder, depth - 1))
            .collect(),
    }
}

/// An answer without the places of both caches.
fn without_cache(answer: &Value, home: &Path) -> Value {
    let (theirs, ours) = (
        home.join(".cache/docker-compose"),
        home.join(".cache/hoist/git"),
    );
    let mut text = answer.to_string();
    for folder in [folders(&theirs, 1), folders(&ours, 2)].concat() {
        text = text.replace(folder.to_str().unwrap(), "/REPOSITORY");
    }
    serde_json::from_str(&text).unwrap()
}

#[test]
fn files_in_repositories_are_read_as_docker_compose_reads_them() {
    let Some(oracle) = oracle::oracle() else {
        return;
    };
    let (root, places) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    repository(root.path());
    let daemon = Daemon::new(root.path());
    let url = format!("git://{}/repo.git", daemon.address);
    let home = root.path().join("home");
    let different = super::names("differences.md");
    let mut wrong = Vec::new();
    for asked in QUESTIONS {
        let case = question(asked, &url, &home);
        let folder = case.write(places.path());
        let ours = without_cache(&case.ours(&folder), &home);
        let theirs = without_cache(&case.theirs(oracle, &folder), &home);
        let fails = asked.0.starts_with("no-");
        let differs = different.contains(&format!("git:{}", case.name));
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
