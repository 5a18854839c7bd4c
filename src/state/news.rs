//! What happened to a project while no user looked: a line each, kept until the next user is told.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Of whoever never looks no more is kept, bytes.
const MAX_BYTES: usize = 64 << 10;

/// The lines. They outlive whoever noted them, who may be gone before somebody asks.
#[derive(Debug)]
pub struct News {
    path: PathBuf,
    /// What the disk did not take.
    unwritten: RefCell<Vec<String>>,
}

impl News {
    /// Those in this file, which need not be there.
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            unwritten: RefCell::default(),
        }
    }

    /// Notes what is to be told, unless it already is.
    pub fn add(&self, text: &str) {
        let text = text.replace('\n', " ");
        let known = fs::read_to_string(&self.path).unwrap_or_default();
        if known.lines().any(|line| line == text) || known.len() + text.len() > MAX_BYTES {
            return;
        }
        if self.append(&text).is_err() {
            self.unwritten.borrow_mut().push(text);
        }
    }

    fn append(&self, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let options = options.append(true).create(true).mode(0o600);
        options
            .open(&self.path)?
            .write_all(format!("{text}\n").as_bytes())
    }

    /// Gives all of it, to be told now.
    pub fn take(&self) -> Vec<String> {
        let known = fs::read_to_string(&self.path).unwrap_or_default();
        let mut all: Vec<String> = known.lines().map(str::to_owned).collect();
        if !all.is_empty() {
            // What cannot be removed is told again.
            let _ = fs::remove_file(&self.path);
        }
        all.append(&mut self.unwritten.borrow_mut());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_told_once_whoever_noted_them() {
        let dir = tempfile::tempdir().unwrap();
        let news = || News::at(dir.path().join("news"));
        news().add("a was ended");
        news().add("b\nwas ended");
        news().add("a was ended");
        assert_eq!(news().take(), ["a was ended", "b was ended"]);
        assert!(news().take().is_empty());
    }

    #[test]
    fn they_have_an_end_and_a_disk_that_takes_nothing_costs_none() {
        let dir = tempfile::tempdir().unwrap();
        let news = News::at(dir.path().join("news"));
        for number in 0..MAX_BYTES {
            news.add(&format!("line {number}"));
            if fs::metadata(&news.path).unwrap().len() as usize > MAX_BYTES - 20 {
                break;
            }
        }
        news.add("one more that has no room");
        assert!(
            !news
                .take()
                .contains(&"one more that has no room".to_owned())
        );
        let nowhere = News::at(dir.path().join("no/news"));
        nowhere.add("told all the same");
        assert_eq!(nowhere.take(), ["told all the same"]);
    }
}
