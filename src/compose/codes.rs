//! The codes of diagnostics: what a program may rely on, whatever the words become.
//!
//! Invariants: every diagnostic has one of these; none is ever given another meaning.

/// Each code, and what it stands for.
pub const CODES: &[(&str, &str)] = &[
    (
        "alias-bomb",
        "aliases or anchors make the document too large",
    ),
    (
        "alias-cycle",
        "an alias stands within the value that it names",
    ),
    (
        "build-ignored",
        "warning: there is an image beside `build`, which is used as it is",
    ),
    (
        "cannot-override",
        "a later file says in another form what an earlier one says: a list and a mapping cannot be merged",
    ),
    (
        "canonical",
        "what was to be a resolved project is none (between programs, not in files)",
    ),
    (
        "contradiction",
        "two attributes that exclude each other, or differ where they must not",
    ),
    ("dependency-cycle", "services need each other in a circle"),
    (
        "disabled-service",
        "a service needs one whose profile is not active",
    ),
    ("dotenv", "a line of an env file cannot be read"),
    ("duplicate-key", "a key is given twice in one mapping"),
    ("empty", "there is nothing in the compose file"),
    (
        "extends-cycle",
        "services extend each other in a circle, or in too long a chain",
    ),
    (
        "include-cycle",
        "files include each other in a circle, or in too long a chain",
    ),
    (
        "invalid-name",
        "a name of a project or service has characters that it must not have",
    ),
    (
        "invalid-value",
        "a value is of the right type but makes no sense, or one that is needed is missing",
    ),
    (
        "invalid-variable",
        "`$…` or `${…}` is of no form that there is",
    ),
    ("key-not-a-string", "a key is a number or a boolean"),
    ("merge-key", "`<<` has something else than mappings"),
    ("missing-file", "a file that is named does not exist"),
    ("mounted-twice", "two things are mounted at one place"),
    ("name-taken", "two containers are given one name"),
    (
        "no-effect",
        "warning: the attribute means nothing on one Linux host, or beside another one",
    ),
    ("no-file", "no compose file is here or in a folder above"),
    ("no-image", "a service has neither `image` nor `build`"),
    (
        "no-name",
        "no project name can be made of the folder's: it has none of the characters of one",
    ),
    (
        "no-such-profile",
        "warning: a profile that is asked for is that of no service",
    ),
    (
        "no-such-service",
        "a service that is asked for does not exist",
    ),
    (
        "obsolete",
        "warning: an attribute that the specification has dropped",
    ),
    (
        "remote-file",
        "a file of a git repository or a registry cannot be had",
    ),
    ("repeated", "a list says the same thing twice"),
    ("required-variable", "a variable that must be set is not"),
    (
        "several-files",
        "warning: there are several files with names of a compose file",
    ),
    (
        "shell-operator",
        "warning: a command has an operator of the shell, but no shell runs it",
    ),
    ("too-deep", "the document is nested too deep"),
    (
        "too-many-values",
        "there are too many values, short forms, ranges and `extends` written out",
    ),
    (
        "too-much-text",
        "variables, `extends` and files that are read again make too much text of little",
    ),
    (
        "undefined",
        "a service, network, volume, secret or config that is used is not defined",
    ),
    (
        "unknown-attribute",
        "the language has no such attribute there",
    ),
    (
        "unreadable-file",
        "a file exists but cannot be read: a folder, a device, a pipe that does not end, no UTF-8, too large",
    ),
    (
        "unset-variable",
        "warning: a variable has no value, an empty text is used",
    ),
    (
        "unsupported",
        "right in the language, but not there yet: `config` prints it, `up` refuses it",
    ),
    (
        "wrong-type",
        "a value is of another type than the attribute needs",
    ),
    ("yaml", "the text is no YAML"),
];

/// Whether it is one of them.
pub fn is_known(code: &str) -> bool {
    CODES.iter().any(|(known, _)| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn codes_are_sorted_and_written_alike() {
        assert!(CODES.is_sorted_by(|a, b| a.0 < b.0));
        let plain = |code: &str| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(CODES.iter().all(|(code, _)| plain(code)));
    }

    /// A code is checked when a problem is made, and some problems are rare.
    #[test]
    fn every_code_in_the_sources_is_known() {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/compose")];
        let mut found = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => found.extend(codes_of(&std::fs::read_to_string(path).unwrap())),
                }
            }
        }
        let unknown: Vec<_> = found.iter().filter(|code| !is_known(code)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        assert!(found.len() > CODES.len() / 2, "{found:?}");
    }

    /// The literals that problems are made with.
    fn codes_of(source: &str) -> Vec<String> {
        let text: String = source.split_whitespace().collect();
        let makers = [
            "report.error(\"",
            "report.warning(\"",
            "walk.error(\"",
            "::single(\"",
        ];
        let calls = makers.iter().flat_map(|maker| text.split(maker).skip(1));
        let codes =
            calls.filter_map(|call| call.split_once("\",").map(|(code, _)| code.to_owned()));
        codes.collect()
    }
}
