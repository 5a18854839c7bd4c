//! Where variable expressions end, and which there are in a text.

/// How many bytes of a text are looked at in vain before it is given up: each brace without a counterpart costs what is
/// behind it.
const MOST_IN_VAIN: usize = 32 * 1024 * 1024;

/// Finds the braces that close others, in one text.
pub struct Braces {
    in_vain: usize,
}

impl Default for Braces {
    fn default() -> Self {
        let in_vain = MOST_IN_VAIN;
        Self { in_vain }
    }
}

/// Where an expression ends.
pub enum Close {
    /// At this byte.
    At(usize),
    /// Nowhere.
    Never,
    /// Nobody looks any more.
    Unknown,
}

impl Braces {
    /// Where the brace that opens `text` closes: at its counterpart, or if there is none at the last brace of the line. As
    /// in docker compose, what stands directly behind an opening brace is not looked at, so `{}` is one that opens.
    pub fn close(&mut self, text: &str) -> Close {
        if let Some(counterpart) = counterpart(text) {
            return Close::At(counterpart);
        }
        match self.in_vain.checked_sub(text.len()) {
            Some(left) => self.in_vain = left,
            None => return Close::Unknown,
        }
        let line = text.lines().next().unwrap_or_default();
        line.rfind('}').map_or(Close::Never, Close::At)
    }
}

fn counterpart(text: &str) -> Option<usize> {
    let mut open = 0usize;
    let mut bytes = text.bytes().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'{' => {
                open += 1;
                bytes.next();
            }
            b'}' if open == 1 => return Some(index),
            b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The variable expressions of a text, each as its name and what follows it between the braces.
pub fn expressions(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut braces = Braces::default();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let after = &rest[dollar + 1..];
        let length = name_length(after);
        rest = match after.bytes().next() {
            Some(b'$') => &after[1..],
            Some(b'{') => match braces.close(after) {
                Close::At(brace) => {
                    let inner = &after[1..brace];
                    let (name, operation) = inner.split_at(name_length(inner));
                    if !name.is_empty() {
                        found.push((name, operation));
                    }
                    &after[brace + 1..]
                }
                Close::Never => after,
                Close::Unknown => break,
            },
            _ => {
                if length > 0 {
                    found.push((&after[..length], ""));
                }
                &after[length..]
            }
        };
    }
    found
}

/// Bytes of the variable name at the beginning of `text`.
pub fn name_length(text: &str) -> usize {
    let starts = text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
    if !starts {
        return 0;
    }
    text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric())
        .unwrap_or(text.len())
}
