//! Images with everything a file system has, and their trees, as lists that can be compared.

use super::images;
use super::server::{Server, skopeo};
use hoist::id::ImageRef;
use hoist::image::Store;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// What is at each path below a root.
pub type Tree = BTreeMap<String, String>;

/// Kinds of content: a shell script a layer, each run in an empty folder. `.wh.` files are whiteouts, as in any layer.
const KINDS: [(&str, &[&str]); 12] = [
    (
        "debian",
        &[
            "mkdir -p usr/share etc; cp -a /usr/share/doc/[a-b]* usr/share/; cp -a /etc/alternatives /etc/init.d etc/; cp -a /usr/bin/pe* /usr/bin/[p-r]* usr/",
            "mkdir -p usr/share etc; cp -a /usr/share/doc/c* usr/share/; touch usr/share/.wh.bash etc/.wh.init.d; echo new > etc/hostname",
            "mkdir -p usr/share/bash; echo back > usr/share/bash/file; mkdir etc/alternatives -p; touch etc/alternatives/.wh..wh..opq; ln -s /x etc/alternatives/one",
        ],
    ),
    (
        "plain",
        &[
            "mkdir a b; echo x > a/x; echo y > b/y; chmod 600 a/x; chmod 2750 b; chown 1000:2000 b b/y; touch -d 2001-02-03 a/x a; touch -d '1969-12-31 23:00:00 UTC' b/y",
        ],
    ),
    (
        "links",
        &[
            "mkdir d; echo x > d/one; ln d/one two; ln d/one d/three; ln -s one d/relative; ln -s /d/one absolute; ln -s nowhere dangling; ln -s ../../../../etc/passwd up",
            "mkdir d; echo z > d/new; ln d/new d/newer; touch .wh.two",
        ],
    ),
    (
        "whiteouts",
        &[
            "mkdir -p d/e; for f in a b d/c d/e/f; do echo $f > $f; done",
            "mkdir -p d; touch .wh.a d/.wh.e d/.wh.c; echo new > g",
            "mkdir -p d/e; echo again > a; echo other > d/e/z",
        ],
    ),
    (
        "opaque",
        &[
            "mkdir -p d/e; echo 1 > d/one; echo 2 > d/e/two",
            "mkdir d; echo 3 > d/three; touch d/.wh..wh..opq",
            "mkdir -p d/e; touch d/e/.wh..wh..opq; echo 4 > d/e/four",
        ],
    ),
    (
        "devices",
        &[
            "mkdir dev; mknod dev/null c 1 3; mknod dev/loop b 7 0; mknod dev/big c 259 70000; mkfifo fifo; chmod 666 dev/null; chown 5:6 fifo",
        ],
    ),
    (
        "names",
        &[
            "n=$(printf 'n%.0s' $(seq 200)); mkdir -p $n/$n/$n; echo x > $n/$n/$n/$n; ln -s $n/$n/$n/$n/$n/$n link; ln $n/$n/$n/$n hard; echo x > 'a b'; echo x > 'ü€'; printf x > \"$(printf 'a\\nb\\tc')\"; echo x > -dash; echo x > '*?[\\'",
        ],
    ),
    (
        "sparse",
        &[
            "truncate -s 60M holes; printf begin | dd of=holes conv=notrunc status=none; printf end | dd of=holes bs=1 seek=50000000 conv=notrunc status=none; head -c 8M /dev/urandom > huge; truncate -s 1M nothing; : > empty",
        ],
    ),
    (
        "types",
        &[
            "mkdir d f; echo x > d/x; echo x > file; ln -s d link; echo y > f/y",
            "echo now > d; mkdir file; echo in > file/in; mkdir link; echo in > link/in; ln -s file f",
        ],
    ),
    (
        "modes",
        &[
            "for m in 0000 0777 1777 2755 4755 6711 0444; do echo $m > $m; mkdir d$m; done; chown 100000:4000000000 0444; chown 0:1 d0444; for m in 0000 0777 1777 2755 4755 6711 0444; do chmod $m $m d$m; done",
        ],
    ),
    (
        "xattrs",
        &[
            "mkdir d; for f in f d/g; do echo $f > $f; done; ln -s f l; perl -e 'sub x { my ($p, $n, $v) = @_; syscall(188, $p, $n, $v, length $v, 0) == 0 or die qq($p $n: $!) } x($_, q(user.one), qq(a\\0b)) for @ARGV; x(q(f), q(security.capability), pack(q(V5), 0x02000001, 0x400, 0, 0, 0))' f d d/g",
        ],
    ),
    (
        "hollow",
        &[
            "true",
            "mkdir -p only/empty/folders",
            "true",
            "echo x > file",
        ],
    ),
];

