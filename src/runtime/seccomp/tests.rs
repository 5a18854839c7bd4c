//! The filter against a plain reading of the profile, number by number; and the filter in the kernel.

use super::profile::Condition;
use super::profile::Here;
use super::profile::Op;
use super::profile::Rule;
use super::profile::Rules;
use super::profile::resolve;
use super::table::Arch;
use super::table::Table;
use super::*;
use crate::runtime::capabilities;
use crate::runtime::sys::security::Instruction;
use proptest::prelude::*;
use std::collections::BTreeSet;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// What the kernel shows a filter.
#[derive(Debug, Clone, Copy)]
struct Call {
    number: u32,
    arch: u32,
    args: [u64; 6],
}

/// Runs a filter as the kernel would.
fn run(code: &[Instruction], call: Call) -> u32 {
    let word = |offset: u32| match offset {
        0 => call.number,
        4 => call.arch,
        16..64 => {
            let arg = call.args[(offset as usize - 16) / 8];
            if offset.is_multiple_of(8) {
                arg as u32
            } else {
                (arg >> 32) as u32
            }
        }
        other => panic!("load from {other}"),
    };
    let (mut a, mut place) = (0, 0);
    loop {
        let Instruction {
            code: operation,
            jt,
            jf,
            k,
        } = code[place];
        place += 1;
        let skip = |holds: bool| usize::from(if holds { jt } else { jf });
        match operation {
            0x20 => a = word(k),
            0x54 => a &= k,
            0x05 => place += k as usize,
            0x15 => place += skip(a == k),
            0x25 => place += skip(a > k),
            0x35 => place += skip(a >= k),
            0x06 => return k,
            other => panic!("unknown operation {other:#x}"),
        }
    }
}

fn holds(condition: &Condition, args: [u64; 6]) -> bool {
    let (arg, value) = (args[usize::from(condition.index)], condition.value);
    match condition.op {
        Op::Ne => arg != value,
        Op::Lt => arg < value,
        Op::Le => arg <= value,
        Op::Eq => arg == value,
        Op::Ge => arg >= value,
        Op::Gt => arg > value,
        Op::MaskedEq => arg & value == condition.value_two,
    }
}

/// Rules with the numbers of their names.
type Numbered<'a> = Vec<(&'a Rule, BTreeSet<u32>)>;

/// A profile read plainly, one architecture a time.
struct Plain<'a> {
    rules: &'a Rules,
    /// Each architecture with the rules and their numbers on it.
    arches: Vec<(Arch, Numbered<'a>)>,
}

impl<'a> Plain<'a> {
    fn new(rules: &'a Rules) -> Self {
        let numbers = |arch: Arch| {
            let table = Table::of(arch);
            let of = |rule: &'a Rule| {
                rule.names
                    .iter()
                    .filter_map(|name| table.number(name))
                    .collect()
            };
            (
                arch,
                rules.rules.iter().map(|rule| (rule, of(rule))).collect(),
            )
        };
        let arches = [Some(Arch::X86_64), rules.x86.then_some(Arch::X86)];
        Self {
            rules,
            arches: arches.into_iter().flatten().map(numbers).collect(),
        }
    }

    /// What the profile says about a call.
    fn verdict(&self, call: Call) -> u32 {
        let Some((arch, numbers)) = self
            .arches
            .iter()
            .find(|(arch, _)| arch.audit() == call.arch)
        else {
            return libc::SECCOMP_RET_KILL_THREAD;
        };
        if *arch == Arch::X86_64 && call.number >= 0x4000_0000 {
            return ENOSYS;
        }
        let default = self.rules.default;
        let of_it = || {
            let about = |(rule, numbers): &&(&Rule, BTreeSet<u32>)| {
                rule.action != default && numbers.contains(&call.number)
            };
            numbers.iter().filter(about).map(|(rule, _)| rule)
        };
        let always = of_it().find(|rule| rule.conditions.is_empty());
        let matching = || of_it().find(|rule| rule.conditions.iter().all(|c| holds(c, call.args)));
        if let Some(rule) = always.or_else(matching) {
            return rule.action;
        }
        let newest = numbers
            .iter()
            .filter_map(|(_, numbers)| numbers.last())
            .max();
        let runs_anyway = [ALLOW, libc::SECCOMP_RET_LOG].contains(&default)
            || default & 0xffff_0000 == libc::SECCOMP_RET_TRACE;
        match newest {
            Some(newest) if call.number > *newest && !runs_anyway => ENOSYS,
            _ => default,
        }
    }
}

