//! nftables over netlink: what is needed of its wire format, one transaction an operation.
//!
//! Invariants: every change is one atomic transaction; only tables named `hoist-…` are ours, and the one thing done in
//! a foreign table (`foreign`) is adding and removing tagged rules of `DOCKER-USER`.

mod expr;
pub(super) mod foreign;
pub(super) mod resolver;
pub(super) mod ruleset;

use super::error::Error;
use super::netlink::Batch;
use super::netlink::Socket;
use super::netlink::attribute;
use super::netlink::attributes;
use super::netlink::find_attribute;
use super::netlink::nested;
use expr::Rule;
use std::io;

const SUBSYSTEM: u16 = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const GET_RULE: u16 = SUBSYSTEM | 7;
const DELETE_RULE: u16 = SUBSYSTEM | 8;
const NEW_SET: u16 = SUBSYSTEM | 9;
const NEW_ELEMENTS: u16 = SUBSYSTEM | 12;
const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
const DELETE_ELEMENTS: u16 = SUBSYSTEM | 14;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

const CREATE: u16 = libc::NLM_F_CREATE as u16;
const APPEND: u16 = libc::NLM_F_APPEND as u16;
const HEADERS: usize = 16 + 4;
const LIST_ELEMENT: u16 = 1;
const DATA_VALUE: u16 = 1;
const SET_IS_MAP: u32 = 8;
/// An attribute holds at most 64 KiB; an element with its comment is below 120 bytes.
const ELEMENTS_A_MESSAGE: usize = 400;

/// Address family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Inet = 1,
    Ip = 2,
    Ip6 = 10,
}

/// Where a base chain hooks in.
#[derive(Debug, Clone, Copy)]
struct Hook {
    kind: &'static str,
    number: u32,
    priority: i32,
}

/// An entry of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// Whose it is.
    pub comment: String,
}

/// A table to act on.
#[derive(Debug, Clone, Copy)]
struct Table<'a> {
    family: Family,
    name: &'a str,
}

/// The layout of a map's entries.
#[derive(Debug, Clone, Copy)]
struct MapType {
    /// Numbers `nft list` shows the types by, six bits a field.
    key_type: u32,
    key_length: u32,
    value_type: u32,
    value_length: u32,
}

/// Changes that take effect together or not at all.
struct Transaction {
    batch: Batch,
}

impl Transaction {
    fn new() -> Self {
        let mut batch = Batch::default();
        batch.push(BATCH_BEGIN, 0, |out| generic_header(out, 0, SUBSYSTEM >> 8));
        Self { batch }
    }

    fn message(&mut self, kind: u16, flags: u16, family: Family, body: impl FnOnce(&mut Vec<u8>)) {
        self.batch.push(kind, flags, |out| {
            generic_header(out, family as u8, 0);
            body(out);
        });
    }

    fn table(&mut self, table: Table<'_>, comment: &str) {
        self.message(NEW_TABLE, CREATE, table.family, |out| {
            attribute(out, 1, &text(table.name));
            attribute(out, 6, &user_comment(comment));
        });
    }

    fn delete_table(&mut self, table: Table<'_>) {
        self.message(DELETE_TABLE, 0, table.family, |out| {
            attribute(out, 1, &text(table.name))
        });
    }

    fn chain(&mut self, table: Table<'_>, name: &str, hook: Option<Hook>) {
        self.message(NEW_CHAIN, CREATE, table.family, |out| {
            attribute(out, 1, &text(table.name));
            attribute(out, 3, &text(name));
            let Some(hook) = hook else { return };
            nested(out, 4, |out| {
                attribute(out, 1, &hook.number.to_be_bytes());
                attribute(out, 2, &hook.priority.to_be_bytes());
            });
            attribute(out, 7, &text(hook.kind));
        });
    }

    /// Removes the rules of all chains of the table.
    fn flush(&mut self, table: Table<'_>) {
        self.message(DELETE_RULE, 0, table.family, |out| {
            attribute(out, 1, &text(table.name))
        });
    }

    fn rule(&mut self, table: Table<'_>, chain: &str, rule: &Rule) {
        self.put_rule(table, chain, rule, APPEND);
    }