/// How skopeo sends it.
const FORMATS: [&[&str]; 3] = [
    &["--dest-compress-format=gzip"],
    &["--dest-compress-format=zstd"],
    &["--format=v2s2"],
];

/// An image to be made: a kind of content, and how it travels.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    kind: usize,
    format: usize,
}

impl Recipe {
    pub fn all() -> Vec<Self> {
        let formats = 0..FORMATS.len();
        let kinds = |format| (0..KINDS.len()).map(move |kind| Self { kind, format });
        formats.flat_map(kinds).collect()
    }

    pub fn name(self) -> String {
        format!("{} {}", KINDS[self.kind].0, FORMATS[self.format][0])
    }

    pub fn format(self) -> &'static [&'static str] {
        FORMATS[self.format]
    }

    /// Makes an OCI layout of it, with plain layers.
    pub fn build(self, layout: &Path) {
        let folder = tempfile::tempdir().unwrap();
        let mut layers = Vec::new();
        for (n, script) in KINDS[self.kind].1.iter().enumerate() {
            let root = folder.path().join(format!("layer{n}"));
            fs::create_dir(&root).unwrap();
            shell(&root, script);
            let sparse = if KINDS[self.kind].0 == "sparse" {
                "--sparse"
            } else {
                ""
            };
            let format = match (KINDS[self.kind].0, n % 2) {
                ("xattrs", _) => "pax --xattrs --xattrs-include='*'",
                (_, 0) => "pax",
                _ => "gnu",
            };
            let tar = format!("tar --numeric-owner {sparse} --format={format} -cf ../tar .");
            shell(&root, &tar);
            layers.push(fs::read(folder.path().join("tar")).unwrap());
        }
        write_layout(layout, &layers);
    }
}

#[track_caller]
fn shell(folder: &Path, script: &str) {
    let done = Command::new("sh")
        .args(["-euc", script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// An OCI layout with one image `1` of these tar archives.
pub fn write_layout(layout: &Path, tars: &[Vec<u8>]) {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = images::digest(bytes);
        fs::write(blobs.join(&digest["sha256:".len()..]), bytes).unwrap();
        digest
    };
    let plain = "application/vnd.oci.image.layer.v1.tar";
    let layers: Vec<_> = tars
        .iter()
        .map(|tar| serde_json::json!({"mediaType": plain, "digest": put(tar), "size": tar.len()}))
        .collect();
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    let config = serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }))
    .unwrap();
    let manifest = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": images::MANIFEST,
        "config": {"mediaType": images::CONFIG, "digest": put(&config), "size": config.len()},
        "layers": layers,
    }))
    .unwrap();
    let index = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": images::MANIFEST, "digest": put(&manifest), "size": manifest.len(),
            "annotations": {"org.opencontainers.image.ref.name": "1"},
        }],
    });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion": "1.0.0"}"#,
    )
    .unwrap();
}

/// Pushes a small image with skopeo.
pub fn push_small(server: &Server, folder: &Path, image: &str) {
    let layout = folder.join("small");
    write_layout(&layout, &[images::tar("file", b"small")]);
    let mut words = vec!["copy", "-q", "--dest-tls-verify=false"];
    if let Some(login) = server.login() {
        words.extend(["--dest-creds", login]);
    }
    let from = format!("oci:{}:1", layout.display());
    let to = server.docker(image);
    skopeo(&[words, vec![&from, &to]].concat());
    fs::remove_dir_all(layout).unwrap();
}

