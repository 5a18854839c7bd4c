//! The path to a value on the way down a tree, as messages write it: `services.web.ports[0]`.

use std::fmt;
use std::fmt::Write;
use std::ops::Deref;

/// A path that grows and shrinks.
#[derive(Debug, Default)]
pub struct Trail(String);

/// How far a path had come.
#[derive(Debug, Clone, Copy)]
pub struct Mark(usize);

impl Trail {
    /// Begins at `path`.
    pub fn from(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// Goes to the value of `key`.
    pub fn key(&mut self, key: &str) -> Mark {
        let mark = Mark(self.0.len());
        if mark.0 > 0 {
            self.0.push('.');
        }
        self.0.push_str(key);
        mark
    }

    /// Goes to an item of a list.
    pub fn index(&mut self, index: usize) -> Mark {
        let mark = Mark(self.0.len());
        // Most lists are short, and this is done for each item of each list, several times.
        match u8::try_from(index) {
            Ok(digit @ 0..=9) => self.0.extend(['[', char::from(b'0' + digit), ']']),
            _ => write!(self.0, "[{index}]").expect("writing to a text cannot fail"),
        }
        mark
    }

    /// Goes back to where it was before a step.
    pub fn back(&mut self, mark: Mark) {
        self.0.truncate(mark.0);
    }
}

impl Deref for Trail {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_down_and_back() {
        let mut trail = Trail::default();
        trail.key("services");
        let web = trail.key("web");
        trail.key("ports");
        trail.index(10);
        assert_eq!(&*trail, "services.web.ports[10]");
        trail.back(web);
        assert_eq!(trail.to_string(), "services");
    }
}
