//! Who takes logs: the journal by its native protocol, syslog by RFC 3164 or RFC 5424.

use crate::runtime::log::Stream;
use crate::scheduler::supervisor::logs::Line;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the journal listens.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Where syslog listens on this machine.
const SYSLOG: &str = "/dev/log";
/// A message holds so much of a line; a longer line is several messages.
const LONGEST: usize = 16 << 10;
/// Who does not take a message for so long is not there.
const PATIENCE: Duration = Duration::from_secs(1);
/// Severities of RFC 5424.
const ERROR: u8 = 3;
/// See [`ERROR`].
const INFO: u8 = 6;

/// Where a container's log goes besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Who takes it.
    pub to: Receiver,
    /// How the container is called there: text with `{{.Name}}`, `{{.ID}}` and their kin.
    pub tag: String,
    /// What the journal is told besides: labels and variables of the container.
    #[serde(default)]
    pub fields: Vec<(String, String)>,
}

/// Who takes logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receiver {
    /// The journal of systemd.
    Journald,
    /// A syslog.
    Syslog {
        /// Where it listens.
        address: Address,
        /// Facility of RFC 5424, 0 to 23.
        facility: u8,
        /// By RFC 5424, otherwise by RFC 3164.
        modern: bool,
    },
}

/// Where a syslog listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// A socket of this machine, for datagrams or a stream.
    Unix(PathBuf),
    /// `host:port`.
    Udp(String),
    /// `host:port`.
    Tcp(String),
}

impl Default for Address {
    fn default() -> Self {
        Self::Unix(PathBuf::from(SYSLOG))
    }
}

/// Whose log it is.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub id: String,
    pub name: String,
    pub image: String,
    /// Hexadecimal digits.
    pub image_id: String,
}

enum Socket {
    Datagrams(UnixDatagram),
    Udp(UdpSocket),
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A connection to a receiver, made when there is something to send.
pub(super) struct Sender {
    forward: Forward,
    identity: Identity,
    tag: String,
    socket: Option<Socket>,
}

impl Sender {
    pub(super) fn new(forward: Forward, identity: Identity) -> Self {
        Self {
            tag: identity.fill(&forward.tag),
            forward,
            identity,
            socket: None,
        }
    }

    /// Sends a line. After an error it was not sent, or not whole.
    pub(super) fn send(&mut self, line: &Line) -> io::Result<()> {
        let whole = line.bytes.len() <= LONGEST;
        let mut parts = line.bytes.chunks(LONGEST);
        let first = parts.next().unwrap_or_default();
        for part in [first].into_iter().chain(parts) {
            let message = self.message(line, part, whole);
            let sent = self.write(&message);
            if sent.is_err() {
                self.socket = None;
            }
            sent?;
        }
        Ok(())
    }

    fn message(&self, line: &Line, part: &[u8], whole: bool) -> Vec<u8> {
        let severity = match line.stream {
            Stream::Err => ERROR,
            Stream::Out => INFO,
        };
        match &self.forward.to {
            Receiver::Journald => self.journal_entry(severity, part, whole),
            Receiver::Syslog {
                facility, modern, ..
            } => {
                let priority = facility * 8 + severity;
                self.syslog_message(line.time, (priority, *modern), part)
            }
        }
    }

    /// The fields that docker's driver sets.
    fn journal_entry(&self, severity: u8, part: &[u8], whole: bool) -> Vec<u8> {
        let identity = &self.identity;
        let severity = severity.to_string();
        let mut entry = Vec::new();
        let mut fields = vec![
            ("PRIORITY", severity.as_str()),
            ("SYSLOG_IDENTIFIER", &self.tag),
            ("CONTAINER_TAG", &self.tag),
            ("CONTAINER_NAME", &identity.name),
            ("CONTAINER_ID", identity.short()),
            ("CONTAINER_ID_FULL", &identity.id),
            ("IMAGE_NAME", &identity.image),
        ];
        if !whole {
            fields.push(("CONTAINER_PARTIAL_MESSAGE", "true"));
        }
        let own = self.forward.fields.iter();
        fields.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
        for (name, value) in fields {
            field(&mut entry, name, value.as_bytes());
        }
        field(&mut entry, "MESSAGE", part);
        entry
    }

