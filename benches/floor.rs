//! The floor: what the kernel alone takes for N containers, with nobody keeping books.
//!
//! ```text
//! floor COUNT ROOTFS COMMAND…      e.g.  floor 50 /path/to/busybox-root sleep 100000
//! floor answer PORT                a web server, the load of `compare`
//! ```
//!
//! Two worker processes make the kernel objects of a container of ours by raw system calls, one container after the
//! other each: cgroups in every hierarchy, six namespaces, overlay, docker's mounts, device nodes, masked and
//! read-only paths, capabilities, a seccomp filter, a veth on a bridge with address and route, exec. Nothing is
//! logged, kept, checked, resolved or published. Then they kill and remove all of it. Prints `up down` in milliseconds.
#![allow(unsafe_code, clippy::print_stdout)]

#[path = "floor/answer.rs"]
mod answer;
#[path = "floor/netlink.rs"]
mod netlink;

use netlink::{Netlink, Request};
use std::ffi::{CStr, CString};
use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

const WORKERS: usize = 2;
const BRIDGE: &str = "floor0";
/// libc has it too narrow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Panics with the name of the call that failed.
fn check(what: &str, result: i64) -> i64 {
    assert!(result >= 0, "{what}: {}", std::io::Error::last_os_error());
    result
}

fn c(text: &str) -> CString {
    CString::new(text).expect("no NUL in our own strings")
}

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    match words.as_slice() {
        [verb, port] if verb == "answer" => answer::answer(port.parse().expect("PORT is a number")),
        [count, rootfs, command @ ..] => measure(count, rootfs, command),
        _ => println!("usage: floor COUNT ROOTFS COMMAND… | floor answer PORT"),
    }
}

fn measure(count: &str, rootfs: &str, command: &[String]) {
    let count: usize = count.parse().expect("COUNT is a number");
    let scratch = std::env::temp_dir().join(format!("floor-{}", std::process::id()));
    fs::create_dir(&scratch).expect("the folder is new");
    // SAFETY: no pointers; this process is single-threaded.
    check(
        "unshare",
        unsafe { libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWNET) }.into(),
    );
    mount("", "/", "", libc::MS_REC | libc::MS_PRIVATE, "");
    let plan = Plan {
        scratch: scratch.clone(),
        rootfs: rootfs.to_owned(),
        command: command.to_vec(),
        hierarchies: hierarchies(),
    };

    let mut workers: Vec<Worker> = (0..WORKERS)
        .map(|index| Worker::fork(&plan, index, count))
        .collect();
    let start = Instant::now();
    let mut net = Netlink::open();
    net.bridge(BRIDGE, [10, 213, 0, 1]);
    workers.iter_mut().for_each(Worker::go);
    workers.iter_mut().for_each(Worker::done);
    let up = start.elapsed();

    let start = Instant::now();
    workers.iter_mut().for_each(Worker::go);
    workers.iter_mut().for_each(Worker::done);
    net.delete(BRIDGE);
    let down = start.elapsed();
    println!(
        "{:.2} {:.2}",
        up.as_secs_f64() * 1e3,
        down.as_secs_f64() * 1e3
    );
    fs::remove_dir_all(&scratch).expect("it is ours");
}

/// What all containers have in common.
struct Plan {
    scratch: PathBuf,
    rootfs: String,
    command: Vec<String>,
    /// Folder of each cgroup hierarchy in which containers get theirs; v2 has `true`.
    hierarchies: Vec<(PathBuf, bool)>,
}

/// This process's cgroup in each hierarchy.
fn hierarchies() -> Vec<(PathBuf, bool)> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc is mounted");
    let own = fs::read_to_string("/proc/self/cgroup").expect("the kernel has cgroups");
    let found = mounts.lines().filter_map(|line| {
        let [_, target, kind, options, ..] = line.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let v2 = kind == "cgroup2";
        let path = own.lines().find_map(|line| {
            let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else {
                return None;
            };
            let same = if v2 {
                controllers.is_empty()
            } else {
                kind == "cgroup"
                    && !controllers.is_empty()
                    && controllers
                        .split(',')
                        .all(|one| options.split(',').any(|o| o == one))
            };
            same.then_some(path)
        })?;
        Some((Path::new(target).join(path.trim_start_matches('/')), v2))
    });
    found.collect()
}

/// A process that makes every `WORKERS`th container.
struct Worker {
    go: PipeWriter,
    done: PipeReader,
}