/// Pushes an index of amd64, arm64 and an attestation; its digest.
pub fn push_index(server: &Server, folder: &Path, image: &str) -> String {
    let layout = folder.join("multi");
    let digest = write_index(&layout, "x");
    let from = format!("oci:{}:1", layout.display());
    skopeo(&[
        "copy",
        "-q",
        "--all",
        "--preserve-digests",
        "--dest-tls-verify=false",
        &from,
        &server.docker(image),
    ]);
    fs::remove_dir_all(layout).unwrap();
    digest
}

/// Makes a layout with an index `1` of amd64, arm64 and an attestation, whose images have one file named like their
/// architecture; the digest of the index.
pub fn write_index(layout: &Path, content: &str) -> String {
    let mut manifests = Vec::new();
    for architecture in ["arm64", "amd64"] {
        write_layout(layout, &[images::tar(architecture, content.as_bytes())]);
        let text = fs::read_to_string(layout.join("index.json")).unwrap();
        let mut index: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut entry = index["manifests"][0].take();
        entry["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
        entry.as_object_mut().unwrap().remove("annotations");
        manifests.push(entry);
    }
    let mut attestation = manifests[0].clone();
    attestation["platform"] = serde_json::json!({"os": "unknown", "architecture": "unknown"});
    manifests.insert(0, attestation);
    let index = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": images::INDEX, "manifests": manifests,
    }))
    .unwrap();
    let digest = images::digest(&index);
    fs::write(
        layout.join("blobs/sha256").join(&digest["sha256:".len()..]),
        &index,
    )
    .unwrap();
    let top = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": images::INDEX, "digest": digest, "size": index.len(),
            "annotations": {"org.opencontainers.image.ref.name": "1"},
        }],
    });
    fs::write(layout.join("index.json"), top.to_string()).unwrap();
    digest
}

/// The tree that umoci makes of an image.
pub fn of_umoci(layout: &Path, folder: &Path) -> Tree {
    let bundle = folder.join("bundle");
    let image = format!("{}:1", layout.display());
    let done = Command::new("umoci")
        .args(["unpack", "--image", &image])
        .arg(&bundle)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let tree = list(&bundle.join("rootfs"));
    fs::remove_dir_all(bundle).unwrap();
    tree
}

/// The tree that a container of an image sees: its layers, mounted in a namespace of a thread of its own.
pub fn of_store(root: &Path, image: &str) -> Tree {
    let store = Store::open(root).unwrap();
    let image = store.resolve(&ImageRef::new(image).unwrap()).unwrap();
    overlay(image.layers.iter().map(|it| it.display().to_string()))
}

/// The tree that another engine makes of an image; `engine` is how its client is called.
pub fn of_engine(engine: &[&str], layout: &Path, folder: &Path) -> Tree {
    let archive = folder.join("archive");
    let name = "hoist-test/tree:1";
    let from = format!("oci:{}:1", layout.display());
    skopeo(&[
        "copy",
        "-q",
        &from,
        &format!("docker-archive:{}:{name}", archive.display()),
    ]);
    let call = |words: &[&str]| {
        let words = [engine, words].concat();
        let done = Command::new(words[0]).args(&words[1..]).output().unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{words:?}: {error}");
        done.stdout
    };
    call(&["load", "-q", "-i", archive.to_str().unwrap()]);
    fs::remove_file(archive).unwrap();
    let found = call(&[
        "image",
        "inspect",
        "--format",
        "{{json .GraphDriver.Data}}",
        name,
    ]);
    let found: HashMap<String, String> = serde_json::from_slice(&found).unwrap();
    let lower = found.get("LowerDir").map_or("", String::as_str).split(':');
    let layers = std::iter::once(found["UpperDir"].as_str()).chain(lower);
    let tree = overlay(layers.filter(|it| !it.is_empty()).map(str::to_owned));
    call(&["rmi", "-f", name]);
    tree
}