    fn syslog_message(&self, time: i64, (priority, modern): (u8, bool), part: &[u8]) -> Vec<u8> {
        let time = jiff::Timestamp::from_nanosecond(time.into()).unwrap_or_default();
        let time = time.to_zoned(jiff::tz::TimeZone::system());
        let (tag, process) = (&self.tag, std::process::id());
        let head = match modern {
            true => {
                let host = rustix::system::uname();
                let host = host.nodename().to_string_lossy().into_owned();
                let time = time.strftime("%Y-%m-%dT%H:%M:%S%.6f%:z");
                format!("<{priority}>1 {time} {host} {tag} {process} {tag} - ")
            }
            false => {
                let time = time.strftime("%b %e %H:%M:%S");
                format!("<{priority}>{time} {tag}[{process}]: ")
            }
        };
        let mut message = head.into_bytes();
        message.extend_from_slice(part);
        message
    }

    fn write(&mut self, message: &[u8]) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => connect(&self.forward.to)?,
        };
        match self.socket.insert(socket) {
            Socket::Datagrams(socket) => socket.send(message).map(drop),
            Socket::Udp(socket) => socket.send(message).map(drop),
            Socket::Unix(stream) => framed(stream, message),
            Socket::Tcp(stream) => framed(stream, message),
        }
    }
}

impl Identity {
    fn short(&self) -> &str {
        short(&self.id)
    }

    /// The tag with its placeholders filled in; those that nobody knows stay.
    fn fill(&self, tag: &str) -> String {
        let (mut filled, mut rest) = (String::new(), tag);
        while let Some((before, key, after)) = placeholder(rest) {
            let known = self.value(key).map(str::to_owned);
            let width = rest.len() - before.len() - after.len();
            let written = &rest[before.len()..before.len() + width];
            filled += before;
            filled += &known.unwrap_or_else(|| written.to_owned());
            rest = after;
        }
        filled + rest
    }

    /// What a placeholder stands for. [`is_tag`] knows the same.
    fn value(&self, key: &str) -> Option<&str> {
        Some(match key {
            ".ID" => self.short(),
            ".FullID" => &self.id,
            ".Name" => &self.name,
            ".ImageName" => &self.image,
            ".ImageID" => short(&self.image_id),
            ".ImageFullID" => &self.image_id,
            ".DaemonName" => "hoist",
            _ => return None,
        })
    }
}

fn short(id: &str) -> &str {
    &id[..id.len().min(12)]
}

/// The first placeholder of a tag: what is before, its words without blanks around, and what comes after.
fn placeholder(tag: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = tag.split_once("{{")?;
    let (key, after) = rest.split_once("}}")?;
    Some((before, key.trim(), after))
}

/// Whether every placeholder of a tag is known.
pub fn is_tag(tag: &str) -> bool {
    let sample = Identity {
        id: String::new(),
        name: String::new(),
        image: String::new(),
        image_id: String::new(),
    };
    !sample.fill(tag).contains("{{")
}

/// On a stream, messages end with a line feed.
fn framed(mut stream: impl Write, message: &[u8]) -> io::Result<()> {
    stream.write_all(&[message, b"\n"].concat())
}

