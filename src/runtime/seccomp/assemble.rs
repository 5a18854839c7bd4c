//! From rules to classic BPF.
//!
//! Instructions are emitted last to first, so that the place of every jump's target is known when the jump is emitted.

use super::Error;
use super::profile::Condition;
use super::profile::Op;
use super::profile::Rules;
use super::table::Arch;
use super::table::Table;
use crate::runtime::sys::security::Instruction;
use std::collections::BTreeMap;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const JEQ: u16 = 0x15;
const JGT: u16 = 0x25;
const JGE: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The bit of x32 numbers.
const X32: u32 = 0x4000_0000;

const NOT_IMPLEMENTED: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// The longest program the kernel takes.
const LONGEST: usize = 4096;

/// What happens to one system call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Always(u32),
    /// The first clause whose conditions all hold, else the default.
    When(Vec<(Vec<Condition>, u32)>),
}

/// The filter for these rules.
pub fn program(rules: &Rules) -> Result<Vec<Instruction>, Error> {
    let mut code = Code::default();
    let x86 = rules.x86.then(|| code.architecture(rules, Arch::X86));
    let native = code.architecture(rules, Arch::X86_64);
    let mut other = code.give(libc::SECCOMP_RET_KILL_THREAD);
    if let Some(x86) = x86 {
        other = code.branch(JEQ, Arch::X86.audit(), x86, other);
    }
    code.branch(JEQ, Arch::X86_64.audit(), native, other);
    code.push(LOAD, ARCH);
    let len = code.reversed.len();
    if len > LONGEST {
        return Err(Error::TooLong { len });
    }
    code.reversed.reverse();
    Ok(code.reversed)
}

/// First number of each range of equal verdicts; the last one goes on to the end.
fn ranges(rules: &Rules, arch: Arch) -> Vec<(u32, Verdict)> {
    let table = Table::of(arch);
    let mut calls: BTreeMap<u32, Verdict> = BTreeMap::new();
    let mut newest = None;
    for rule in &rules.rules {
        for number in rule.names.iter().filter_map(|name| table.number(name)) {
            newest = newest.max(Some(number));
            if rule.action != rules.default {
                let clause = (rule.conditions.clone(), rule.action);
                add(
                    calls.entry(number).or_insert(Verdict::When(Vec::new())),
                    clause,
                );
            }
        }
    }
    let default = Verdict::Always(rules.default);
    let mut ranges: Vec<(u32, Verdict)> = vec![(0, default.clone())];
    let mut put = |start: u32, verdict: Verdict| match ranges.last_mut() {
        Some(last) if last.1 == verdict => {}
        Some(last) if last.0 == start => last.1 = verdict,
        _ => ranges.push((start, verdict)),
    };
    for (number, verdict) in calls {
        put(number, verdict);
        put(number + 1, default.clone());
    }
    if let Some(newest) = newest.filter(|_| !is_permissive(rules.default)) {
        put(newest + 1, Verdict::Always(NOT_IMPLEMENTED));
    }
    if arch == Arch::X86_64 {
        put(X32, Verdict::Always(NOT_IMPLEMENTED));
    }
    merge(ranges)
}

/// A range that was overwritten in place may have become equal to the one before it.
fn merge(mut ranges: Vec<(u32, Verdict)>) -> Vec<(u32, Verdict)> {
    ranges.dedup_by(|next, previous| next.1 == previous.1);
    ranges
}

/// As libseccomp: a rule without conditions covers all others for the same call, else the order is the profile's.
fn add(verdict: &mut Verdict, (conditions, action): (Vec<Condition>, u32)) {
    match verdict {
        Verdict::Always(_) => {}
        Verdict::When(_) if conditions.is_empty() => *verdict = Verdict::Always(action),
        Verdict::When(clauses) => clauses.push((conditions, action)),
    }
}

/// Defaults under which an unknown call runs anyway: nothing to soften there.
fn is_permissive(default: u32) -> bool {
    matches!(
        default & libc::SECCOMP_RET_ACTION_FULL,
        libc::SECCOMP_RET_ALLOW | libc::SECCOMP_RET_LOG | libc::SECCOMP_RET_TRACE
    )
}