impl Worker {
    fn fork(plan: &Plan, index: usize, count: usize) -> Self {
        let (wait, go) = std::io::pipe().expect("descriptors are left");
        let (done, say) = std::io::pipe().expect("descriptors are left");
        // SAFETY: this process is single-threaded, so the child may run ordinary Rust.
        if check("fork", unsafe { libc::fork() }.into()) == 0 {
            drop((go, done));
            work(plan, (index..count).step_by(WORKERS), wait, say);
            std::process::exit(0);
        }
        Self { go, done }
    }

    fn go(&mut self) {
        self.go.write_all(b".").expect("the worker lives");
    }

    fn done(&mut self) {
        self.done.read_exact(&mut [0]).expect("the worker lives");
    }
}

fn work(
    plan: &Plan,
    indexes: impl Iterator<Item = usize>,
    mut wait: PipeReader,
    mut say: PipeWriter,
) {
    let mut net = Netlink::open();
    wait.read_exact(&mut [0]).expect("the parent lives");
    let made: Vec<Container> = indexes
        .map(|index| Container::start(plan, &mut net, index))
        .collect();
    say.write_all(b".").expect("the parent lives");
    wait.read_exact(&mut [0]).expect("the parent lives");
    for container in &made {
        // SAFETY: the PID is our unreaped child's.
        check(
            "kill",
            unsafe { libc::kill(container.pid, libc::SIGKILL) }.into(),
        );
    }
    made.into_iter().for_each(Container::remove);
    say.write_all(b".").expect("the parent lives");
}

struct Container {
    pid: i32,
    folder: PathBuf,
    cgroups: Vec<(PathBuf, bool)>,
}

impl Container {
    fn start(plan: &Plan, net: &mut Netlink, index: usize) -> Self {
        let folder = plan.scratch.join(index.to_string());
        for sub in ["", "upper", "work", "root"] {
            fs::create_dir(folder.join(sub)).expect("the folder is new");
        }
        for file in ["hosts", "hostname", "resolv.conf"] {
            fs::write(folder.join(file), "127.0.0.1 localhost\n").expect("the folder is ours");
        }
        let name = format!("floor-{}-{index}", std::process::id());
        let cgroups: Vec<_> = plan
            .hierarchies
            .iter()
            .map(|(parent, v2)| (parent.join(&name), *v2))
            .collect();
        cgroups.iter().for_each(|(cgroup, _)| make_cgroup(cgroup));
        let (gate, open) = std::io::pipe().expect("descriptors are left");
        let (mut started, exec) = std::io::pipe().expect("descriptors are left");
        let pid = clone_into(&cgroups);
        if pid == 0 {
            drop((open, started));
            become_container(plan, &folder, &cgroups, gate, index);
        }
        drop((gate, exec));
        net.veth(&format!("fl{index}"), BRIDGE, pid);
        { open }.write_all(b".").expect("the child lives");
        // The end of file is the exec.
        let mut failure = String::new();
        started
            .read_to_string(&mut failure)
            .expect("a pipe can be read");
        Self {
            pid,
            folder,
            cgroups,
        }
    }

    fn remove(self) {
        // SAFETY: no pointer is kept.
        check(
            "waitpid",
            unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) }.into(),
        );
        for (cgroup, _) in self.cgroups {
            while fs::remove_dir(&cgroup)
                .is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY))
            {}
        }
        fs::remove_dir_all(self.folder).expect("it is ours");
    }
}

fn make_cgroup(cgroup: &Path) {
    fs::create_dir(cgroup).expect("root makes cgroups");
    // v1's cpuset lets nobody in before it has both.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let parent = cgroup.parent().expect("it was joined").join(file);
        if cgroup.starts_with("/sys/fs/cgroup/cpuset") {
            let value = fs::read(parent).expect("the parent has it");
            fs::write(cgroup.join(file), value).expect("root may");
        }
    }
}

/// `clone3` into new namespaces and the v2 cgroup; 0 in the child.
fn clone_into(cgroups: &[(PathBuf, bool)]) -> i32 {
    let unified = cgroups
        .iter()
        .find(|(_, v2)| *v2)
        .map(|(path, _)| fs::File::open(path).expect("it was just made"));
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC;
    let into = if unified.is_some() {
        CLONE_INTO_CGROUP
    } else {
        0
    };
    // SAFETY: all zero is a valid `clone_args`.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces as u64 | into;
    args.exit_signal = libc::SIGCHLD as u64;
    args.cgroup = unified.as_ref().map_or(0, |file| file.as_raw_fd() as u64);
    // SAFETY: without CLONE_VM and a stack this is fork, and the process is single-threaded.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const args,
            size_of::<libc::clone_args>(),
        )
    };
    check("clone3", pid) as i32
}

fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong, data: &str) {
    let result = try_mount(source, target, kind, flags, data);
    check(&format!("mount {kind} {source} at {target}"), result.into());
}

