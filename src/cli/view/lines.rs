//! Lines of containers, each behind its container's name.

use super::style::{self, Colour, Style};
use std::collections::HashMap;

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
pub struct LineStyle {
    /// With the container's name.
    pub prefix: bool,
    /// With the time they were written.
    pub timestamps: bool,
    /// The name in the service's colour.
    pub style: Style,
}

/// A line, or something about a container, as it is to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// `app-web-1`
    pub container: &'a str,
    /// `web`
    pub service: &'a str,
    /// Replica number.
    pub number: u32,
    /// Nanoseconds since the epoch.
    pub time: i64,
    /// The line without its end.
    pub bytes: &'a [u8],
}

/// Knows the names, their colours and the widest of them.
#[derive(Debug)]
pub struct Prefixer {
    project: String,
    style: LineStyle,
    services: Vec<String>,
    width: usize,
    prefixes: HashMap<String, String>,
}

impl Prefixer {
    /// Colours follow the place of a service in `services`; others come after them.
    pub fn new(project: &str, services: Vec<String>, style: LineStyle) -> Self {
        Self {
            project: project.to_owned(),
            style,
            services,
            width: 0,
            prefixes: HashMap::new(),
        }
    }

    /// Makes room for a name before its first line.
    pub fn expect(&mut self, container: &str, service: &str, number: u32) {
        let name = short_name(&self.project, container, service, number);
        let width = style::width(name);
        if width > self.width {
            self.width = width;
            self.prefixes.clear();
        }
    }

    /// The line as it is written, with its end.
    pub fn line(&mut self, said: Said<'_>) -> Vec<u8> {
        let mut text = Vec::with_capacity(said.bytes.len() + 64);
        if self.style.prefix {
            text.extend_from_slice(self.prefix(said).as_bytes());
        }
        if self.style.timestamps {
            text.extend_from_slice(timestamp(said.time).as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(said.bytes);
        text.push(b'\n');
        text
    }

    /// Something about a container, said by hoist: `web-1 exited with code 1`.
    pub fn notice(&mut self, said: Said<'_>, text: &str) -> String {
        let colour = self.colour(said.service);
        let name = short_name(&self.project, said.container, said.service, said.number);
        format!("{} {text}\n", self.style.style.paint(colour, name))
    }

    fn prefix(&mut self, said: Said<'_>) -> &str {
        if !self.prefixes.contains_key(said.container) {
            self.expect(said.container, said.service, said.number);
            let name = short_name(&self.project, said.container, said.service, said.number);
            let pad = self.width - style::width(name);
            let colour = self.colour(said.service);
            let text = format!("{name}{:pad$}  | ", "");
            let text = self.style.style.paint(colour, text);
            self.prefixes.insert(said.container.to_owned(), text);
        }
        &self.prefixes[said.container]
    }

    fn colour(&mut self, service: &str) -> Colour {
        let known = self.services.iter().position(|name| name == service);
        Colour::of_service(known.unwrap_or_else(|| {
            self.services.push(service.to_owned());
            self.services.len() - 1
        }))
    }
}

/// `web-1` for `app-web-1`; a name that the file chose stays whole.
fn short_name<'a>(project: &str, container: &'a str, service: &str, number: u32) -> &'a str {
    let own = container
        .strip_prefix(project)
        .and_then(|rest| rest.strip_prefix('-'));
    match own {
        Some(rest) if rest == format!("{service}-{number}") => rest,
        _ => container,
    }
}

/// A time as docker shows it: UTC, always nine digits.
pub fn timestamp(nanoseconds: i64) -> String {
    jiff::Timestamp::from_nanosecond(nanoseconds.into())
        .map(|time| format!("{time:.9}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: LineStyle = LineStyle {
        prefix: true,
        timestamps: false,
        style: Style { colour: false },
    };

    fn said<'a>(container: &'a str, service: &'a str, bytes: &'a [u8]) -> Said<'a> {
        Said {
            container,
            service,
            number: 1,
            time: 1_500_000_000,
            bytes,
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn names_are_aligned_to_the_widest_expected() {
        let mut lines = Prefixer::new("app", vec![], PLAIN);
        lines.expect("app-database-1", "database", 1);
        assert_eq!(
            text(lines.line(said("app-web-1", "web", b"hi"))),
            "web-1       | hi\n"
        );
        assert_eq!(
            text(lines.line(said("app-database-1", "database", b"ho"))),
            "database-1  | ho\n"
        );
        assert_eq!(
            text(lines.line(said("chosen-by-file", "web", b"ha"))),
            "chosen-by-file  | ha\n"
        );
        assert_eq!(
            text(lines.line(said("app-web-1", "web", b"hi"))),
            "web-1           | hi\n"
        );
    }

    #[test]
    fn a_services_colour_is_that_of_its_place_in_the_file() {
        let colours = LineStyle {
            style: Style { colour: true },
            ..PLAIN
        };
        let services = vec!["db".to_owned(), "web".to_owned()];
        let mut lines = Prefixer::new("app", services, colours);
        let web = text(lines.line(said("app-web-1", "web", b"x")));
        assert_eq!(web, "\x1b[33mweb-1  | \x1b[0mx\n");
        let stranger = text(lines.line(said("app-old-1", "old", b"x")));
        assert_eq!(stranger, "\x1b[32mold-1  | \x1b[0mx\n");
    }

    #[test]
    fn bytes_pass_as_they_are_and_times_have_nine_digits() {
        let style = LineStyle {
            prefix: false,
            timestamps: true,
            ..PLAIN
        };
        let mut lines = Prefixer::new("app", vec![], style);
        assert_eq!(
            lines.line(said("app-web-1", "web", b"\xff\x00")),
            b"1970-01-01T00:00:01.500000000Z \xff\x00\n"
        );
    }

    #[test]
    fn a_notice_names_the_container_without_alignment() {
        let mut lines = Prefixer::new("app", vec![], PLAIN);
        lines.expect("app-database-1", "database", 1);
        let notice = lines.notice(said("app-web-1", "web", b""), "exited with code 3");
        assert_eq!(notice, "web-1 exited with code 3\n");
    }
}