/// Where an instruction is, counted from the end of the program.
type Label = usize;

/// A program under construction, last instruction first.
#[derive(Default)]
struct Code {
    reversed: Vec<Instruction>,
    /// The nearest `RETURN` of each value.
    returns: BTreeMap<u32, Label>,
}

impl Code {
    fn push(&mut self, code: u16, k: u32) -> Label {
        self.instruction(code, 0, 0, k)
    }

    fn instruction(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(Instruction { code, jt, jf, k });
        self.reversed.len() - 1
    }

    /// A `RETURN` near enough to be jumped to from here.
    fn give(&mut self, value: u32) -> Label {
        match self.returns.get(&value) {
            Some(label) if self.reversed.len() - label < 200 => *label,
            _ => {
                let label = self.push(RETURN, value);
                self.returns.insert(value, label);
                label
            }
        }
    }

    /// A conditional jump; over targets too far for its 8 bits it jumps by way of an unconditional one.
    fn branch(&mut self, code: u16, k: u32, mut yes: Label, mut no: Label) -> Label {
        for target in [&mut yes, &mut no] {
            // Two more than the distance: the other target may need a stepping stone too.
            if self.reversed.len() - *target > 253 {
                let distance =
                    u32::try_from(self.reversed.len() - *target - 1).expect("programs are short");
                *target = self.push(JUMP, distance);
            }
        }
        let skip = |target: Label| {
            u8::try_from(self.reversed.len() - target - 1).expect("stepping stones are near")
        };
        let (jt, jf) = (skip(yes), skip(no));
        self.instruction(code, jt, jf, k)
    }

    /// The part for one architecture: loads the number and searches its range.
    fn architecture(&mut self, rules: &Rules, arch: Arch) -> Label {
        let ranges = ranges(rules, arch);
        let root = self.search(&ranges, rules.default);
        if root + 1 == self.reversed.len() {
            self.push(LOAD, NUMBER)
        } else {
            root
        }
    }

    fn search(&mut self, ranges: &[(u32, Verdict)], default: u32) -> Label {
        if let [(_, verdict)] = ranges {
            return self.verdict(verdict, default);
        }
        let (low, high) = ranges.split_at(ranges.len() / 2);
        let no = self.search(low, default);
        let yes = self.search(high, default);
        self.branch(JGE, high[0].0, yes, no)
    }

    fn verdict(&mut self, verdict: &Verdict, default: u32) -> Label {
        let clauses = match verdict {
            Verdict::Always(action) => return self.give(*action),
            Verdict::When(clauses) => clauses,
        };
        let mut next = self.give(default);
        for (conditions, action) in clauses.iter().rev() {
            let mut entry = self.give(*action);
            for condition in conditions.iter().rev() {
                entry = self.condition(condition, entry, next);
            }
            next = entry;
        }
        next
    }

    /// A 64-bit comparison in 32-bit halves.
    fn condition(&mut self, condition: &Condition, yes: Label, no: Label) -> Label {
        let (yes, no) = match condition.op {
            Op::Ne | Op::Lt | Op::Le => (no, yes),
            _ => (yes, no),
        };
        let low = ARGUMENTS + 8 * u32::from(condition.index);
        let halves = |value: u64| ((value >> 32) as u32, value as u32);
        let (mask_high, mask_low) = halves(condition.value);
        let (want_high, want_low) = match condition.op {
            Op::MaskedEq => halves(condition.value_two),
            _ => halves(condition.value),
        };
        let compare = match condition.op {
            Op::Eq | Op::Ne | Op::MaskedEq => JEQ,
            Op::Ge | Op::Lt => JGE,
            Op::Gt | Op::Le => JGT,
        };
        self.branch(compare, want_low, yes, no);
        if condition.op == Op::MaskedEq {
            self.push(AND, mask_low);
        }
        let mut entry = self.push(LOAD, low);
        entry = self.branch(JEQ, want_high, entry, no);
        if compare != JEQ {
            entry = self.branch(JGT, want_high, yes, entry);
        }
        if condition.op == Op::MaskedEq {
            entry = self.push(AND, mask_high);
        }
        let _ = entry;
        self.push(LOAD, low + 4)
    }
}
