//! Health tests that hoist makes itself, so that an image needs no shell and no `curl` for them: an extension of the
//! Compose specification.
//!
//! ```text
//! test: ["HTTP", "http://localhost:8080/ok"]   any answer from 200 to 399
//! test: ["TCP", "5432"]                        a connection is accepted
//! test: ["LOG", "ready to accept"]             a line of this run's output matches the regular expression
//! ```

/// Such a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NativeTest {
    /// `HTTP`
    Http {
        /// As in the URL, for the `Host:` header.
        host: String,
        /// Port inside the container.
        port: u16,
        /// Path and query.
        path: String,
    },
    /// `TCP`
    Tcp {
        /// Port inside the container.
        port: u16,
    },
    /// `LOG`
    Log {
        /// Regular expression.
        pattern: String,
    },
}

impl NativeTest {
    /// Whether the first word of a test is one of these.
    pub fn is_kind(word: &str) -> bool {
        matches!(word, "HTTP" | "TCP" | "LOG")
    }

    /// The words that [`Self::parse`] makes the same test of.
    pub fn words(&self) -> [String; 2] {
        let (kind, argument) = match self {
            Self::Http { host, path, .. } => ("HTTP", format!("http://{host}{path}")),
            Self::Tcp { port } => ("TCP", port.to_string()),
            Self::Log { pattern } => ("LOG", pattern.clone()),
        };
        [kind.to_owned(), argument]
    }

    /// Reads a test; what is wrong with it otherwise.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, String> {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        match words.as_slice() {
            ["HTTP", url] => http(url),
            ["TCP", port] => Ok(Self::Tcp {
                port: number(port)?,
            }),
            ["LOG", pattern] => match regex_lite::Regex::new(pattern) {
                Ok(_) => Ok(Self::Log {
                    pattern: (*pattern).to_owned(),
                }),
                Err(error) => Err(format!("`{pattern}` is not a regular expression: {error}")),
            },
            [kind, ..] => Err(format!("`{kind}` takes one argument")),
            [] => Err("a test needs a kind".to_owned()),
        }
    }
}

fn http(url: &str) -> Result<NativeTest, String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| format!("`{url}` must begin with `http://`"))?;
    let (place, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, number(port)?),
        _ => (place, 80),
    };
    if !matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
        return Err(format!(
            "`{host}` is not the container itself: write `localhost`, `127.0.0.1` or `[::1]`"
        ));
    }
    if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(format!("`{path}` must have no blanks in it"));
    }
    Ok(NativeTest::Http {
        host: place.to_owned(),
        port,
        path: path.to_owned(),
    })
}

fn number(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|port| *port > 0);
    number.ok_or_else(|| format!("`{text}` is not a port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_and_nonsense_named() {
        let http = NativeTest::parse(&["HTTP", "http://localhost:8080/ok?x=1"]).unwrap();
        let expected = NativeTest::Http {
            host: "localhost:8080".into(),
            port: 8080,
            path: "/ok?x=1".into(),
        };
        assert_eq!(http, expected);
        assert_eq!(NativeTest::parse(&http.words()), Ok(expected));
        assert!(NativeTest::parse(&["HTTP", "http://[::1]"]).is_ok());
        assert!(NativeTest::parse(&["TCP", "5432"]).is_ok());
        assert!(NativeTest::parse(&["LOG", "ready|up"]).is_ok());
        for wrong in [
            &["HTTP", "https://localhost"][..],
            &["HTTP", "http://example.com/"],
            &["HTTP", "http://localhost/a b"],
            &["TCP", "0"],
            &["TCP", "70000"],
            &["TCP"],
            &["LOG", "("],
            &["LOG", "a", "b"],
        ] {
            assert!(NativeTest::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