fn connect(receiver: &Receiver) -> io::Result<Socket> {
    let address = match receiver {
        Receiver::Journald => return datagrams(Path::new(JOURNAL)),
        Receiver::Syslog { address, .. } => address,
    };
    match address {
        Address::Unix(path) => datagrams(path).or_else(|_| {
            let stream = UnixStream::connect(path).map_err(|e| at(&path.display(), &e))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Socket::Unix(stream))
        }),
        Address::Udp(host) => {
            let socket = UdpSocket::bind("0.0.0.0:0").or_else(|_| UdpSocket::bind("[::]:0"))?;
            socket.connect(host).map_err(|e| at(host, &e))?;
            Ok(Socket::Udp(socket))
        }
        Address::Tcp(host) => {
            let stream = connect_tcp(host).map_err(|e| at(host, &e))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Socket::Tcp(stream))
        }
    }
}

/// To the first of its addresses that answers.
fn connect_tcp(host: &str) -> io::Result<TcpStream> {
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn datagrams(path: &Path) -> io::Result<Socket> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path).map_err(|e| at(&path.display(), &e))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(Socket::Datagrams(socket))
}

fn at(whom: &dyn std::fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("nobody answers at `{whom}`: {error}"))
}

/// One field of the journal's native protocol: text on a line, or its length and whatever bytes.
fn field(entry: &mut Vec<u8>, name: &str, value: &[u8]) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(to: Receiver) -> Sender {
        let identity = Identity {
            id: "0123456789abcdef".to_owned(),
            name: "app-web-1".to_owned(),
            image: "nginx".to_owned(),
            image_id: "fedcba9876543210".to_owned(),
        };
        let tag = "{{.Name}}/{{ .ID }}".to_owned();
        let fields = vec![("STAGE".to_owned(), "test".to_owned())];
        Sender::new(Forward { to, tag, fields }, identity)
    }

    fn line(bytes: &[u8], stream: Stream) -> Line {
        Line {
            time: 1_700_000_000_000_000_000,
            stream,
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn a_journal_entry_has_dockers_fields_and_keeps_every_byte() {
        let sender = sender(Receiver::Journald);
        let entry = sender.message(&line(b"a\0b", Stream::Err), b"a\0b", true);
        let text = String::from_utf8_lossy(&entry).into_owned();
        assert!(
            text.starts_with("PRIORITY=3\nSYSLOG_IDENTIFIER=app-web-1/0123456789ab\n"),
            "{text}"
        );
        assert!(
            text.contains("\nCONTAINER_ID_FULL=0123456789abcdef\n"),
            "{text}"
        );
        assert!(text.ends_with("\nSTAGE=test\nMESSAGE=a\0b\n"), "{text}");
        let mut entry = Vec::new();
        field(&mut entry, "M", b"x\ny");
        assert_eq!(entry, b"M\n\x03\0\0\0\0\0\0\0x\ny\n");
    }

    #[test]
    fn syslog_messages_are_of_both_rfcs() {
        let message = |modern| {
            let sender = sender(Receiver::Syslog {
                address: Address::default(),
                facility: 3,
                modern,
            });
            let text = sender.message(&line(b"hello", Stream::Out), b"hello", true);
            String::from_utf8(text).unwrap()
        };
        let (old, new) = (message(false), message(true));
        assert!(
            old.starts_with("<30>Nov 1") && old.ends_with("]: hello"),
            "{old}"
        );
        assert!(new.starts_with("<30>1 2023-11-1"), "{new}");
        assert!(new.ends_with(" app-web-1/0123456789ab - hello"), "{new}");
    }

    #[test]
    fn a_tag_has_placeholders_that_are_known() {
        assert!(is_tag("{{.Name}}-{{.FullID}}") && is_tag("plain"));
        assert!(!is_tag("{{.Env}}") && !is_tag("{{.Name") && !is_tag("a {{"));
        let sender = sender(Receiver::Journald);
        let filled = |tag| sender.identity.fill(tag);
        assert_eq!(
            filled("a {{ .ImageID }}-{{.ImageFullID}}"),
            "a fedcba987654-fedcba9876543210"
        );
        assert_eq!(filled("{{.DaemonName}}/{{.ImageName}}}}"), "hoist/nginx}}");
    }
}
