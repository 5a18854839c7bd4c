//! The keys of an attached `up`: `d` leaves it running, `w` watches, `r` restarts a service, `l` chooses whose lines are shown.

use crate::cli::exit::Error;
use crate::cli::term::Cbreak;
use crate::cli::view::View;
use crate::id::ServiceName;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Services whose lines are not shown for now; shared with who shows them.
#[derive(Debug, Clone, Default)]
pub struct Hidden(Arc<Mutex<HashSet<String>>>);

impl Hidden {
    /// Whether a service's lines are left out.
    pub fn has(&self, service: &str) -> bool {
        self.lock().contains(service)
    }

    /// Shows what was hidden, hides what was shown; whether it is hidden now.
    fn toggle(&self, service: &str) -> bool {
        let mut hidden = self.lock();
        if hidden.remove(service) {
            return false;
        }
        hidden.insert(service.to_owned())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Leave everything running.
    Detach,
    /// Begin or end watching.
    Watch,
    /// Restart this service.
    Restart(ServiceName),
}

/// Which list a number would choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choosing {
    Nothing,
    Restart,
    Logs,
}

/// The menu; while it lives, keys come as they are typed.
pub struct Menu {
    view: View,
    services: Vec<ServiceName>,
    hidden: Hidden,
    choosing: Choosing,
    over: bool,
    _keys: Cbreak,
}

impl Menu {
    /// Takes the keyboard; `None` if there is none.
    pub fn open(view: &View, services: &[ServiceName], hidden: &Hidden) -> Option<Self> {
        let keys = Cbreak::enter().ok()?;
        let menu = Self {
            view: view.clone(),
            services: services.to_vec(),
            hidden: hidden.clone(),
            choosing: Choosing::Nothing,
            over: false,
            _keys: keys,
        };
        menu.help();
        Some(menu)
    }

    fn help(&self) {
        let style = self.view.stderr.style();
        let key = |key, what| format!("{} {what}", style.cyan(key));
        let keys = [
            key("d", "detach"),
            key("w", "watch"),
            key("r", "restart"),
            key("l", "logs"),
            key("?", "help"),
        ];
        self.view.note(&format!("{}\n", keys.join("   ")));
    }

    /// Reads the keys that were typed, and gives the wish that they amount to.
    pub fn typed(&mut self) -> Result<Option<Wish>, Error> {
        let mut keys = [0; 64];
        let read = rustix::io::read(std::io::stdin(), &mut keys);
        let count = read.map_err(|error| Error::io("read a key")(error.into()))?;
        self.over = count == 0;
        for key in &keys[..count] {
            if let Some(wish) = self.key(*key) {
                return Ok(Some(wish));
            }
        }
        Ok(None)
    }

    /// The keyboard is gone.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn key(&mut self, key: u8) -> Option<Wish> {
        let choosing = std::mem::replace(&mut self.choosing, Choosing::Nothing);
        match (key, choosing) {
            (b'1'..=b'9', Choosing::Restart | Choosing::Logs) => {
                let service = self.services.get(usize::from(key - b'1'))?.clone();
                if choosing == Choosing::Restart {
                    return Some(Wish::Restart(service));
                }
                let hidden = self.hidden.toggle(service.as_str());
                let now = if hidden { "hidden" } else { "shown" };
                self.view.note(&format!("lines of {service} are {now}\n"));
            }
            (b'd', _) => return Some(Wish::Detach),
            (b'w', _) => return Some(Wish::Watch),
            (b'r', _) => self.list("restart", Choosing::Restart),
            (b'l', _) => self.list("show or hide lines of", Choosing::Logs),
            (b'?' | b'h', _) => self.help(),
            _ => {}
        }
        None
    }

    fn list(&mut self, words: &str, choosing: Choosing) {
        let names: Vec<String> = self
            .services
            .iter()
            .take(9)
            .enumerate()
            .map(|(at, name)| format!("{} {name}", at + 1))
            .collect();
        self.view.note(&format!("{words}: {}\n", names.join("   ")));
        self.choosing = choosing;
    }
}
