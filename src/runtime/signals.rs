//! Signal names, as compose files and `kill -s` write them.

/// A text that names no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown signal `{text}`")]
pub struct UnknownSignal {
    /// The text as it was given.
    pub text: String,
}

impl UnknownSignal {
    /// What to type instead.
    pub fn hint(&self) -> Option<String> {
        Some("use a name such as `SIGTERM` or a number from 1 to 64".into())
    }
}

/// Numbers of x86-64 and arm64; aliases (`CLD`, `IOT`, `POLL`) come after the name that is shown.
const NAMES: [(&str, i32); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("IOT", 6),
    ("CLD", 17),
    ("POLL", 29),
];

/// The C library keeps 32 and 33 for itself, so `SIGRTMIN` is 34 for every program that runs in a container.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// The number of `SIGTERM`, `term`, `15`, `SIGRTMIN+3` or `RTMAX-1`.
pub fn parse(text: &str) -> Result<i32, UnknownSignal> {
    let unknown = || UnknownSignal { text: text.into() };
    let upper = text.trim().to_ascii_uppercase();
    if let Ok(number) = upper.parse::<i32>() {
        return (1..=RTMAX)
            .contains(&number)
            .then_some(number)
            .ok_or_else(unknown);
    }
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    NAMES
        .iter()
        .find(|(name, _)| *name == short)
        .map(|(_, number)| *number)
        .or_else(|| realtime(short))
        .ok_or_else(unknown)
}

/// `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n`.
fn realtime(text: &str) -> Option<i32> {
    let offset = |rest: &str, sign: char| match rest {
        "" => Some(0),
        _ => rest.strip_prefix(sign)?.parse::<u8>().ok().map(i32::from),
    };
    let number = if let Some(rest) = text.strip_prefix("RTMIN") {
        RTMIN + offset(rest, '+')?
    } else {
        RTMAX - offset(text.strip_prefix("RTMAX")?, '-')?
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

/// The name of a signal number, with `SIG`; the number itself if it has none.
pub fn name(number: i32) -> String {
    match NAMES.iter().find(|(_, n)| *n == number) {
        Some((name, _)) => format!("SIG{name}"),
        None if number == RTMIN => "SIGRTMIN".into(),
        None if (RTMIN..=RTMAX).contains(&number) => format!("SIGRTMIN+{}", number - RTMIN),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_gives_the_number() {
        for text in ["SIGTERM", "TERM", "term", "sigterm", "15", " 15 "] {
            assert_eq!(parse(text), Ok(15), "{text}");
        }
        assert_eq!(parse("SIGRTMIN+3"), Ok(37));
        assert_eq!(parse("RTMAX-1"), Ok(63));
        assert_eq!(parse("SIGPOLL"), Ok(29));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "0",
            "65",
            "-9",
            "SIG",
            "SIGSIGTERM",
            "RTMIN-1",
            "RTMIN+31",
            "RTMAX+1",
            "TERM ",
        ] {
            let ok = text.trim() == "TERM";
            assert_eq!(parse(text).is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn names_are_read_back_as_the_same_number() {
        for number in (1..=31).chain(RTMIN..=RTMAX) {
            assert_eq!(parse(&name(number)), Ok(number));
        }
        assert_eq!(name(17), "SIGCHLD");
        assert_eq!(name(32), "32");
    }
}
