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