    /// Adds a rule before the first of a chain.
    fn first_rule(&mut self, table: Table<'_>, chain: &str, rule: &Rule) {
        self.put_rule(table, chain, rule, 0);
    }

    fn put_rule(&mut self, table: Table<'_>, chain: &str, rule: &Rule, place: u16) {
        self.message(NEW_RULE, CREATE | place, table.family, |out| {
            attribute(out, 1, &text(table.name));
            attribute(out, 2, &text(chain));
            nested(out, 4, |out| out.extend_from_slice(rule.bytes()));
            if let Some(comment) = rule.comment() {
                attribute(out, 7, &user_comment(comment));
            }
        });
    }

    fn delete_rule(&mut self, table: Table<'_>, chain: &str, handle: &[u8]) {
        self.message(DELETE_RULE, 0, table.family, |out| {
            attribute(out, 1, &text(table.name));
            attribute(out, 2, &text(chain));
            attribute(out, 3, handle);
        });
    }

    fn map(&mut self, table: Table<'_>, name: &str, map: MapType) {
        let id = self.batch.len() as u32;
        self.message(NEW_SET, CREATE, table.family, |out| {
            attribute(out, 1, &text(table.name));
            attribute(out, 2, &text(name));
            attribute(out, 3, &SET_IS_MAP.to_be_bytes());
            attribute(out, 4, &map.key_type.to_be_bytes());
            attribute(out, 5, &map.key_length.to_be_bytes());
            attribute(out, 6, &map.value_type.to_be_bytes());
            attribute(out, 7, &map.value_length.to_be_bytes());
            attribute(out, 10, &id.to_be_bytes());
        });
    }

    fn add_elements(&mut self, table: Table<'_>, map: &str, elements: &[Element]) {
        self.elements(NEW_ELEMENTS, table, map, elements);
    }

    fn delete_elements(&mut self, table: Table<'_>, map: &str, elements: &[Element]) {
        self.elements(DELETE_ELEMENTS, table, map, elements);
    }

    fn elements(&mut self, kind: u16, table: Table<'_>, map: &str, elements: &[Element]) {
        for part in elements.chunks(ELEMENTS_A_MESSAGE) {
            self.message(
                kind,
                if kind == NEW_ELEMENTS { CREATE } else { 0 },
                table.family,
                |out| {
                    attribute(out, 1, &text(table.name));
                    attribute(out, 2, &text(map));
                    nested(out, 3, |out| {
                        part.iter()
                            .for_each(|element| put_element(out, element, kind == NEW_ELEMENTS));
                    });
                },
            );
        }
    }

    /// Applies the changes; the error is that of the first change refused.
    fn commit(
        mut self,
        socket: &mut Socket,
        action: &'static str,
        name: &str,
    ) -> Result<(), Error> {
        self.batch
            .push(BATCH_END, 0, |out| generic_header(out, 0, SUBSYSTEM >> 8));
        let outcome = socket
            .transact(&self.batch)
            .map_err(Error::system(action, name))?;
        outcome.map_err(|(_, refusal)| Error::Netlink {
            action,
            name: name.to_owned(),
            detail: refusal.text,
            source: io::Error::from_raw_os_error(refusal.errno),
        })
    }
}

/// The errno behind an error, if a netlink request was refused.
fn refused_with(error: &Error) -> Option<i32> {
    match error {
        Error::Netlink { source, .. } => source.raw_os_error(),
        _ => None,
    }
}

/// A list that is empty if its table, chain or map does not exist.
fn dump(
    socket: &mut Socket,
    kind: u16,
    family: Family,
    names: &[&str],
) -> Result<Vec<Vec<u8>>, Error> {
    let mut body = Vec::new();
    generic_header(&mut body, family as u8, 0);
    for (index, name) in names.iter().enumerate() {
        attribute(&mut body, index as u16 + 1, &text(name));
    }
    match socket.dump(kind, &body) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Vec::new()),
        dumped => dumped.map_err(Error::system(
            "list",
            names.first().copied().unwrap_or("nftables tables"),
        )),
    }
}