/// What is seen through these layers, topmost first.
fn overlay(layers: impl Iterator<Item = String>) -> Tree {
    let folder = tempfile::tempdir().unwrap();
    let (empty, target) = (folder.path().join("empty"), folder.path().join("target"));
    fs::create_dir(&empty).unwrap();
    fs::create_dir(&target).unwrap();
    let layers: Vec<String> = layers.collect();
    std::thread::scope(|scope| {
        let listing = scope.spawn(|| {
            #[allow(unsafe_code, reason = "the thread ends with its namespace")]
            // SAFETY: the thread shares no descriptor or address space more than before, and keeps to its own mounts.
            unsafe {
                rustix::thread::unshare_unsafe(UnshareFlags::NEWNS).unwrap();
            }
            mount_change(
                "/",
                MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
            )
            .unwrap();
            let lowers = [&layers[..], &[empty.display().to_string()]].concat();
            let options = CString::new(format!("lowerdir={}", lowers.join(":"))).unwrap();
            mount(
                "overlay",
                &target,
                "overlay",
                MountFlags::RDONLY,
                options.as_c_str(),
            )
            .unwrap();
            list(&target)
        });
        listing.join().unwrap()
    })
}

#[track_caller]
pub fn assert_equal(ours: &Tree, theirs: &Tree, what: &str) {
    let differences = differences(ours, theirs);
    assert!(
        differences.is_empty(),
        "{what}:\n{}",
        differences.join("\n")
    );
}

/// The first of what differs.
pub fn differences(ours: &Tree, theirs: &Tree) -> Vec<String> {
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differing = paths.into_iter().filter_map(|path| {
        let (a, b) = (ours.get(path), theirs.get(path));
        (a != b).then(|| format!("{path}\n  ours   {a:?}\n  theirs {b:?}"))
    });
    differing.take(20).collect()
}

/// All below a folder: type, mode, owner, size, time, device, target, attributes, content; hard links by the first name.
fn list(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut open = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        found.push((path, meta));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let mut first: HashMap<u64, String> = HashMap::new();
    for (path, meta) in found {
        let name = path.strip_prefix(root).unwrap();
        let name = String::from_utf8_lossy(name.as_os_str().as_bytes()).into_owned();
        let is_dir = meta.is_dir();
        let mut text = format!(
            "{:o} {}:{} size {} time {}.{:09} device {}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            if is_dir { 0 } else { meta.len() },
            meta.mtime(),
            meta.mtime_nsec(),
            meta.rdev(),
        );
        if !is_dir && meta.nlink() > 1 {
            let same = first.entry(meta.ino()).or_insert_with(|| name.clone());
            text += &format!(" same as {same}");
        }
        if meta.is_symlink() {
            text += &format!(" to {}", fs::read_link(&path).unwrap().display());
        }
        if meta.is_file() {
            text += &format!(" {}", images::digest(&fs::read(&path).unwrap()));
        }
        text += &attributes(&path);
        tree.insert(name, text);
    }
    tree
}

fn attributes(path: &Path) -> String {
    let mut names = vec![0u8; 4096];
    let Ok(n) = rustix::fs::llistxattr(path, &mut names) else {
        return String::new();
    };
    let mut all: Vec<String> = names[..n]
        .split(|byte| *byte == 0)
        .filter(|name| {
            !name.is_empty()
                && !name.starts_with(b"trusted.overlay")
                && !name.starts_with(b"security.selinux")
        })
        .map(|name| {
            let mut value = vec![0u8; 4096];
            let name = CString::new(name).unwrap();
            let n = rustix::fs::lgetxattr(path, name.as_c_str(), &mut value).unwrap();
            format!(" {}={:?}", name.to_str().unwrap(), &value[..n])
        })
        .collect();
    all.sort();
    all.concat()
}