fn try_mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong, data: &str) -> i32 {
    let [source, target, kind, data] = [source, target, kind, data].map(c);
    // SAFETY: four NUL-terminated strings that outlive the call.
    unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            data.as_ptr().cast(),
        )
    }
}

fn become_container(
    plan: &Plan,
    folder: &Path,
    cgroups: &[(PathBuf, bool)],
    mut gate: PipeReader,
    index: usize,
) -> ! {
    for (cgroup, _) in cgroups.iter().filter(|(_, v2)| !v2) {
        fs::write(cgroup.join("cgroup.procs"), "0").expect("root moves processes");
    }
    // SAFETY: no pointers.
    check(
        "unshare",
        unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }.into(),
    );
    let root = folder.join("root").display().to_string();
    let sub = |name: &str| folder.join(name).display().to_string();
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        plan.rootfs,
        sub("upper"),
        sub("work")
    );
    mount("overlay", &root, "overlay", 0, &layers);
    std::env::set_current_dir(&root).expect("it is mounted");
    special_mounts();
    cgroup_mounts(cgroups);
    for file in ["hosts", "hostname", "resolv.conf"] {
        fs::write(format!("etc/{file}"), "").expect("the upper layer is writable");
        mount(&sub(file), &format!("etc/{file}"), "", libc::MS_BIND, "");
    }
    hide();
    // SAFETY: NUL-terminated strings; the old root is detached from below the new one.
    unsafe {
        check(
            "pivot_root",
            libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()),
        );
        check(
            "umount",
            libc::umount2(c".".as_ptr(), libc::MNT_DETACH).into(),
        );
        check(
            "sethostname",
            libc::sethostname(c"floor".as_ptr(), 5).into(),
        );
    }
    std::env::set_current_dir("/").expect("it is the root");
    gate.read_exact(&mut [0]).expect("the parent lives");
    let mut net = Netlink::open();
    net.configure(
        [10, 213, (index / 250) as u8, (index % 250) as u8 + 2],
        [10, 213, 0, 1],
    );
    confine();
    let words: Vec<CString> = plan.command.iter().map(|word| c(word)).collect();
    let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    argv.push(std::ptr::null());
    // SAFETY: argv ends in a null pointer and its strings live.
    unsafe { libc::execvp(argv[0], argv.as_ptr()) };
    check("exec", -1);
    unreachable!("exec returned and failed")
}

const SAFE: libc::c_ulong = libc::MS_NOSUID | libc::MS_NOEXEC | libc::MS_NODEV;

/// /proc, /dev with its nodes and links, /dev/pts, /dev/mqueue, /dev/shm and /sys.
fn special_mounts() {
    mount("proc", "proc", "proc", SAFE, "");
    mount(
        "tmpfs",
        "dev",
        "tmpfs",
        libc::MS_NOSUID | libc::MS_STRICTATIME,
        "mode=755,size=65536k",
    );
    for folder in ["dev/pts", "dev/mqueue", "dev/shm"] {
        fs::create_dir(folder).expect("the tmpfs is new");
    }
    mount(
        "devpts",
        "dev/pts",
        "devpts",
        libc::MS_NOSUID | libc::MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=0620,gid=5",
    );
    mount("mqueue", "dev/mqueue", "mqueue", SAFE, "");
    mount("shm", "dev/shm", "tmpfs", SAFE, "mode=1777,size=65536k");
    mount("sysfs", "sys", "sysfs", SAFE | libc::MS_RDONLY, "");
    for (name, major, minor) in [
        ("null", 1, 3),
        ("zero", 1, 5),
        ("full", 1, 7),
        ("random", 1, 8),
        ("urandom", 1, 9),
        ("tty", 5, 0),
    ] {
        let path = c(&format!("dev/{name}"));
        // SAFETY: a NUL-terminated string.
        check(
            "mknod",
            unsafe {
                libc::mknod(
                    path.as_ptr(),
                    libc::S_IFCHR | 0o666,
                    libc::makedev(major, minor),
                )
            }
            .into(),
        );
    }
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("core", "/proc/kcore"),
    ] {
        std::os::unix::fs::symlink(target, format!("dev/{link}")).expect("the tmpfs is new");
    }
}

