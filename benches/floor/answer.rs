//! `floor answer PORT`: the fastest web server that one thread can be, to load published ports with.

use rustix::event::epoll;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

const LISTENER: u64 = u64::MAX;

/// Answers every request with the same 200 bytes, on kept-alive connections, for ever.
pub fn answer(port: u16) -> ! {
    let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{:x<200}", "");
    let listener = TcpListener::bind(("0.0.0.0", port)).expect("the port is free");
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("the kernel has epoll");
    let watch = |what: BorrowedFd<'_>, key: u64| {
        epoll::add(
            &poll,
            what,
            epoll::EventData::new_u64(key),
            epoll::EventFlags::IN,
        )
        .expect("it is open");
    };
    watch(listener.as_fd(), LISTENER);
    let mut clients: HashMap<u64, TcpStream> = HashMap::new();
    let mut events = Vec::with_capacity(64);
    let mut request = [0; 8192];
    loop {
        events.clear();
        if epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).is_err() {
            continue;
        }
        for event in &events {
            let key = event.data.u64();
            if key == LISTENER {
                if let Ok((client, _)) = listener.accept() {
                    client.set_nodelay(true).ok();
                    let key = client.as_raw_fd() as u64;
                    watch(client.as_fd(), key);
                    clients.insert(key, client);
                }
                continue;
            }
            let served =
                clients
                    .get_mut(&key)
                    .is_some_and(|client| match client.read(&mut request) {
                        Ok(0) | Err(_) => false,
                        Ok(_) => client.write_all(reply.as_bytes()).is_ok(),
                    });
            if !served {
                clients.remove(&key);
            }
        }
    }
}
