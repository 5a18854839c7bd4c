//! A command in a box at a real terminal: a pty, and a screen as a person would see it.

use super::{World, agent, patience};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::Winsize;
use std::io::{BufReader, Read, Write};
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A screen without what is another each time: ages, times, sizes, shares, heights of a line of values. Blanks count once.
pub fn steady(screen: &str) -> String {
    let screen = screen.replace("Less than a second", "0 seconds");
    let lines = screen.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let kept = words.iter().enumerate().filter_map(|(at, word)| {
            let next = words.get(at + 1).copied().unwrap_or_default();
            steady_word(word, next)
        });
        kept.collect::<Vec<_>>().join(" ") + "\n"
    });
    lines.collect()
}

/// A word as it is each time, if it is to be there at all.
fn steady_word(word: &str, next: &str) -> Option<String> {
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    if word.chars().all(|c| ('▁'..='█').contains(&c)) {
        return None;
    }
    if is_number(word) && next.starts_with("second") {
        return Some("*".to_owned());
    }
    if matches!(word, "second" | "seconds") {
        return Some("seconds".to_owned());
    }
    let units = ["%", "KiB", "MiB", "GiB", "B", "s"];
    let unit = units
        .iter()
        .find(|unit| word.strip_suffix(**unit).is_some_and(is_number));
    match unit {
        Some(&("KiB" | "MiB" | "GiB" | "B")) => Some("*B".to_owned()),
        Some(unit) => Some(format!("*{unit}")),
        None => Some(word.to_owned()),
    }
}

/// A running command and its screen.
pub struct Terminal {
    master: std::fs::File,
    screen: Arc<Mutex<vt100::Parser>>,
    reply: BufReader<UnixStream>,
}

impl World {
    /// Starts hoist at a terminal of so many rows and columns.
    pub fn at_terminal(&self, (rows, cols): (u16, u16), args: &[&str]) -> Terminal {
        let mut words = vec!["setsid", "-c", "-w", env!("CARGO_BIN_EXE_hoist")];
        words.extend(args);
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("ptys are left");
        grantpt(&master)
            .and_then(|()| unlockpt(&master))
            .expect("it is ours");
        let slave = ioctl_tiocgptpeer(&master, flags).expect("it is ours");
        set_size(&master, rows, cols);
        let mut env = self.env.clone();
        env.insert("TERM".to_owned(), "xterm-256color".to_owned());
        let request = agent::Request {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            env,
            cwd: self.project(),
        };
        let ends: [OwnedFd; 3] =
            std::array::from_fn(|_| slave.try_clone().expect("descriptors are left"));
        drop(slave);
        let socket = agent::socket(self.folder.path());
        let mut reply = agent::send(&socket, &request, ends.each_ref().map(AsFd::as_fd));
        agent::pid(&mut reply).expect("every system has setsid");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(some(rows), some(cols), 1000)));
        let master = std::fs::File::from(master);
        let (mut from, shown) = (
            master.try_clone().expect("descriptors are left"),
            screen.clone(),
        );
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // the end of a terminal is an error
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..count]);
            }
        });
        Terminal {
            master,
            screen,
            reply,
        }
    }
}

fn some(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a window has a size")
}

fn set_size(terminal: impl AsFd, rows: u16, cols: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(terminal, size).expect("it is a terminal");
}

impl Terminal {
    /// What a person sees now, without the spaces at the ends of lines.
    pub fn screen(&self) -> String {
        let contents = self.screen.lock().unwrap().screen().contents();
        let lines: Vec<&str> = contents.lines().map(str::trim_end).collect();
        lines.join("\n")
    }

    /// Waits until the screen is such, and gives it.
    #[track_caller]
    pub fn until(&self, what: &str, such: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + patience();
        loop {
            let screen = self.screen();
            if such(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "{what} never came:\n{screen}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits until the screen is the one of `tests/fixtures/screens/NAME.txt`, but for what is another each time
    /// ([`steady`]). `HOIST_RECORD=1` writes what the screen is once it stands still.
    #[track_caller]
    pub fn snapshot(&self, name: &str) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/screens");
        let file = std::path::PathBuf::from(format!("{folder}/{name}.txt"));
        if std::env::var_os("HOIST_RECORD").is_some() {
            let screen = self.when_still();
            std::fs::create_dir_all(folder).expect("the sources are ours");
            std::fs::write(&file, screen).expect("the sources are ours");
        }
        let wanted = std::fs::read_to_string(&file).unwrap_or_default();
        let deadline = Instant::now() + patience();
        while steady(&self.screen()) != wanted {
            if Instant::now() > deadline {
                let seen = steady(&self.screen());
                panic!("{name} is not\n{wanted}\nbut\n{seen}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The screen once it has been the same for a while.
    fn when_still(&self) -> String {
        let (mut last, mut since) = (String::new(), Instant::now());
        while since.elapsed() < Duration::from_secs(3) {
            let screen = steady(&self.screen());
            if screen != last {
                (last, since) = (screen, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        last
    }

    /// Types.
    pub fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("it is open");
    }

    /// The window gets another size.
    pub fn resize(&mut self, rows: u16, cols: u16) {
        set_size(&self.master, rows, cols);
        let mut screen = self.screen.lock().unwrap();
        screen.screen_mut().set_size(some(rows), some(cols));
    }

    /// Waits for the end of the command; its exit code.
    pub fn wait(mut self) -> i32 {
        agent::exit_code(&mut self.reply, patience()).expect("it ends")
    }
}
