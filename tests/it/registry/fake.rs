//! A registry that does as it is told, also what no registry should do: plain threads and sockets, every byte counted.

use super::intake::Intake;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a request is answered with, instead of what was asked for.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Hangs up before the first byte.
    HangUp,
    /// The right answer, but the connection ends after so many bytes of the body.
    Cut(usize),
    /// A status with headers and a body.
    Status(u16, Vec<(String, String)>, Vec<u8>),
    /// Other bytes, as if they were the right ones.
    Instead(Vec<u8>),
    /// The right headers, then this body without a length, again and again without end.
    Endless(Vec<u8>),
    /// The right answer, a piece at a time with a pause after each.
    Drip(usize, Duration),
    /// The headers of the right answer, and then nothing.
    Silence,
    /// The right answer, from the first byte, whatever part was asked for.
    Whole,
    /// A part that was not asked for.
    OtherPart,
    /// This `Content-Length`, and the right body.
    Length(u64),
}

/// A request as the registry saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// First byte asked for, or sent.
    pub from: Option<u64>,
    /// Bytes of the body that come.
    pub length: usize,
    pub authorization: Option<String>,
}

impl Seen {
    pub fn is_blob(&self) -> bool {
        self.path.contains("/blobs/")
    }

    pub fn is_manifest(&self) -> bool {
        self.path.contains("/manifests/")
    }

    pub fn is_upload(&self) -> bool {
        self.path.contains("/blobs/uploads/")
    }
}

/// Decides about a request by what it is and how many like it (same path) came before; `None` = the right answer.
pub type Behaviour = Box<dyn FnMut(&Seen, usize) -> Option<Answer> + Send>;

#[derive(Default)]
pub(super) struct Shared {
    pub blobs: Mutex<HashMap<String, Arc<Vec<u8>>>>,
    /// By path below `/v2/`, e.g. `app/manifests/1`: media type and bytes.
    pub manifests: Mutex<HashMap<String, (String, Vec<u8>)>>,
    behaviour: Mutex<Option<Behaviour>>,
    seen: Mutex<Vec<Seen>>,
    /// Bytes of bodies that were sent, by path.
    sent: Mutex<HashMap<String, u64>>,
    pub intake: Intake,
    stopped: AtomicBool,
}

/// A registry on a port of its own.
pub struct Fake {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Fake {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if of_thread.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = of_thread.clone();
                std::thread::spawn(move || {
                    // Whoever hangs up has had enough.
                    let _ = serve(&shared, stream);
                });
            }
        });
        Self { address, shared }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn put_blob(&self, digest: &str, bytes: Vec<u8>) {
        let mut blobs = self.shared.blobs.lock().unwrap();
        blobs.insert(digest.to_owned(), Arc::new(bytes));
    }

    /// A blob that was pushed, or put there.
    pub fn blob(&self, digest: &str) -> Option<Arc<Vec<u8>>> {
        self.shared.blobs.lock().unwrap().get(digest).cloned()
    }

    /// A manifest that was pushed, or put there.
    pub fn manifest(&self, path: &str) -> Option<Vec<u8>> {
        let manifests = self.shared.manifests.lock().unwrap();
        manifests.get(path).map(|(_, bytes)| bytes.clone())
    }

    /// Bytes of blobs that came in uploads so far.
    pub fn received(&self) -> u64 {
        self.shared.intake.received()
    }

    pub fn put_manifest(&self, repository: &str, reference: &str, kind: &str, bytes: &[u8]) {
        let key = format!("{repository}/manifests/{reference}");
        let mut manifests = self.shared.manifests.lock().unwrap();
        manifests.insert(key, (kind.to_owned(), bytes.to_owned()));
    }

    /// From now on.
    pub fn behave(&self, behaviour: impl FnMut(&Seen, usize) -> Option<Answer> + Send + 'static) {
        *self.shared.behaviour.lock().unwrap() = Some(Box::new(behaviour));
    }

    /// As it should, and with nothing seen or counted.
    pub fn reset(&self) {
        *self.shared.behaviour.lock().unwrap() = None;
        self.shared.seen.lock().unwrap().clear();
        self.shared.sent.lock().unwrap().clear();
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Bytes of a blob that were sent so far, or of all of them.
    pub fn sent(&self, digest: &str) -> u64 {
        let sent = self.shared.sent.lock().unwrap();
        let of_blob = sent.iter().filter(|(path, _)| path.ends_with(digest));
        of_blob.map(|(_, bytes)| bytes).sum()
    }

    /// Bytes of all bodies that were sent so far.
    pub fn sent_at_all(&self) -> u64 {
        self.shared.sent.lock().unwrap().values().sum()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let Some(seen) = read_request(&mut reader)? else {
        return Ok(());
    };
    let earlier = {
        let mut all = shared.seen.lock().unwrap();
        let earlier = all
            .iter()
            .filter(|it| it.path == seen.path && it.method == seen.method)
            .count();
        all.push(seen.clone());
        earlier
    };
    let answer = match &mut *shared.behaviour.lock().unwrap() {
        Some(behaviour) => behaviour(&seen, earlier),
        None => None,
    };
    let mut reply = Reply {
        shared,
        stream: &stream,
        seen: &seen,
    };
    match seen.is_upload() || seen.method == "PUT" {
        true => reply.take(&mut reader, answer)?,
        false => reply.give(answer)?,
    }
    stream.shutdown(Shutdown::Both)
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    // What is not HTTP (the beginning of TLS) is not answered.
    if !path.starts_with('/') {
        return Ok(None);
    }
    let mut seen = Seen {
        method: method.to_owned(),
        path: path.to_owned(),
        from: None,
        length: 0,
        authorization: None,
    };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Some(seen));
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let first = value.trim().trim_start_matches("bytes=");
                seen.from = first.split('-').next().and_then(|text| text.parse().ok());
            }
            "content-range" => {
                let first = value.trim().split('-').next();
                seen.from = first.and_then(|text| text.parse().ok());
            }
            "content-length" => seen.length = value.trim().parse().unwrap_or_default(),
            "authorization" => seen.authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
}

