//! Device control: lines for cgroup v1, a program for cgroup v2.

use crate::runtime::devices::DeviceRules;
use crate::runtime::devices::Kind;
use crate::runtime::devices::Rule;
use crate::runtime::sys::bpf::Instruction;

/// What to write on cgroup v1, in order: (file, line).
pub fn v1(rules: &DeviceRules) -> Vec<(&'static str, String)> {
    let DeviceRules::Only(rules) = rules else {
        return Vec::new();
    };
    let number = |number: Option<u32>| number.map_or_else(|| "*".into(), |n| n.to_string());
    let line = |rule: &Rule| {
        let file = if rule.allow {
            "devices.allow"
        } else {
            "devices.deny"
        };
        let kind = match rule.kind {
            Kind::Char => 'c',
            Kind::Block => 'b',
        };
        let (major, minor) = (number(rule.major), number(rule.minor));
        (
            file,
            format!("{kind} {major}:{minor} {}", rule.access.letters()),
        )
    };
    std::iter::once(("devices.deny", "a".to_owned()))
        .chain(rules.iter().map(line))
        .collect()
}

const LOAD32: u8 = 0x61;
const MOVE32: u8 = 0xbc;
const AND32: u8 = 0x54;
const SHIFT_RIGHT32: u8 = 0x74;
const JUMP_IF_NOT: u8 = 0x55;
const JUMP_IF: u8 = 0x15;
const SET: u8 = 0xb7;
const EXIT: u8 = 0x95;

/// Registers: the verdict, the context, and what is read from it.
const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

/// The program for cgroup v2; `None` if everything is allowed.
pub fn v2(rules: &DeviceRules) -> Option<Vec<Instruction>> {
    let DeviceRules::Only(rules) = rules else {
        return None;
    };
    let two = |code, to: u8, from: u8, offset| Instruction {
        code,
        registers: to | from << 4,
        offset,
        immediate: 0,
    };
    // struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor }, the access in the high half of the first.
    let mut code = vec![
        two(LOAD32, KIND, CONTEXT, 0),
        two(MOVE32, ACCESS, KIND, 0),
        one(AND32, KIND, 0xffff, 0),
        one(SHIFT_RIGHT32, ACCESS, 16, 0),
        two(LOAD32, MAJOR, CONTEXT, 4),
        two(LOAD32, MINOR, CONTEXT, 8),
    ];
    // A later rule wins, so the last is asked first.
    for rule in rules.iter().rev() {
        code.extend(block(rule));
    }
    code.extend([one(SET, VERDICT, 0, 0), one(EXIT, 0, 0, 0)]);
    Some(code)
}

fn one(code: u8, register: u8, immediate: u32, offset: i16) -> Instruction {
    Instruction {
        code,
        registers: register,
        offset,
        immediate: immediate.cast_signed(),
    }
}

