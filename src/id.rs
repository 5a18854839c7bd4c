//! Names and identities, checked at birth: a value of one of these types is well-formed wherever it is seen.
//!
//! Invariant: no constructor accepts a text that its `Display` would not give back.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// A text that is not a well-formed name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} `{text}`: {rule}")]
pub struct InvalidName {
    /// What the text was meant to be, e.g. `project name`.
    pub kind: &'static str,
    /// The text as it was given.
    pub text: String,
    /// The rule it breaks, in words.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks `text` and takes it as a name.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidName { kind: $kind, text, rule: $rule })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

fn is_word(text: &str, first: fn(char) -> bool, rest: fn(char) -> bool) -> bool {
    let mut chars = text.chars();
    text.len() <= 255 && chars.next().is_some_and(first) && chars.all(rest)
}

name!(
    /// A project: lower-case letters, digits, `-` and `_`, starting with a letter or digit.
    ProjectName,
    "project name",
    "must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number",
    |t| is_word(
        t,
        |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c)
    )
);
name!(
    /// A service as it is keyed in the compose file: `[a-zA-Z0-9._-]+`.
    ServiceName,
    "service name",
    "must consist only of the letters `a` to `z` and `A` to `Z`, digits, `.`, `_` and `-`",
    |t| is_word(t, is_name_char, is_name_char)
);
name!(
    /// A network as the kernel side knows it: `<project>_<key>`, or its explicit `name`.
    NetworkName,
    "network name",
    "must start with a letter or digit and consist of letters, digits, `.`, `_` and `-`",
    |t| is_word(t, |c| c.is_ascii_alphanumeric(), is_name_char)
);
name!(
    /// A volume as it is kept on disk: `<project>_<key>`, its explicit `name`, or 64 hex digits if anonymous.
    VolumeName,
    "volume name",
    "must start with a letter or digit and consist of letters, digits, `.`, `_` and `-`",
    |t| is_word(t, |c| c.is_ascii_alphanumeric(), is_name_char)
);
name!(
    /// A container: 64 lower-case hex digits.
    ContainerId,
    "container id",
    "must be 64 lower-case hexadecimal digits",
    |t| t.len() == 64 && is_hex(t)
);
name!(
    /// A content digest: `sha256:` and 64 lower-case hex digits.
    Digest,
    "digest",
    "must be `sha256:` followed by 64 lower-case hexadecimal digits",
    |t| t.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && is_hex(hex))
);
name!(
    /// An image as the user names it: `redis:7`, `host`, `oci:DIR[:TAG]`, a digest or a short id.
    ImageRef,
    "image reference",
    "must not be empty or contain spaces or control characters",
    |t| !t.is_empty() && t.len() <= 4096 && !t.chars().any(|c| c.is_whitespace() || c.is_control())
);

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl ContainerId {
    /// A fresh random id.
    pub fn random() -> Self {
        Self(random_hex(32))
    }

    /// The first twelve digits, as tables show them.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl VolumeName {
    /// A fresh name for an anonymous volume: 64 hex digits.
    pub fn anonymous() -> Self {
        Self(random_hex(32))
    }
}

impl Digest {
    /// The 64 hex digits without the algorithm.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }
}

/// `bytes` random bytes from the kernel as lower-case hex.
fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0u8; bytes];
    getrandom::fill(&mut buffer).expect("getrandom cannot fail on Linux >= 3.17 once booted");
    buffer.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_names_follow_compose() {
        for good in ["a", "0", "my-app_2"] {
            assert!(ProjectName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "App", "a.b", "a b", "a/b"] {
            assert!(ProjectName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn resource_names_cannot_walk_out_of_a_folder() {
        for bad in ["", "..", ".hidden", "a/b", "../x", "a\0b"] {
            assert!(VolumeName::new(bad).is_err(), "{bad}");
            assert!(NetworkName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_and_digests_are_hex_of_the_right_length() {
        let id = ContainerId::random();
        assert_eq!(id.short().len(), 12);
        assert_ne!(id, ContainerId::random());
        assert!(ContainerId::new("0".repeat(63)).is_err());
        assert!(Digest::new(format!("sha256:{}", "A".repeat(64))).is_err());
        assert_eq!(
            Digest::new(format!("sha256:{}", "a".repeat(64)))
                .unwrap()
                .hex()
                .len(),
            64
        );
    }
}