/// Names of all tables of the `inet` family.
fn tables(socket: &mut Socket) -> Result<Vec<String>, Error> {
    let messages = dump(socket, GET_TABLE, Family::Inet, &[])?;
    let name = |bytes: &Vec<u8>| find_attribute(bytes.get(HEADERS..)?, 1).map(read_text);
    Ok(messages.iter().filter_map(name).collect())
}

fn chain_exists(socket: &mut Socket, table: Table<'_>, chain: &str) -> Result<bool, Error> {
    let mut batch = Batch::default();
    batch.push(GET_CHAIN, libc::NLM_F_ACK as u16, |out| {
        generic_header(out, table.family as u8, 0);
        attribute(out, 1, &text(table.name));
        attribute(out, 3, &text(chain));
    });
    let answers = socket
        .exchange(&batch)
        .map_err(Error::system("look up chain", chain))?;
    match &answers[0].refusal {
        Some(refusal) if refusal.errno == libc::ENOENT => Ok(false),
        _ => Ok(answers[0].reply.is_some()),
    }
}

/// The entries of a map.
fn elements(socket: &mut Socket, table: Table<'_>, map: &str) -> Result<Vec<Element>, Error> {
    let messages = dump(socket, GET_ELEMENTS, table.family, &[table.name, map])?;
    let lists = messages
        .iter()
        .filter_map(|bytes| find_attribute(bytes.get(HEADERS..)?, 3));
    Ok(lists
        .flat_map(attributes)
        .filter_map(|(_, element)| read_element(element))
        .collect())
}

fn read_element(element: &[u8]) -> Option<Element> {
    let value = |kind| find_attribute(find_attribute(element, kind)?, DATA_VALUE);
    Some(Element {
        key: value(1)?.to_vec(),
        value: value(2).unwrap_or_default().to_vec(),
        comment: find_attribute(element, 6)
            .and_then(read_comment)
            .unwrap_or_default(),
    })
}

fn put_element(out: &mut Vec<u8>, element: &Element, whole: bool) {
    nested(out, LIST_ELEMENT, |out| {
        nested(out, 1, |out| attribute(out, DATA_VALUE, &element.key));
        if whole {
            nested(out, 2, |out| attribute(out, DATA_VALUE, &element.value));
            attribute(out, 6, &user_comment(&element.comment));
        }
    });
}

/// `struct nfgenmsg`.
fn generic_header(out: &mut Vec<u8>, family: u8, resource: u16) {
    out.extend_from_slice(&[family, 0]);
    out.extend_from_slice(&resource.to_be_bytes());
}

/// A comment as `nft` keeps it: type 0, length, text with its NUL.
fn user_comment(comment: &str) -> Vec<u8> {
    let fits = |(at, c): (usize, char)| at + c.len_utf8() <= 120;
    let end = comment
        .char_indices()
        .take_while(|place| fits(*place))
        .last();
    let end = end.map_or(0, |(at, c)| at + c.len_utf8());
    let mut bytes = vec![0, end as u8 + 1];
    bytes.extend(text(&comment[..end]));
    bytes
}

fn read_comment(bytes: &[u8]) -> Option<String> {
    let &[kind, length, ..] = bytes else {
        return None;
    };
    (kind == 0).then(|| bytes.get(2..2 + usize::from(length)).map(read_text))?
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn read_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches('\0')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_as_they_are_written() {
        let element = Element {
            key: vec![0, 0, 0, 0, 6, 0, 0, 0, 0x1f, 0x90, 0, 0],
            value: vec![172, 18, 0, 2, 0, 80, 0, 0],
            comment: "web".into(),
        };
        let mut out = Vec::new();
        put_element(&mut out, &element, true);
        let (_, inner) = attributes(&out).next().unwrap();
        assert_eq!(read_element(inner), Some(element));
    }

    #[test]
    fn long_comments_are_cut_at_a_character() {
        let comment = user_comment(&"ä".repeat(100));
        assert!(comment.len() <= 128);
        assert_eq!(read_comment(&comment).unwrap(), "ä".repeat(60));
        assert_eq!(read_comment(&[]), None);
    }
}
