//! System call numbers: `syscalls.txt` has a line `name x86-64 i386` for each, `-` where an architecture has none.

/// An architecture a program may use on an x86-64 kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64 bit.
    X86_64,
    /// 32 bit.
    X86,
}

impl Arch {
    /// The kernel's `AUDIT_ARCH_…`.
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
        }
    }
}

/// Names with their numbers on one architecture, sorted by name.
pub struct Table(Vec<(&'static str, u32)>);

impl Table {
    /// The table of an architecture.
    pub fn of(arch: Arch) -> Self {
        let column = match arch {
            Arch::X86_64 => 1,
            Arch::X86 => 2,
        };
        let line = |line: &'static str| {
            let mut words = line.split(' ');
            let name = words.next()?;
            Some((name, words.nth(column - 1)?.parse().ok()?))
        };
        Self(
            include_str!("syscalls.txt")
                .lines()
                .filter_map(line)
                .collect(),
        )
    }

    /// The number of a name, if the architecture has that call.
    pub fn number(&self, name: &str) -> Option<u32> {
        let index = self
            .0
            .binary_search_by(|(known, _)| (*known).cmp(name))
            .ok()?;
        Some(self.0[index].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_c_librarys() {
        let table = Table::of(Arch::X86_64);
        for (name, number) in [
            ("read", libc::SYS_read),
            ("clone3", libc::SYS_clone3),
            ("mseal", libc::SYS_mseal),
            ("socket", libc::SYS_socket),
            ("openat2", libc::SYS_openat2),
            ("memfd_secret", libc::SYS_memfd_secret),
        ] {
            assert_eq!(table.number(name).map(i64::from), Some(number), "{name}");
        }
        assert_eq!(table.number("socketcall"), None);
        let table = Table::of(Arch::X86);
        assert_eq!(table.number("socketcall"), Some(102));
        assert_eq!(table.number("newfstatat"), None);
    }

    #[test]
    fn lines_are_sorted_and_numbers_unique() {
        for arch in [Arch::X86_64, Arch::X86] {
            let table = Table::of(arch).0;
            assert!(table.len() > 370);
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
            let mut numbers: Vec<_> = table.iter().map(|(_, number)| number).collect();
            numbers.sort();
            numbers.dedup();
            assert_eq!(numbers.len(), table.len());
        }
    }
}
