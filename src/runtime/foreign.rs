//! Programs of other architectures: the machine's own kind runs, and what `binfmt_misc` has an interpreter for.

use std::path::Path;

/// Where the kernel shows the interpreters.
pub const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// Architectures by the name that images give them, with `e_machine` of their ELF files in the order of their bytes.
const MACHINES: [(&str, [u8; 2]); 10] = [
    ("amd64", [62, 0]),
    ("386", [3, 0]),
    ("arm64", [183, 0]),
    ("arm", [40, 0]),
    ("riscv64", [243, 0]),
    ("ppc64le", [21, 0]),
    ("s390x", [0, 22]),
    ("mips64le", [8, 0]),
    ("mips64", [0, 8]),
    ("loong64", [2, 1]),
];

/// Whether programs of an architecture run here. An interpreter counts if the kernel opened it when it was registered (`F`),
/// since a container does not have its file.
pub fn runs(architecture: &str, handlers: &Path) -> bool {
    let own: &[&str] = match std::env::consts::ARCH {
        "x86_64" => &["amd64", "386"],
        "aarch64" => &["arm64", "arm"],
        other => &[other],
    };
    if own.contains(&architecture) {
        return true;
    }
    let Some((_, machine)) = MACHINES.iter().find(|(name, _)| *name == architecture) else {
        return false;
    };
    let entries = std::fs::read_dir(handlers).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .any(|handler| takes(&handler, *machine))
}

/// Whether an entry of `binfmt_misc` is enabled, kept open, and for ELF files of a machine.
fn takes(handler: &str, machine: [u8; 2]) -> bool {
    let value = |key: &str| handler.lines().find_map(|line| line.strip_prefix(key));
    let magic = value("magic ").unwrap_or_default();
    let [low, high] = machine;
    handler.lines().next() == Some("enabled")
        && value("flags: ").is_some_and(|flags| flags.contains('F'))
        && magic.starts_with("7f454c46")
        && magic.get(36..40) == Some(&format!("{low:02x}{high:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARM64: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\noffset 0\n\
                         magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn an_interpreter_makes_another_architecture_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("qemu-aarch64");
        assert!(!runs("arm64", folder.path()));
        std::fs::write(&file, ARM64).unwrap();
        assert!(runs("arm64", folder.path()));
        assert!(!runs("riscv64", folder.path()));
        for off in [
            ARM64.replace("enabled", "disabled"),
            ARM64.replace("POCF", "POC"),
        ] {
            std::fs::write(&file, off).unwrap();
            assert!(!runs("arm64", folder.path()));
        }
    }

    #[test]
    fn this_machine_s_own_architecture_needs_none() {
        assert!(runs("amd64", Path::new("/nonesuch")) || cfg!(not(target_arch = "x86_64")));
    }
}
