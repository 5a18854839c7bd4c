//! What root inside `image: host` can get hold of: nothing of the host that is anybody's secret, and nothing to write.

use crate::world::World;

/// Written to every place that must not be seen; searched for from inside. Never spelled in one piece in a script,
/// or the search would find itself.
const CANARY: [&str; 2] = ["canary-of-the", "-host"];

/// A service on `image: host` that lives until it is stopped, with a volume.
fn resident(volume: &str) -> String {
    format!(
        "services:\n  inside:\n    image: host\n    stop_grace_period: 0s\n    command: [sleep, '1000']\n    \
         environment: {{A: '{0}', B: '{1}'}}\n    volumes: ['{volume}:/data']\nvolumes:\n  {volume}:\n",
        CANARY[0], CANARY[1]
    )
}

/// Runs a script as root inside the resident of project `p`; what it prints.
fn inside(world: &World, project: &str, script: &str) -> String {
    let words = ["-p", project, "exec", "-T", "inside", "sh", "-c", script];
    let output = world.hoist(&words).ok();
    output.stdout + &output.stderr
}

/// Two projects in a box; the other one has the canary in its volume, and so have its state and the user's home.
fn two_projects(name: &str) -> World {
    let world = World::new(name);
    world.write("victim.yaml", &resident("secret"));
    world.write("compose.yaml", &resident("own"));
    world
        .hoist(&["-f", "victim.yaml", "-p", "victim", "up", "-d"])
        .ok();
    world.hoist(&["-p", "attacker", "up", "-d"]).ok();
    inside(
        &world,
        "victim",
        "echo $A$B > /data/canary; echo $A$B > /root/canary",
    );
    let home = world.project().join("../home/canary");
    std::fs::write(home, CANARY.concat()).expect("the folder is ours");
    world
}

fn end(world: &World) {
    for (file, project) in [("compose.yaml", "attacker"), ("victim.yaml", "victim")] {
        world.hoist(&["-f", file, "-p", project, "down", "-v"]).ok();
    }
    std::fs::remove_file(world.project().join("../home/canary")).expect("it was written");
}

#[test]
fn root_in_the_host_image_reads_no_secret() {
    let world = two_projects("reads");
    let state = world.state().display().to_string();
    let project = world.project().display().to_string();
    assert_eq!(
        inside(&world, "victim", "cat /data/canary").trim(),
        CANARY.concat(),
        "there is something to find"
    );

    let absent = format!(
        "for path in /etc/shadow /etc/shadow- /etc/gshadow /etc/sudoers /etc/ssh/ssh_host_ed25519_key \
         /etc/ssh/ssh_host_rsa_key /etc/ssl/private /var/lib/hoist /run/hoist {state} {project} \
         /proc/1/root{state} /proc/self/root{state} /proc/1/cwd/..{state} /proc/self/fd/0/..{state} \
         /../../..{state} /data/../../../{state}; do [ -e $path ] && echo \"seen: $path\"; done; :"
    );
    assert_eq!(inside(&world, "attacker", &absent), "");
    let empty = "for folder in /root /home /srv /opt /mnt /media /var/lib/docker /usr/local/etc; do \
         [ -z \"$(ls -A $folder 2>/dev/null)\" ] || echo \"$folder: $(ls -A $folder)\"; done";
    assert_eq!(inside(&world, "attacker", empty), "");
    let people = "grep -E ':[$!*][^:]*:' /etc/passwd /etc/group; \
         awk -F: '$3 >= 1000 && $3 < 65534' /etc/passwd /etc/group";
    assert_eq!(inside(&world, "attacker", people), "");
    let keys = "grep -rlE 'BEGIN [A-Z ]*PRIVATE KEY' /etc /root /home /run /tmp /var /usr/local 2>/dev/null; :";
    assert_eq!(inside(&world, "attacker", keys), "");
    // Everything but the host's packages: kernel interfaces of every process included.
    let search = "grep -rls --devices=skip --exclude-dir=usr --exclude-dir=sys --exclude-dir=proc \"$A$B\" / ; \
         for p in /proc/[0-9]*; do ls -d $p/root/data/canary $p/cwd/data/canary $p/root/root/canary 2>/dev/null; \
         tr '\\0' '\\n' < $p/environ | grep -s \"$A$B\"; done; ls /proc | grep -c '^[0-9]'";
    let found = inside(&world, "attacker", search);
    let processes: usize = found
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("found: {found}"));
    assert!(processes < 8, "only its own processes: {processes}");
    // Host paths: where a kernel file names one, it leads nowhere from inside.
    let paths = inside(
        &world,
        "attacker",
        "for p in $(tr ' ,=:' '\\n' < /proc/self/mountinfo | grep '^/.*victim'); do ls -d $p; done 2>/dev/null; :",
    );
    assert_eq!(paths, "");
    end(&world);
}