fn caps(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn default_for(names: &[&str]) -> (Rules, Program) {
    let caps = caps(names);
    let rules = resolve(include_str!("default.json"), &Here::of_this_machine(&caps)).unwrap();
    let program = compile(&Seccomp::Default, &caps).unwrap().unwrap();
    (rules, program)
}

#[test]
fn the_default_filter_says_what_the_profile_says() {
    let interesting = [
        0,
        1,
        8,
        13,
        37,
        38,
        39,
        40,
        41,
        0x2_0000,
        0x2_0008,
        0xffff_ffff,
        1 << 28,
        0x7e02_0000,
        u64::MAX,
        40 << 32,
    ];
    for names in [
        &capabilities::DEFAULT[..],
        &[],
        &["SYS_ADMIN"],
        &["SYS_ADMIN", "SYS_PTRACE", "BPF", "SYSLOG", "SYS_TIME"],
    ] {
        let (rules, program) = default_for(names);
        let plain = Plain::new(&rules);
        for arch in [Arch::X86_64.audit(), Arch::X86.audit(), 0xc000_00b7] {
            for number in (0..=500).chain([0x3fff_ffff, 0x4000_0000, 0x4000_0001, u32::MAX]) {
                for first in interesting {
                    let call = Call {
                        number,
                        arch,
                        args: [first, 2, 3, 4, 5, 6],
                    };
                    assert_eq!(
                        run(&program.0, call),
                        plain.verdict(call),
                        "{names:?} {call:x?}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_default_filter_by_examples() {
    let (_, program) = default_for(&capabilities::DEFAULT);
    let (_, admin) = default_for(&["SYS_ADMIN"]);
    let of = |program: &Program, number: libc::c_long, first: u64| {
        let number = u32::try_from(number).unwrap();
        run(
            &program.0,
            Call {
                number,
                arch: Arch::X86_64.audit(),
                args: [first, 0, 0, 0, 0, 0],
            },
        )
    };
    for (number, first, without, with_admin) in [
        (libc::SYS_read, 0, ALLOW, ALLOW),
        (libc::SYS_mount, 0, EPERM, ALLOW),
        (libc::SYS_keyctl, 0, EPERM, EPERM),
        (libc::SYS_io_uring_setup, 0, EPERM, EPERM),
        (libc::SYS_chroot, 0, ALLOW, EPERM),
        (libc::SYS_clone3, 0, ENOSYS, ALLOW),
        (libc::SYS_clone, libc::CLONE_NEWUSER as u64, EPERM, ALLOW),
        (libc::SYS_clone, libc::CLONE_VM as u64, ALLOW, ALLOW),
        (libc::SYS_socket, libc::AF_INET as u64, ALLOW, ALLOW),
        (libc::SYS_socket, libc::AF_ALG as u64, EPERM, EPERM),
        (libc::SYS_socket, libc::AF_VSOCK as u64, EPERM, EPERM),
        (500, 0, ENOSYS, ENOSYS),
    ] {
        assert_eq!(of(&program, number, first), without, "{number}");
        assert_eq!(
            of(&admin, number, first),
            with_admin,
            "{number} with SYS_ADMIN"
        );
    }
}

#[test]
fn the_default_profile_has_dockers_names() {
    let profile: serde_json::Value = serde_json::from_str(include_str!("default.json")).unwrap();
    let groups = profile["syscalls"].as_array().unwrap();
    assert_eq!(groups[0]["names"].as_array().unwrap().len(), 361);
    let mut all: Vec<_> = groups
        .iter()
        .filter(|group| group["action"] == "SCMP_ACT_ALLOW")
        .flat_map(|group| group["names"].as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect();
    all.sort_unstable();
    all.dedup();
    // docker's 426, less 11 that only other architectures have.
    assert_eq!(all.len(), 415);
    let known = |name: &&str| {
        [Arch::X86_64, Arch::X86]
            .iter()
            .any(|arch| Table::of(*arch).number(name).is_some())
    };
    let unknown: Vec<_> = all.into_iter().filter(|name| !known(name)).collect();
    assert_eq!(unknown, ["recv", "riscv_hwprobe", "send"]);
}

#[test]
fn the_default_filter_is_short() {
    let (_, program) = default_for(&capabilities::DEFAULT);
    assert!(program.len() < 300, "{} instructions", program.len());
    assert!(!program.is_empty());
}

#[test]
fn no_filter_where_none_is_wanted() {
    assert_eq!(compile(&Seccomp::Unconfined, &[]).unwrap(), None);
}

#[test]
fn a_profile_that_denies_keeps_its_exceptions_out_of_reach_of_x32() {
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL_PROCESS"}]}"#;
    let program = compile(&Seccomp::Profile(text.into()), &[])
        .unwrap()
        .unwrap();
    let at = |number| {
        run(
            &program.0,
            Call {
                number,
                arch: Arch::X86_64.audit(),
                args: [0; 6],
            },
        )
    };
    assert_eq!(
        [at(0), at(1), at(9999)],
        [libc::SECCOMP_RET_KILL_PROCESS, ALLOW, ALLOW]
    );
    assert_eq!(at(0x4000_0000), ENOSYS);
}

#[test]
fn the_kernel_takes_the_default_filter_and_enforces_it() {
    let (_, program) = default_for(&capabilities::DEFAULT);
    // A filter is of a thread, so the other tests do not notice.
    let refused = std::thread::spawn(move || {
        rustix::thread::set_no_new_privs(true).unwrap();
        program.install().unwrap();
        assert!(std::fs::read_to_string("/proc/self/status").is_ok());
        let mode = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(mode.contains("Seccomp:\t2"), "{mode}");
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS).unwrap_err()
    });
    assert_eq!(refused.join().unwrap(), nix::errno::Errno::EPERM);
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let op = prop_oneof![
        Just(Op::Ne),
        Just(Op::Lt),
        Just(Op::Le),
        Just(Op::Eq),
        Just(Op::Ge),
        Just(Op::Gt),
        Just(Op::MaskedEq)
    ];
    let value = || {
        prop_oneof![
            0u64..4,
            Just(u64::MAX),
            Just(1 << 32),
            Just((1 << 32) + 1),
            any::<u64>()
        ]
    };
    (0u8..2, op, value(), value()).prop_map(|(index, op, value, value_two)| Condition {
        index,
        op,
        value,
        value_two,
    })
}

fn any_action() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(ALLOW),
        Just(EPERM),
        Just(ENOSYS),
        Just(libc::SECCOMP_RET_TRAP),
        Just(libc::SECCOMP_RET_LOG)
    ]
}

fn any_rules(most: usize) -> impl Strategy<Value = Rules> {
    let names: Vec<&str> = include_str!("syscalls.txt")
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let names = proptest::collection::vec(proptest::sample::select(names), 1..4);
    let rule = (
        names,
        any_action(),
        proptest::collection::vec(any_condition(), 0..3),
    )
        .prop_map(|(names, action, conditions)| Rule {
            names: names.into_iter().map(str::to_owned).collect(),
            action,
            conditions,
        });
    (
        any_action(),
        any::<bool>(),
        proptest::collection::vec(rule, 0..most),
    )
        .prop_map(|(default, x86, rules)| Rules {
            default,
            x86,
            rules,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Also long ones, where jumps need stepping stones.
    #[test]
    fn any_filter_says_what_its_rules_say(rules in any_rules(150), args in proptest::array::uniform6(prop_oneof![0u64..4, any::<u64>()])) {
        let code = super::assemble::program(&rules).unwrap();
        let plain = Plain::new(&rules);
        for arch in [Arch::X86_64.audit(), Arch::X86.audit(), 7] {
            for number in (0..=480).chain([0x4000_0000]) {
                let call = Call { number, arch, args };
                prop_assert_eq!(run(&code, call), plain.verdict(call), "{:?}", call);
            }
        }
    }
}
