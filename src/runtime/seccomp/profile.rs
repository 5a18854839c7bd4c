//! A profile in docker's JSON format, and the rules of it that hold for one container on this machine.

use super::Error;
use serde::Deserialize;

/// What a profile's conditions are about.
pub struct Here {
    /// The container's capabilities, with `CAP_`.
    caps: Vec<String>,
    /// Major and minor version of the running kernel.
    kernel: (u32, u32),
}

impl Here {
    /// This kernel, and a process with these capabilities.
    pub fn of_this_machine(caps: &[String]) -> Self {
        let release = rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned();
        Self {
            caps: caps.iter().map(|name| with_prefix(name)).collect(),
            kernel: version(&release).unwrap_or((0, 0)),
        }
    }
}

fn with_prefix(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    if upper.starts_with("CAP_") {
        upper
    } else {
        format!("CAP_{upper}")
    }
}

/// `6.18.44-x` → (6, 18).
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The rules that hold here.
#[derive(Debug)]
pub struct Rules {
    /// What to return for calls without a rule.
    pub default: u32,
    /// 32-bit programs may run.
    pub x86: bool,
    /// In the order of the profile.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The calls it is about.
    pub names: Vec<String>,
    /// What the filter returns (`SECCOMP_RET_…` with its data).
    pub action: u32,
    /// All must hold.
    pub conditions: Vec<Condition>,
}

/// A comparison of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// Which argument, from 0.
    pub index: u8,
    /// How it is compared.
    pub op: Op,
    /// With what; for [`Op::MaskedEq`] the mask.
    pub value: u64,
    /// For [`Op::MaskedEq`] what the masked argument must be.
    pub value_two: u64,
}

/// Comparisons, unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[allow(missing_docs)]
pub enum Op {
    #[serde(rename = "SCMP_CMP_NE")]
    Ne,
    #[serde(rename = "SCMP_CMP_LT")]
    Lt,
    #[serde(rename = "SCMP_CMP_LE")]
    Le,
    #[serde(rename = "SCMP_CMP_EQ")]
    Eq,
    #[serde(rename = "SCMP_CMP_GE")]
    Ge,
    #[serde(rename = "SCMP_CMP_GT")]
    Gt,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEq,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    default_errno_ret: Option<u32>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<ArchMap>>,
    listener_path: Option<String>,
    syscalls: Option<Vec<Group>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: Option<String>,
    names: Option<Vec<String>>,
    action: String,
    errno_ret: Option<u32>,
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Option<Filter>,
    #[serde(default)]
    excludes: Option<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u8,
    #[serde(default)]
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: Op,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Filter {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Reads a profile and keeps what holds here.
pub fn resolve(text: &str, here: &Here) -> Result<Rules, Error> {
    let profile: Profile = serde_json::from_str(text).map_err(Error::Syntax)?;
    if profile.listener_path.is_some_and(|path| !path.is_empty()) {
        let what = "a listener";
        return Err(Error::Unsupported { what });
    }
    let default = action(&profile.default_action, profile.default_errno_ret)?;
    let x86 = allows_x86(profile.architectures, profile.arch_map)?;
    let mut rules = Vec::new();
    for group in profile.syscalls.unwrap_or_default() {
        if holds(&group, here)? {
            add(&mut rules, group)?;
        }
    }
    Ok(Rules {
        default,
        x86,
        rules,
    })
}

/// Whether 32-bit x86 is among the architectures; the native one always is.
fn allows_x86(list: Option<Vec<String>>, map: Option<Vec<ArchMap>>) -> Result<bool, Error> {
    let (list, map) = (list.unwrap_or_default(), map.unwrap_or_default());
    if !list.is_empty() && !map.is_empty() {
        let what = "it has both `architectures` and `archMap`";
        return Err(Error::Contradiction { what });
    }
    let native = map
        .into_iter()
        .find(|entry| entry.architecture == "SCMP_ARCH_X86_64");
    let listed = native
        .and_then(|entry| entry.sub_architectures)
        .unwrap_or(list);
    Ok(listed.iter().any(|arch| arch == "SCMP_ARCH_X86"))
}

fn holds(group: &Group, here: &Here) -> Result<bool, Error> {
    let has_cap = |name: &String| here.caps.contains(&with_prefix(name));
    let is_arch = |name: &String| name == "amd64";
    let is_kernel = |text: &String| {
        version(text)
            .map(|least| here.kernel >= least)
            .ok_or_else(|| Error::Unknown {
                what: "kernel version",
                word: text.clone(),
            })
    };
    if let Some(filter) = &group.excludes {
        let excluded = filter.arches.iter().flatten().any(is_arch)
            || filter.caps.iter().flatten().any(has_cap)
            || filter
                .min_kernel
                .as_ref()
                .map(is_kernel)
                .transpose()?
                .unwrap_or(false);
        if excluded {
            return Ok(false);
        }
    }
    let Some(filter) = &group.includes else {
        return Ok(true);
    };
    let arches = filter.arches.as_deref().unwrap_or_default();
    Ok((arches.is_empty() || arches.iter().any(is_arch))
        && filter.caps.iter().flatten().all(has_cap)
        && filter
            .min_kernel
            .as_ref()
            .map(is_kernel)
            .transpose()?
            .unwrap_or(true))
}

fn add(rules: &mut Vec<Rule>, group: Group) -> Result<(), Error> {
    let action = action(&group.action, group.errno_ret)?;
    let names: Vec<String> = group
        .names
        .into_iter()
        .flatten()
        .chain(group.name)
        .collect();
    let args = group.args.unwrap_or_default();
    if args.iter().any(|arg| arg.index > 5) {
        return Err(Error::Unknown {
            what: "argument index above 5 for",
            word: names.join(", "),
        });
    }
    let conditions: Vec<_> = args
        .iter()
        .map(|arg| Condition {
            index: arg.index,
            op: arg.op,
            value: arg.value,
            value_two: arg.value_two,
        })
        .collect();
    let repeated = conditions
        .iter()
        .enumerate()
        .any(|(n, a)| conditions[..n].iter().any(|b| a.index == b.index));
    if repeated {
        // As runc: conditions on the same argument are alternatives.
        rules.extend(conditions.into_iter().map(|condition| Rule {
            names: names.clone(),
            action,
            conditions: vec![condition],
        }));
    } else {
        rules.push(Rule {
            names,
            action,
            conditions,
        });
    }
    Ok(())
}

/// An action as what the filter returns for it.
fn action(word: &str, data: Option<u32>) -> Result<u32, Error> {
    // The kernel cuts an errno at 4095 itself; libseccomp refuses more than 16 bits.
    let data = data.unwrap_or(libc::EPERM as u32).min(0xffff);
    Ok(match word {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => libc::SECCOMP_RET_KILL_THREAD,
        "SCMP_ACT_KILL_PROCESS" => libc::SECCOMP_RET_KILL_PROCESS,
        "SCMP_ACT_TRAP" => libc::SECCOMP_RET_TRAP,
        "SCMP_ACT_ERRNO" => libc::SECCOMP_RET_ERRNO | data,
        "SCMP_ACT_TRACE" => libc::SECCOMP_RET_TRACE | data,
        "SCMP_ACT_LOG" => libc::SECCOMP_RET_LOG,
        "SCMP_ACT_ALLOW" => libc::SECCOMP_RET_ALLOW,
        "SCMP_ACT_NOTIFY" => {
            return Err(Error::Unsupported {
                what: "`SCMP_ACT_NOTIFY`",
            });
        }
        _ => {
            return Err(Error::Unknown {
                what: "action",
                word: word.into(),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, caps: &[&str]) -> Result<Rules, Error> {
        let caps: Vec<_> = caps.iter().map(|cap| (*cap).to_owned()).collect();
        let here = Here {
            kernel: (5, 15),
            ..Here::of_this_machine(&caps)
        };
        resolve(text, &here)
    }

    /// Names of the rules that hold of a profile with one group.
    fn names(group: &str, caps: &[&str]) -> usize {
        let text = format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["bpf"],"action":"SCMP_ACT_ALLOW",{group}}}]}}"#
        );
        resolved(&text, caps).unwrap().rules.len()
    }