pub(super) struct Reply<'a> {
    pub shared: &'a Shared,
    pub stream: &'a TcpStream,
    pub seen: &'a Seen,
}

impl Reply<'_> {
    fn give(&mut self, answer: Option<Answer>) -> std::io::Result<()> {
        match answer {
            Some(Answer::HangUp) => return Ok(()),
            Some(Answer::Status(status, headers, body)) => {
                self.head(status, &headers, Some(body.len() as u64))?;
                return self.body(&body);
            }
            _ => {}
        }
        let Some((kind, bytes)) = self.content() else {
            let found = self.seen.path == "/v2/";
            self.head(if found { 200 } else { 404 }, &[], Some(0))?;
            return Ok(());
        };
        let mut headers = vec![("Content-Type".to_owned(), kind)];
        let asked = self.seen.from.filter(|_| self.seen.is_blob());
        let whole = matches!(answer, Some(Answer::Whole));
        let from = asked.filter(|_| !whole).unwrap_or(0);
        let rest = &bytes[usize::try_from(from).unwrap().min(bytes.len())..];
        let status = match from {
            0 => 200,
            from => {
                let first = from + u64::from(matches!(answer, Some(Answer::OtherPart)));
                let range = format!("bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
                headers.push(("Content-Range".to_owned(), range));
                206
            }
        };
        let length = match &answer {
            Some(Answer::Endless(_)) => None,
            Some(Answer::Length(length)) => Some(*length),
            Some(Answer::Instead(other)) => Some(other.len() as u64),
            _ => Some(rest.len() as u64),
        };
        self.head(status, &headers, length)?;
        if self.seen.method == "HEAD" {
            return Ok(());
        }
        match answer {
            Some(Answer::Cut(at)) => self.body(&rest[..at.min(rest.len())]),
            Some(Answer::Instead(other)) => self.body(&other),
            Some(Answer::Endless(piece)) => loop {
                self.body(&piece)?;
            },
            Some(Answer::Drip(size, pause)) => rest.chunks(size).try_for_each(|piece| {
                self.body(piece)?;
                std::thread::sleep(pause);
                Ok(())
            }),
            Some(Answer::Silence) => {
                // Until the other side has had enough.
                let mut buffer = [0];
                let _ = std::io::Read::read(&mut &*self.stream, &mut buffer);
                Ok(())
            }
            _ => self.body(rest),
        }
    }

    fn content(&self) -> Option<(String, Arc<Vec<u8>>)> {
        let path = self.seen.path.strip_prefix("/v2/")?;
        if let Some((kind, bytes)) = self.shared.manifests.lock().unwrap().get(path) {
            return Some((kind.clone(), Arc::new(bytes.clone())));
        }
        let digest = path.rsplit('/').next()?;
        let blobs = self.shared.blobs.lock().unwrap();
        let bytes = blobs.get(digest).filter(|_| path.contains("/blobs/"))?;
        Some(("application/octet-stream".to_owned(), bytes.clone()))
    }

    pub(super) fn head(
        &mut self,
        status: u16,
        headers: &[(String, String)],
        length: Option<u64>,
    ) -> std::io::Result<()> {
        let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(length) = length {
            text += &format!("Content-Length: {length}\r\n");
        }
        self.stream.write_all((text + "\r\n").as_bytes())
    }

    pub(super) fn body(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        // Counted before they are sent: whoever sees them arrive finds them counted.
        for piece in bytes.chunks(64 << 10) {
            let path = self.seen.path.clone();
            *self.shared.sent.lock().unwrap().entry(path).or_default() += piece.len() as u64;
            self.stream.write_all(piece)?;
        }
        Ok(())
    }
}
