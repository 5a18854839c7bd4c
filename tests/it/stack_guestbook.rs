//! examples/guestbook: nginx, a Python program, redis and postgres from Debian packages.

use crate::world::World;
use std::path::Path;
use std::process::Command;

const PAGE: &str = "127.0.0.1:8484";

/// Makes the image archives once a checkout, in the target folder.
fn archives() -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guestbook-images");
    // `true` stands for hoist: only the archives are made here, each test imports them into its own store.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guestbook/images.sh");
    // mmdebstrap mounts: other tests, which compare what is mounted, must not see that come and go.
    let made = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh"])
        .arg(script)
        .arg(&folder)
        .env("HOIST", "true")
        .output()
        .expect("`.ci/needs` asks for unshare");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    folder
}

#[test]
fn a_post_goes_through_nginx_into_postgres_and_redis() {
    let archives = archives();
    let mut world = World::new("guestbook");
    world.copy("examples/guestbook");
    world.set_env("HOIST", env!("CARGO_BIN_EXE_hoist"));
    world
        .run(&["sh", "images.sh", &archives.display().to_string()])
        .ok();
    let listed = || {
        world
            .get(PAGE, "/")
            .expect("it lists posts")
            .contains("<li>first post</li>")
    };
    let hoist = |line: &str| {
        world
            .hoist(&line.split(' ').collect::<Vec<_>>())
            .ok()
            .stdout
    };

    hoist("up -d --wait");
    world
        .post(PAGE, "/", "text=first+post")
        .expect("the post is taken");
    assert!(listed());
    assert_eq!(
        hoist("exec -T postgres psql -h /tmp -tAc table\tposts"),
        "1|first post\n"
    );
    assert_eq!(hoist("exec -T redis redis-cli get posts"), "1\n");

    hoist("down");
    world.assert_no_trace();
    hoist("up -d --wait");
    assert!(listed(), "a volume outlives `down`");
    let bench = hoist("--profile bench up --no-deps redis-benchmark pgbench");
    assert!(
        bench.contains("tps = ") && bench.contains("requests per second"),
        "{bench}"
    );

    hoist("--profile bench down -v");
    hoist("up -d --wait");
    assert!(!listed(), "`down -v` forgets");
    hoist("down -v");
}