/// One rule: returns its verdict if it matches, else falls through to the next block.
fn block(rule: &Rule) -> Vec<Instruction> {
    let kind = match rule.kind {
        Kind::Block => 1,
        Kind::Char => 2,
    };
    let mut code = vec![one(JUMP_IF_NOT, KIND, kind, 0)];
    let access = u32::from(rule.access.0);
    code.push(Instruction {
        code: MOVE32,
        registers: SCRATCH | ACCESS << 4,
        offset: 0,
        immediate: 0,
    });
    if rule.allow {
        // Everything wanted must be in what is allowed.
        code.extend([
            one(AND32, SCRATCH, !access, 0),
            one(JUMP_IF_NOT, SCRATCH, 0, 0),
        ]);
    } else {
        code.extend([one(AND32, SCRATCH, access, 0), one(JUMP_IF, SCRATCH, 0, 0)]);
    }
    code.extend(rule.major.map(|major| one(JUMP_IF_NOT, MAJOR, major, 0)));
    code.extend(rule.minor.map(|minor| one(JUMP_IF_NOT, MINOR, minor, 0)));
    code.extend([
        one(SET, VERDICT, u32::from(rule.allow), 0),
        one(EXIT, 0, 0, 0),
    ]);
    let end = code.len();
    for (place, instruction) in code.iter_mut().enumerate() {
        if matches!(instruction.code, JUMP_IF | JUMP_IF_NOT) {
            instruction.offset =
                i16::try_from(end - place - 1).expect("a block has at most eight instructions");
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::devices::Access;
    use crate::runtime::devices::rules;
    use proptest::prelude::*;

    #[test]
    fn v1_lines_deny_all_first() {
        let lines = v1(&rules(&[], &[], false).unwrap());
        assert_eq!(lines[0], ("devices.deny", "a".into()));
        assert!(lines.contains(&("devices.allow", "c 1:3 rwm".into())));
        assert!(lines.contains(&("devices.allow", "b *:* m".into())));
        assert!(lines.contains(&("devices.allow", "c 136:* rwm".into())));
        assert_eq!(
            lines.last().unwrap(),
            &("devices.deny", "c 10:229 rwm".into())
        );
        assert_eq!(v1(&DeviceRules::Everything), []);
        assert_eq!(v2(&DeviceRules::Everything), None);
    }

    /// Runs a device program as the kernel would.
    fn run(code: &[Instruction], context: [u32; 3]) -> u32 {
        let mut registers = [0u32; 11];
        let mut place = 0usize;
        loop {
            let Instruction {
                code: operation,
                registers: pair,
                offset,
                immediate,
            } = code[place];
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            let immediate = immediate.cast_unsigned();
            place += 1;
            let jump = match operation {
                LOAD32 => {
                    registers[to] = context[usize::try_from(offset).unwrap() / 4];
                    false
                }
                MOVE32 => {
                    registers[to] = registers[from];
                    false
                }
                AND32 => {
                    registers[to] &= immediate;
                    false
                }
                SHIFT_RIGHT32 => {
                    registers[to] >>= immediate;
                    false
                }
                SET => {
                    registers[to] = immediate;
                    false
                }
                JUMP_IF => registers[to] == immediate,
                JUMP_IF_NOT => registers[to] != immediate,
                EXIT => return registers[0],
                other => panic!("unknown operation {other:#x}"),
            };
            if jump {
                place += usize::try_from(offset).unwrap();
            }
        }
    }

    /// What the rules say, plainly.
    fn allowed(rules: &[Rule], kind: Kind, access: u8, major: u32, minor: u32) -> bool {
        let matching = rules.iter().rev().find(|rule| {
            rule.kind == kind
                && rule.major.is_none_or(|m| m == major)
                && rule.minor.is_none_or(|m| m == minor)
                && if rule.allow {
                    access & !rule.access.0 == 0
                } else {
                    access & rule.access.0 != 0
                }
        });
        matching.is_some_and(|rule| rule.allow)
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let number = || proptest::option::of(0u32..4);
        (any::<bool>(), any::<bool>(), number(), number(), 1u8..8).prop_map(
            |(allow, char, major, minor, access)| Rule {
                allow,
                kind: if char { Kind::Char } else { Kind::Block },
                major,
                minor,
                access: Access(access),
            },
        )
    }

    proptest! {
        #[test]
        fn the_program_says_what_the_rules_say(
            rules in proptest::collection::vec(any_rule(), 0..12),
            (char, access, major, minor) in (any::<bool>(), 1u8..8, 0u32..5, 0u32..5),
        ) {
            let kind = if char { Kind::Char } else { Kind::Block };
            let code = v2(&DeviceRules::Only(rules.clone())).unwrap();
            let first = u32::from(access) << 16 | if char { 2 } else { 1 };
            let verdict = run(&code, [first, major, minor]);
            prop_assert_eq!(verdict == 1, allowed(&rules, kind, access, major, minor));
        }
    }
}
