//! Health probes that need no program in the container.

use super::container::Container;
use super::health::Outcome;
use super::logs::{Line, LogLines};
use crate::compose::model::NativeTest;
use crate::network::netns::connect_in;
use regex_lite::Regex;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How much of an answer is read.
const ANSWER: usize = 4096;

/// Makes one such probe; takes as long as the container does.
pub async fn probe(container: &Container, test: &NativeTest) -> (Outcome, String) {
    let result = match test {
        NativeTest::Tcp { port } => match connect(container, *port).await {
            Ok(_) => Ok(String::new()),
            Err(error) => Err(format!("port {port}: {error}")),
        },
        NativeTest::Http { host, port, path } => http(container, *port, host, path).await,
        NativeTest::Log { pattern } => log(container, pattern),
    };
    match result {
        Ok(output) => (Outcome::Ok, output),
        Err(output) => (Outcome::Failed { code: 1 }, output),
    }
}

async fn http(container: &Container, port: u16, host: &str, path: &str) -> Result<String, String> {
    let text = |error: io::Error| format!("http://{host}{path}: {error}");
    let mut stream = connect(container, port).await.map_err(text)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hoist-health\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(text)?;
    let mut answer = Vec::new();
    let read = stream.take(ANSWER as u64).read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse::<u16>().ok());
    match (status, read) {
        (Some(200..400), _) => Ok(answer),
        (Some(_), _) => Err(answer.lines().next().unwrap_or_default().to_owned()),
        (None, Err(error)) => Err(text(error)),
        (None, Ok(_)) => Err(format!("http://{host}{path}: the answer is no HTTP")),
    }
}

/// A connection made inside the container's network.
async fn connect(container: &Container, port: u16) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::ConnectionRefused.into();
    for ip in [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ] {
        let netns = container
            .kept
            .borrow()
            .netns
            .as_ref()
            .map(|fd| fd.try_clone());
        let stream = connect_in(netns.transpose()?.as_ref(), SocketAddr::new(ip, port));
        match connected(stream).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connected(stream: io::Result<std::net::TcpStream>) -> io::Result<TcpStream> {
    let stream = TcpStream::from_std(stream?)?;
    stream.writable().await?;
    match stream.take_error()? {
        None => Ok(stream),
        Some(error) => Err(error),
    }
}

/// Whether a line of this run matches, or one did when it was asked before.
fn log(container: &Container, pattern: &str) -> Result<String, String> {
    let started = container.status.borrow().started;
    let mut seen = container.log_seen.borrow_mut();
    if seen.as_ref().is_none_or(|seen| seen.run != started) {
        *seen = Some(Seen {
            run: started,
            lines: LogLines::since(&container.paths.log(), started).map_err(|e| e.to_string())?,
            begun: false,
            matched: None,
        });
    }
    let Some(seen) = seen.as_mut() else {
        return Err(String::new());
    };
    let regex = Regex::new(pattern).map_err(|e| e.to_string())?;
    // What comes while we read is for the next probe: a container that floods must not keep us.
    seen.lines.bound().map_err(|e| e.to_string())?;
    while seen.matched.is_none()
        && let Some(line) = seen.lines.next_line().map_err(|e| e.to_string())?
    {
        let text = String::from_utf8_lossy(&line.bytes);
        // Lines of the run before may come first; behind the first of this run, a clock that was set back changes nothing.
        seen.begun |= line.time >= started;
        if seen.begun && regex.is_match(&text) {
            seen.matched = Some(line);
        }
    }
    match &seen.matched {
        Some(line) => Ok(String::from_utf8_lossy(&line.bytes).into_owned()),
        None => Err(format!("no line matches `{pattern}` yet")),
    }
}

/// How far the log of a run was searched.
pub struct Seen {
    run: i64,
    lines: LogLines,
    begun: bool,
    matched: Option<Line>,
}
