//! As much rtnetlink as the floor needs: requests are laid out by hand and sent in one write.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;

/// A socket in the network namespace it was opened in.
pub struct Netlink(File);

/// One request: header and body.
pub struct Request {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

const ACK: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const CREATE: u16 = ACK | (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;

impl Netlink {
    /// Opens a socket.
    pub fn open() -> Self {
        // SAFETY: no pointers; the descriptor is new and ours alone.
        unsafe {
            let fd = libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                libc::NETLINK_ROUTE,
            );
            assert!(fd >= 0, "netlink: {}", std::io::Error::last_os_error());
            Self(File::from_raw_fd(fd))
        }
    }

    /// Sends all requests at once and waits for every answer.
    pub fn send(&mut self, requests: &[Request]) {
        let mut bytes = Vec::new();
        for (sequence, request) in requests.iter().enumerate() {
            bytes.extend((16 + request.body.len() as u32).to_ne_bytes());
            bytes.extend(request.kind.to_ne_bytes());
            bytes.extend(request.flags.to_ne_bytes());
            bytes.extend((sequence as u32).to_ne_bytes());
            bytes.extend(0u32.to_ne_bytes());
            bytes.extend(&request.body);
        }
        self.0.write_all(&bytes).expect("the kernel takes netlink");
        let (mut answered, mut buffer) = (0, [0; 8192]);
        while answered < requests.len() {
            let length = self.0.read(&mut buffer).expect("the kernel answers");
            let mut at = 0;
            while at + 20 <= length {
                let error =
                    i32::from_ne_bytes(buffer[at + 16..at + 20].try_into().expect("four bytes"));
                let sequence =
                    u32::from_ne_bytes(buffer[at + 8..at + 12].try_into().expect("four bytes"));
                assert!(
                    error == 0,
                    "request {sequence}: {}",
                    std::io::Error::from_raw_os_error(-error)
                );
                let size = u32::from_ne_bytes(buffer[at..at + 4].try_into().expect("four bytes"));
                at += (size as usize).next_multiple_of(4);
                answered += 1;
            }
        }
    }
}

impl Request {
    /// A link to be made (`index` 0) or changed.
    pub fn link(index: u32, create: bool) -> Self {
        let mut body = vec![0; 16];
        body[4..8].copy_from_slice(&index.to_ne_bytes());
        Self {
            kind: libc::RTM_NEWLINK,
            flags: if create { CREATE } else { ACK },
            body,
        }
    }

    /// The far end of a veth pair, for [`Self::kind`]. The kernel refuses to bring it up before it has its near end.
    pub fn peer() -> Self {
        Self::link(0, true)
    }

    /// A link to be removed.
    pub fn delete_link(index: u32) -> Self {
        Self {
            kind: libc::RTM_DELLINK,
            ..Self::link(index, false)
        }
    }

    /// An IPv4 address of a link.
    pub fn address(index: u32, address: [u8; 4], prefix: u8) -> Self {
        let mut body = vec![libc::AF_INET as u8, prefix, 0, 0];
        body.extend(index.to_ne_bytes());
        let request = Self {
            kind: libc::RTM_NEWADDR,
            flags: CREATE,
            body,
        };
        request
            .attribute(libc::IFA_LOCAL, &address)
            .attribute(libc::IFA_ADDRESS, &address)
    }

    /// The default route by `gateway`.
    pub fn default_route(index: u32, gateway: [u8; 4]) -> Self {
        let family = libc::AF_INET as u8;
        let mut body = vec![
            family,
            0,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_STATIC,
            libc::RT_SCOPE_UNIVERSE,
            libc::RTN_UNICAST,
        ];
        body.extend(0u32.to_ne_bytes());
        let request = Self {
            kind: libc::RTM_NEWROUTE,
            flags: CREATE,
            body,
        };
        request
            .attribute(libc::RTA_GATEWAY, &gateway)
            .attribute(libc::RTA_OIF, &index.to_ne_bytes())
    }

    /// The link is to be up.
    pub fn up(mut self) -> Self {
        let up = (libc::IFF_UP as u32).to_ne_bytes();
        self.body[8..12].copy_from_slice(&up);
        self.body[12..16].copy_from_slice(&up);
        self
    }

    /// Adds an attribute.
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.body.extend((4 + value.len() as u16).to_ne_bytes());
        self.body.extend(kind.to_ne_bytes());
        self.body.extend(value);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a string.
    pub fn text(self, kind: u16, value: &str) -> Self {
        self.attribute(kind, format!("{value}\0").as_bytes())
    }

    /// Adds a number.
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// Says what kind of link it is; `peer` is the other end of a pair.
    pub fn kind(self, kind: &str, peer: &[u8]) -> Self {
        const INFO_KIND: u16 = 1;
        const INFO_DATA: u16 = 2;
        const VETH_PEER: u16 = 1;
        let empty = || Self {
            kind: 0,
            flags: 0,
            body: Vec::new(),
        };
        let mut info = empty().text(INFO_KIND, kind);
        if !peer.is_empty() {
            info = info.attribute(INFO_DATA, &empty().attribute(VETH_PEER, peer).body);
        }
        self.attribute(libc::IFLA_LINKINFO, &info.body)
    }

    /// The bytes after the header.
    pub fn body(self) -> Vec<u8> {
        self.body
    }
}
