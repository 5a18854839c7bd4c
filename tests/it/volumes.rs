//! Copy-up as the runtime does it: from a mounted overlay into a volume, by a process that may die at any step.

use hoist::volumes::populate;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "HOIST_TEST_VOLUMES_FOLDER";

/// Not a test of its own: copies `merged/data` into `volume`.
#[test]
#[ignore = "run by the tests below"]
fn child_copies_up() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let open = |name: &str| File::open(folder.join(name)).unwrap();
    populate::copy_up(open("merged/data").as_fd(), open("volume").as_fd()).unwrap();
}

/// Runs a script in a mount namespace of its own, with the image mounted at `merged`.
fn in_namespace(folder: &Path, script: &str) -> bool {
    let mount = "mount -t overlay o -o lowerdir=top:base,upperdir=upper,workdir=work merged";
    let this = std::env::current_exe().unwrap();
    let child = format!(
        "'{}' --exact volumes::child_copies_up --ignored --test-threads=1 >/dev/null 2>&1",
        this.display()
    );
    Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-euc"])
        .arg(format!("{mount}\n{}", script.replace("COPY", &child)))
        .current_dir(folder)
        .env(FOLDER, folder)
        .status()
        .unwrap()
        .success()
}

fn sh(folder: &Path, script: &str) {
    let done = Command::new("sh")
        .args(["-euc", script])
        .current_dir(folder)
        .status();
    assert!(done.unwrap().success(), "{script}");
}

/// An image of two layers with something of everything in `/data`.
fn image(folder: &Path) {
    let script = "
        mkdir base top upper work merged volume
        mkdir -p base/data/d/e top/data
        echo a > base/data/d/a; ln base/data/d/a base/data/d/e/b; ln -s /nowhere base/data/link
        truncate -s 9M base/data/holes; printf end >> base/data/holes
        echo gone > base/data/gone; mknod top/data/gone c 0 0
        echo top > top/data/new; chmod 4750 top/data/new; chown 5:6 top/data/new; chmod 4750 top/data/new
        mknod base/data/null c 1 3; mkfifo base/data/fifo
        touch -d '2001-02-03' base/data/d base/data/d/a
        chown 70:71 base/data top/data; chmod 1770 base/data top/data
    ";
    sh(folder, script);
}

/// Overlayfs does not count the subfolders of a folder as links to it, so links are compared for files only.
const COMPARE: &str = "
    list() { (
        cd $1
        find . -type d -printf '%P %m %U:%G %T@\\n' | sort
        find . ! -type d -printf '%P %y %m %U:%G %n %T@ %l\\n' | sort
        find . -type f -exec sha256sum {} + | sort
    ); }
    test \"$(list merged/data)\" = \"$(list volume)\"
    test ! -e volume/gone
";

#[test]
fn a_new_volume_gets_what_the_mounted_image_shows() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path());
    assert!(in_namespace(folder.path(), &format!("COPY\n{COMPARE}")));
    fs::remove_file(folder.path().join("volume/new")).unwrap();
    assert!(
        in_namespace(folder.path(), "COPY\ntest ! -e volume/new"),
        "a volume is filled once"
    );
}

#[test]
fn a_copy_killed_at_any_step_is_made_again() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: `strace` is not installed");
        return;
    }
    let mut kills = 0;
    for step in 1..100 {
        let folder = tempfile::tempdir().unwrap();
        image(folder.path());
        let calls = "fsetxattr,fremovexattr,mkdirat,linkat,symlinkat,mknodat,fchown,utimensat";
        let kill = format!(
            "strace -f -qq -o /dev/null -e trace={calls} -e inject={calls}:signal=KILL:when={step} COPY"
        );
        if in_namespace(folder.path(), &format!("{kill}\n{COMPARE}")) {
            break;
        }
        kills += 1;
        assert!(
            in_namespace(folder.path(), &format!("COPY\n{COMPARE}")),
            "killed at call {step}"
        );
    }
    // strace counts each kind of call by itself; there are at least six of the most frequent.
    assert!(kills >= 6, "only {kills} copies were killed");
}