/// Handles of files and raw devices: ways round every path.
#[test]
fn root_in_the_host_image_opens_no_disk_and_no_handle() {
    let world = two_projects("disks");
    let disks = "mknod /tmp/null c 1 3 && echo x > /tmp/null && echo control; i=0; tail -n +3 /proc/partitions | while read major minor _ name; do i=$((i+1)); \
         mknod /tmp/disk$i b $major $minor && head -c1 /tmp/disk$i 2>/dev/null | grep -q . && echo \"read $name\"; \
         (: >> /tmp/disk$i) 2>/dev/null && echo \"write $name\"; done; \
         for n in 1 2 4 11; do mknod /tmp/c$n c 1 $n; (head -c1 /tmp/c$n) >/dev/null 2>&1 && echo \"read memory $n\"; done; \
         mknod /tmp/fuse c 10 229; (: > /tmp/fuse) 2>/dev/null && echo fuse; :";
    assert_eq!(inside(&world, "attacker", disks), "control\n");
    // 39 getpid, the control; 304 open_by_handle_at, 165 mount, 272 unshare, 308 setns, 428 open_tree, 429 move_mount, 430 fsopen,
    // 101 ptrace, 321 bpf, 425 io_uring_setup, 248 add_key, 175 init_module, 246 kexec_load, 169 reboot,
    // 155 pivot_root, 323 userfaultfd, 298 perf_event_open, 173 ioperm.
    let calls = "perl -e 'for $n (39, 304, 165, 272, 308, 428, 429, 430, 321, 425, 248, 175, 246, 169, 155, 323, 298, 173) \
         { $! = 0; syscall($n, -1, -1, -1, -1, -1); print \"$n: $!\\n\" unless $!{EPERM} }'";
    assert_eq!(inside(&world, "attacker", calls), "39: \n");
    let programs = "mount -t tmpfs x /mnt 2>/dev/null && echo mounted; unshare -Urm true 2>/dev/null && echo unshared; \
         nsenter -t 1 -m true 2>/dev/null && echo entered; chroot /proc/1/root ls -d /data/canary 2>/dev/null; :";
    assert_eq!(inside(&world, "attacker", programs), "");
    end(&world);
}

#[test]
fn root_in_the_host_image_writes_nothing_of_the_host() {
    let world = two_projects("writes");
    let listing = "stat -c '%n %a %u %g %Y %Z' / /usr /usr/bin /usr/bin/env /usr/bin/perl /usr/lib /usr/local /etc \
         /etc/passwd /etc/hosts /etc/ld.so.cache /tmp/. /root /home; cat /proc/sys/kernel/core_pattern \
         /proc/sys/kernel/hostname /proc/sys/vm/swappiness /sys/kernel/mm/transparent_hugepage/enabled; \
         sha256sum /etc/passwd /etc/hosts /usr/bin/env";
    // `/tmp` is everybody's: its times change by themselves.
    let host = || {
        let listing = world.run(&["sh", "-c", listing]).ok().stdout;
        listing
            .lines()
            .filter(|line| !line.starts_with("/tmp"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = host();
    // Attacks that must fail, each in a shell of its own: a failed redirection ends one.
    let attacks = [
        "echo x > /usr/bin/canary",
        "echo x >> /usr/bin/env",
        "rm -f /usr/bin/env",
        "mv /usr/bin/env /usr/bin/env2",
        "chmod 4777 /usr/bin/env",
        "chown 1:1 /usr",
        "touch -d 2001-01-01 /usr/bin/env",
        "ln /usr/bin/env /tmp/env",
        "mkdir /usr/local/bin/canary",
        "setfattr -n user.x -v y /usr/bin/env || exit 1",
        "mount -o remount,rw /usr",
        "echo x > /proc/1/root/usr/bin/canary",
        "echo '|/data/x' > /proc/sys/kernel/core_pattern",
        "echo 1 > /proc/sys/vm/swappiness",
        "echo b > /proc/sysrq-trigger",
        "echo /data/x > /sys/kernel/uevent_helper",
        "echo never > /sys/kernel/mm/transparent_hugepage/enabled",
        "echo 1 > /proc/irq/default_smp_affinity",
        "mkdir /sys/fs/cgroup/memory/x",
        "mkdir /sys/fs/cgroup/x",
        "echo a > /sys/fs/cgroup/devices/devices.allow",
        "echo /data/x > /sys/fs/cgroup/memory/release_agent",
        "echo 1 > /sys/fs/cgroup/memory/cgroup.procs",
        "echo 1 > /sys/fs/cgroup/cgroup.procs",
        "echo -17 > /proc/1/oom_adj && echo -1000 > /proc/1/oom_score_adj",
        "date -s 2001-01-01",
        "dmesg",
        "hostname canary",
        "nice -n -5 true 2>&1 | grep -q . && exit 1",
    ];
    let mut script = String::new();
    for attack in attacks {
        script += &format!(
            "sh -c '{}' >/dev/null 2>&1 && echo \"worked: {}\"\n",
            attack.replace('\'', "'\\''"),
            attack.replace(['"', '$'], "")
        );
    }
    assert_eq!(inside(&world, "attacker", &(script + ":")), "");
    // What may be written is the container's own.
    let own = "echo x > /etc/canary && echo x > /tmp/canary && rm -rf /etc/passwd /home /root && echo written";
    assert_eq!(inside(&world, "attacker", own), "written\n");
    assert_eq!(host(), before);
    assert_eq!(
        inside(
            &world,
            "victim",
            "ls -d /etc/passwd /home /root; ls /etc/canary /tmp/canary 2>/dev/null; :"
        ),
        "/etc/passwd\n/home\n/root\n",
        "another container on the same image saw nothing of it"
    );
    end(&world);
}

/// A volume is the tenant's to fill: links in it lead nowhere outside, also for us who mount and copy.
#[test]
fn links_in_a_volume_lead_nowhere() {
    let world = two_projects("links");
    let state = world.state().display().to_string();
    let plant = format!(
        "ln -s {state} /data/state; ln -s /etc/shadow /data/shadow; ln -s ../../../.. /data/up; \
         cat /data/shadow /data/up{state}/x 2>/dev/null; ls /data/state/ 2>/dev/null; :"
    );
    assert_eq!(inside(&world, "attacker", &plant), "");
    // The next container mounts below those links.
    let yaml = resident("own").replace(
        "'own:/data'",
        "'own:/data', 'own:/data/state/deep', 'own:/data/up/tmp/deep'",
    );
    world.write("compose.yaml", &yaml);
    let up = world.hoist(&["-p", "attacker", "up", "-d"]);
    assert!(!world.state().join("deep").exists(), "{up:?}");
    end(&world);
}