    #[test]
    fn groups_hold_by_capability_kernel_and_architecture() {
        for (group, caps, held) in [
            (r#""includes":{"caps":["CAP_BPF"]}"#, &["BPF"][..], 1),
            (r#""includes":{"caps":["CAP_BPF"]}"#, &["cap_bpf"], 1),
            (r#""includes":{"caps":["CAP_BPF"]}"#, &["KILL"], 0),
            (
                r#""includes":{"caps":["CAP_BPF","CAP_KILL"]}"#,
                &["KILL"],
                0,
            ),
            (r#""excludes":{"caps":["CAP_BPF"]}"#, &["BPF"], 0),
            (r#""excludes":{"caps":["CAP_BPF"]}"#, &[], 1),
            (r#""includes":{"arches":["amd64"]}"#, &[], 1),
            (r#""includes":{"arches":["s390"]}"#, &[], 0),
            (r#""includes":{"minKernel":"5.15"}"#, &[], 1),
            (r#""includes":{"minKernel":"5.16"}"#, &[], 0),
            (r#""includes":{"minKernel":"4.8"}"#, &[], 1),
            (r#""excludes":{"minKernel":"4.8"}"#, &[], 0),
            (r#""includes":{},"excludes":null,"args":null"#, &[], 1),
        ] {
            assert_eq!(names(group, caps), held, "{group} {caps:?}");
        }
    }

    #[test]
    fn what_we_cannot_do_is_an_error_that_names_it() {
        for (text, word) in [
            ("{", "JSON"),
            (r#"{"defaultAction":"SCMP_ACT_FLY"}"#, "SCMP_ACT_FLY"),
            (r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#, "NOTIFY"),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}"#,
                "archMap",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]}"#,
                "read",
            ),
        ] {
            let error = resolved(text, &[]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn conditions_on_one_argument_are_alternatives() {
        let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"syscalls":[{"name":"socket","action":"SCMP_ACT_ALLOW",
            "args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":0,"value":2,"op":"SCMP_CMP_EQ"}]}]}"#;
        let rules = resolved(text, &[]).unwrap();
        assert_eq!((rules.rules.len(), rules.default & 0xffff), (2, 38));
    }

    #[test]
    fn x86_is_allowed_where_the_profile_lists_it() {
        for (arches, x86) in [
            (
                r#""architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"]"#,
                true,
            ),
            (r#""architectures":["SCMP_ARCH_X86_64"]"#, false),
            (
                r#""archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}]"#,
                true,
            ),
            (
                r#""archMap":[{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_X86"]}]"#,
                false,
            ),
            (r#""syscalls":null"#, false),
        ] {
            let text = format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW",{arches}}}"#);
            assert_eq!(resolved(&text, &[]).unwrap().x86, x86, "{arches}");
        }
    }
}
