//! What becomes of the problems of a load: they stop it, they stop `up`, or they are only told.
//!
//! Problems of services that nobody asked for, and of what these alone use, are told and stop nothing.

use super::canonical::Canonical;
use super::clash;
use super::diagnostic::Diagnostic;
use super::diagnostic::Diagnostics;
use super::diagnostic::Report;
use super::diagnostic::Severity;
use super::source::Span;
use super::support;
use super::tree::Forest;
use super::used;
use super::yaml::Node;
use std::collections::HashSet;

/// The canonical tree, and the names of the services that are wanted.
pub type Found = (Canonical, HashSet<String>);

impl Forest<'_> {
    /// Finds what cannot run here.
    pub fn judge(&mut self, found: &Found, unrunnable: &mut Report) {
        support::check(&found.0.root, unrunnable);
        clash::check(&found.0.root, unrunnable);
        self.soften(found, unrunnable);
    }

    /// Problems of what nobody asked for become warnings.
    pub fn soften(&mut self, (canonical, wanted): &Found, unrunnable: &mut Report) {
        if unrunnable.is_empty() && self.report.is_empty() {
            return;
        }
        let spoilt = spoilt(&canonical.root, wanted);
        let unused = unused(&canonical.root, wanted);
        let is_elsewhere = |problem: &Diagnostic| match (&problem.service, problem.primary) {
            (Some(service), Some(at)) => !wanted.contains(service) && !spoils(&spoilt, at),
            (Some(service), None) => !wanted.contains(service),
            (None, at) => at.is_some_and(|at| unused.contains(&at)),
        };
        for report in [unrunnable, &mut self.report] {
            report.soften(is_elsewhere);
        }
    }

    /// Warnings, and what cannot run; or all of it, if there is an error.
    pub fn settle(
        &mut self,
        unrunnable: Report,
    ) -> Result<(Vec<Diagnostic>, Vec<Diagnostic>), Diagnostics> {
        if self.report.has_errors() {
            return Err(self.refuse(unrunnable));
        }
        let (errors, warnings): (Vec<_>, Vec<_>) = unrunnable
            .into_sorted(&self.sources)
            .into_iter()
            .partition(|problem| problem.severity == Severity::Error);
        let mut report = std::mem::take(&mut self.report);
        report.extend(warnings);
        Ok((report.into_sorted(&self.sources), errors))
    }

    /// All that was found.
    pub fn refuse(&mut self, unrunnable: Report) -> Diagnostics {
        let sources = std::mem::take(&mut self.sources);
        let mut report = std::mem::take(&mut self.report);
        report.extend(unrunnable.into_sorted(&sources));
        let list = report.into_sorted(&sources);
        Diagnostics { list, sources }
    }
}

/// Whether a place is in one of the broken values.
fn spoils(spoilt: &HashSet<Span>, at: Span) -> bool {
    spoilt
        .iter()
        .any(|span| span.source == at.source && span.start <= at.start && at.end <= span.end)
}

/// The places of what no service uses that is wanted.
fn unused(root: &Node, wanted: &HashSet<String>) -> HashSet<Span> {
    fn below(node: &Node, found: &mut HashSet<Span>) {
        found.insert(node.span);
        node.items().iter().for_each(|item| below(item, found));
        for (_, entry) in node.entries() {
            found.insert(entry.key);
            below(&entry.value, found);
        }
    }
    let used = used::uses(root, |service| wanted.contains(service));
    let (mut needed, mut unused) = (HashSet::new(), HashSet::new());
    for section in used::SECTIONS {
        for (key, entry) in root.get(section).into_iter().flat_map(Node::entries) {
            let found = match used.contains(&(section, key.clone())) {
                true => &mut needed,
                false => &mut unused,
            };
            found.insert(entry.key);
            below(&entry.value, found);
        }
    }
    // An anchor may stand in both.
    unused.retain(|place| !needed.contains(place));
    unused
}

/// The places of broken values in services that are wanted: they may have been broken in another one.
fn spoilt(root: &Node, wanted: &HashSet<String>) -> HashSet<Span> {
    fn below(node: &Node, found: &mut HashSet<Span>) {
        if node.is_broken() {
            found.insert(node.span);
        }
        node.items().iter().for_each(|item| below(item, found));
        node.entries()
            .for_each(|(_, entry)| below(&entry.value, found));
    }
    let mut found = HashSet::new();
    for (name, entry) in root.get("services").into_iter().flat_map(Node::entries) {
        if wanted.contains(name) {
            below(&entry.value, &mut found);
        }
    }
    found
}