/// Read-only views of the container's own cgroups.
fn cgroup_mounts(cgroups: &[(PathBuf, bool)]) {
    if let [(_, true)] = cgroups {
        mount(
            "cgroup",
            "sys/fs/cgroup",
            "cgroup2",
            SAFE | libc::MS_RDONLY,
            "",
        );
        return;
    }
    mount("cgroup", "sys/fs/cgroup", "tmpfs", SAFE, "mode=755");
    for (cgroup, _) in cgroups {
        let hierarchy = cgroup
            .strip_prefix("/sys/fs/cgroup")
            .ok()
            .and_then(|path| path.iter().next());
        let Some(hierarchy) = hierarchy.and_then(|name| name.to_str()) else {
            continue;
        };
        let target = format!("sys/fs/cgroup/{hierarchy}");
        fs::create_dir(&target).expect("the tmpfs is new");
        mount(
            &cgroup.display().to_string(),
            &target,
            "",
            libc::MS_BIND,
            "",
        );
        mount(
            "",
            &target,
            "",
            libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY | SAFE,
            "",
        );
    }
}

/// Docker's masked and read-only paths, as far as this kernel has them.
fn hide() {
    for path in [
        "acpi",
        "asound",
        "interrupts",
        "kcore",
        "keys",
        "latency_stats",
        "sched_debug",
        "scsi",
        "timer_list",
    ] {
        mask(&format!("proc/{path}"));
    }
    mask("sys/devices/virtual/powercap");
    mask("sys/firmware");
    for path in ["bus", "fs", "irq", "sys", "sysrq-trigger"] {
        let path = format!("proc/{path}");
        if try_mount(&path, &path, "", libc::MS_BIND | libc::MS_REC, "") == 0 {
            mount(
                "",
                &path,
                "",
                libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY | SAFE,
                "",
            );
        }
    }
}

fn mask(path: &str) {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => mount("tmpfs", path, "tmpfs", libc::MS_RDONLY, ""),
        Ok(_) => mount("dev/null", path, "", libc::MS_BIND, ""),
        Err(_) => {}
    }
}

/// Docker's 14 capabilities, and a seccomp filter of the size of its profile that allows everything.
fn confine() {
    const KEPT: u64 = 0xa804_25fb;
    for capability in (0..64).filter(|bit| KEPT & (1 << bit) == 0) {
        // SAFETY: no pointers; capabilities that the kernel does not know are refused, which is all the same.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    let load = libc::sock_filter {
        code: 0x20,
        jt: 0,
        jf: 0,
        k: 0,
    };
    let compare = libc::sock_filter {
        code: 0x15,
        jt: 0,
        jf: 0,
        k: 0xffff,
    };
    let allow = libc::sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ALLOW,
    };
    let mut code = vec![load];
    code.extend([compare; 60]);
    code.push(allow);
    let program = libc::sock_fprog {
        len: code.len() as u16,
        filter: code.as_mut_ptr(),
    };
    let header: [u32; 2] = [0x2008_0522, 0];
    let sets = [
        KEPT as u32,
        KEPT as u32,
        0,
        (KEPT >> 32) as u32,
        (KEPT >> 32) as u32,
        0,
    ];
    // SAFETY: the program and both capability records live until the calls return.
    unsafe {
        check(
            "seccomp",
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0,
                &raw const program,
            ),
        );
        check(
            "capset",
            libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()),
        );
    }
}

/// Interface index by name.
fn link_index(name: &str) -> u32 {
    let name: &CStr = &c(name);
    // SAFETY: a NUL-terminated string.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    assert!(index > 0, "no link {name:?}");
    index
}

impl Netlink {
    /// A bridge that is up and has an address.
    fn bridge(&mut self, name: &str, address: [u8; 4]) {
        self.send(&[Request::link(0, true)
            .up()
            .text(libc::IFLA_IFNAME, name)
            .kind("bridge", &[])]);
        self.send(&[Request::address(link_index(name), address, 16)]);
    }

    fn delete(&mut self, name: &str) {
        self.send(&[Request::delete_link(link_index(name))]);
    }

    /// A pair whose near end is up on `bridge` and whose far end is `eth0` in the namespace of `pid`.
    fn veth(&mut self, name: &str, bridge: &str, pid: i32) {
        let peer = Request::peer()
            .text(libc::IFLA_IFNAME, "eth0")
            .number(libc::IFLA_NET_NS_PID, pid as u32);
        let near = Request::link(0, true).up().text(libc::IFLA_IFNAME, name);
        self.send(&[near
            .number(libc::IFLA_MASTER, link_index(bridge))
            .kind("veth", &peer.body())]);
    }

    /// Inside: loopback, address and default route.
    fn configure(&mut self, address: [u8; 4], gateway: [u8; 4]) {
        let eth0 = link_index("eth0");
        self.send(&[
            Request::link(1, false).up(),
            Request::link(eth0, false).up(),
            Request::address(eth0, address, 16),
            Request::default_route(eth0, gateway),
        ]);
    }
}
