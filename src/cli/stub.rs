//! Stands in for verbs of the engine that land later in this session.
#![allow(missing_docs)]
use crate::engine::Engine;
use crate::engine::Error;
use crate::engine::Exec;
use crate::id::Digest;
use crate::id::ProjectName;
use crate::state::event::Event;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logs {
    pub services: Vec<String>,
    pub follow: bool,
    pub tail: Option<usize>,
    pub since: Option<i64>,
    pub until: Option<i64>,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    pub container: &'a str,
    pub service: &'a str,
    pub number: u32,
    pub time: i64,
    pub stream: Stream,
    pub bytes: &'a [u8],
}
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attached<'a> {
    Line(LogLine<'a>),
    Event(&'a Event),
}
pub fn logs(
    _: &Engine,
    _: &ProjectName,
    _: &Logs,
    _: Option<BorrowedFd<'_>>,
    _: &mut dyn FnMut(&LogLine<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    Err(Error::NotRoot)
}
pub fn follow(
    _: &Engine,
    _: &ProjectName,
    _: &[String],
    _: i64,
    _: Option<BorrowedFd<'_>>,
    _: &mut dyn FnMut(Attached<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    Err(Error::NotRoot)
}
#[derive(Debug)]
pub struct ExecSession {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    pub pty: Option<OwnedFd>,
    control: OwnedFd,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEvent {
    Exited(i32),
}
pub fn exec(_: &Engine, _: &ProjectName, _: Exec) -> Result<ExecSession, Error> {
    Err(Error::NotRoot)
}
impl ExecSession {
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
    pub fn next(&mut self) -> Result<Option<ExecEvent>, Error> {
        Ok(None)
    }
    pub fn resize(&mut self, _: u16, _: u16) -> Result<(), Error> {
        Ok(())
    }
    pub fn signal(&mut self, _: i32) -> Result<(), Error> {
        Ok(())
    }
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSummary {
    pub id: Digest,
    pub names: Vec<String>,
    pub created: Option<jiff::Timestamp>,
    pub size: u64,
}
pub fn images(_: &Engine) -> Result<Vec<ImageSummary>, Error> {
    Ok(vec![])
}
pub fn rmi(_: &Engine, _: &[String], _: bool) -> Result<Vec<String>, Error> {
    Ok(vec![])
}
pub fn load(_: &Engine, _: &mut (dyn Read + Send)) -> Result<Vec<String>, Error> {
    Ok(vec![])
}
pub fn import(
    _: &Engine,
    _: &mut (dyn Read + Send),
    _: Option<&str>,
    _: &[String],
) -> Result<String, Error> {
    Ok(String::new())
}
pub fn tag(_: &Engine, _: &str, _: &str) -> Result<(), Error> {
    Ok(())
}
