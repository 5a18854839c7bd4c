//! Patterns of `.dockerignore` and of watch rules, with the rules of docker's own matcher.
//!
//! A pattern matches a path if it matches it or a folder above it; the last pattern that matches decides, and one that begins
//! with `!` decides for keeping. `*` and `?` stop at `/`, `**` does not.

/// A list of patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    tokens: Vec<Token>,
    keeps: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `**/`: no folder or any number of them.
    Folders,
    /// `**` at the end.
    Rest,
    /// `[a-z]`, `[^a]`
    Class(Vec<(char, char)>, bool),
}

impl Patterns {
    /// Reads patterns; empty ones say nothing.
    pub fn new<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        Self(lines.into_iter().filter_map(Pattern::read).collect())
    }

    /// Reads the text of a `.dockerignore`: comments begin with `#` in the first column.
    pub fn of_file(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self::new(text.lines().filter(|line| !line.starts_with('#')))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `path`, relative and with `/` between its names, is meant.
    pub fn matches(&self, path: &str) -> bool {
        let mut matched = false;
        for pattern in &self.0 {
            // one that cannot change anything is not looked at
            if pattern.keeps == matched && pattern.matches_it_or_a_parent(path) {
                matched = !pattern.keeps;
            }
        }
        matched
    }
}

impl Pattern {
    fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        let (keeps, line) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        let clean = clean(line);
        (!clean.is_empty()).then(|| Self {
            tokens: tokens(&clean),
            keeps,
        })
    }

    fn matches_it_or_a_parent(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| &path[..at]);
        ends.chain([path]).any(|path| {
            let chars: Vec<char> = path.chars().collect();
            matches(&self.tokens, &chars)
        })
    }
}

/// Without `.` and doubled slashes, `..` resolved, and relative.
fn clean(pattern: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in pattern.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    match (names.is_empty(), pattern) {
        (true, "." | "./" | "/") => ".".to_owned(),
        _ => names.join("/"),
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(char) = chars.get(at) {
        at += 1;
        match char {
            '*' if chars.get(at) == Some(&'*') => {
                while chars.get(at) == Some(&'*') {
                    at += 1;
                }
                match chars.get(at) {
                    Some('/') => {
                        at += 1;
                        tokens.push(Token::Folders);
                    }
                    Some(_) => tokens.push(Token::Folders),
                    None => tokens.push(Token::Rest),
                }
            }
            '*' => tokens.push(Token::Many),
            '?' => tokens.push(Token::One),
            '\\' => {
                tokens.push(Token::Char(chars.get(at).copied().unwrap_or('\\')));
                at += 1;
            }
            '[' => match class(&chars[at..]) {
                Some((token, length)) => {
                    tokens.push(token);
                    at += length;
                }
                None => tokens.push(Token::Char('[')),
            },
            char => tokens.push(Token::Char(*char)),
        }
    }
    tokens
}

/// What comes after `[`, and how long it is with its `]`.
fn class(chars: &[char]) -> Option<(Token, usize)> {
    let not = matches!(chars.first(), Some('^' | '!'));
    let mut at = usize::from(not);
    let mut ranges = Vec::new();
    loop {
        let first = *chars.get(at)?;
        at += 1;
        match first {
            ']' if !ranges.is_empty() => return Some((Token::Class(ranges, not), at)),
            first => {
                let range = chars.get(at) == Some(&'-') && chars.get(at + 1) != Some(&']');
                let last = if range { *chars.get(at + 1)? } else { first };
                at += if range { 2 } else { 0 };
                ranges.push((first, last));
            }
        }
    }
}

/// Whether the whole text matches. Steps back as a hand-written matcher of globs does: the text is a path, not a bomb.
fn matches(tokens: &[Token], text: &[char]) -> bool {
    let Some((token, rest)) = tokens.split_first() else {
        return text.is_empty();
    };
    match token {
        Token::Rest => true,
        Token::Many => {
            let reach = text.iter().take_while(|char| **char != '/').count();
            (0..=reach).any(|count| matches(rest, &text[count..]))
        }
        Token::Folders => {
            let ends = text.iter().enumerate().filter(|(_, char)| **char == '/');
            matches(rest, text)
                || ends
                    .into_iter()
                    .any(|(at, _)| matches(rest, &text[at + 1..]))
        }
        Token::One => text.first().is_some_and(|char| *char != '/') && matches(rest, &text[1..]),
        Token::Char(wanted) => text.first() == Some(wanted) && matches(rest, &text[1..]),
        Token::Class(ranges, not) => {
            let Some(char) = text.first() else {
                return false;
            };
            let inside = ranges
                .iter()
                .any(|(first, last)| (first..=last).contains(&char));
            inside != *not && matches(rest, &text[1..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of docker's own matcher: pattern, path, whether it matches.
    #[test]
    fn patterns_match_as_dockers() {
        for (pattern, path, wanted) in [
            ("**", "file", true),
            ("**/", "file", true),
            ("**", "dir/file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("**/dir", "dir/file", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**/file", "file", true),
            ("**/file", "dir/dir/file", true),
            ("**/file*", "dir/dir/file.txt", true),
            ("a**", "a/b", true),
            ("abc", "abc", true),
            ("abc", "abc/def", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "ab/c", true),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("/dir", "dir", true),
            ("./dir/", "dir/x", true),
            ("dir", "other/dir", false),
            ("foo/../bar", "bar", true),
        ] {
            assert_eq!(
                Patterns::new([pattern]).matches(path),
                wanted,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let patterns =
            Patterns::of_file("# all but readmes\n*.md\n!README*.md\nREADME-secret.md\n\n");
        for (path, wanted) in [
            ("a.md", true),
            ("README.md", false),
            ("README-secret.md", true),
            ("src/a.md", false),
        ] {
            assert_eq!(patterns.matches(path), wanted, "{path}");
        }
        let patterns = Patterns::new(["node_modules", "!node_modules/keep"]);
        assert!(patterns.matches("node_modules/x/y"));
        assert!(!patterns.matches("node_modules/keep/y"));
    }
}
