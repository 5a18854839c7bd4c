//! Items of a list that are the same thing: the later one wins at the earlier place.

use crate::compose::schema::Same;
use crate::compose::source::Span;
use crate::compose::yaml::Node;
use crate::compose::yaml::Step;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What each item is about; nothing if no two can be the same.
pub fn identities(items: &[Node], same: Same) -> Vec<Option<String>> {
    match items.len() < 2 || matches!(same, Same::Never | Same::Distinct) {
        true => Vec::new(),
        false => items.iter().map(|item| identity(item, same)).collect(),
    }
}

/// Removes repetitions.
pub fn fold(items: &mut Vec<Node>, identities: Vec<Option<String>>) {
    if identities.is_empty() {
        return;
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(items.len());
    for (mut item, identity) in items.drain(..).zip(identities) {
        let Some(identity) = identity else {
            kept.push(item);
            continue;
        };
        match places.entry(identity) {
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(item);
            }
            Entry::Occupied(place) => {
                let old = &mut kept[*place.get()];
                let (span, history) = (old.span, std::mem::take(&mut old.history));
                if span != item.span {
                    item.history.over(history, span);
                }
                *old = item;
            }
        }
    }
    *items = kept;
}

/// What an item is about; `None` = it stands for itself.
fn identity(item: &Node, same: Same) -> Option<String> {
    match same {
        Same::Never | Same::Distinct => None,
        Same::Equal => item.scalar(),
        Same::BeforeEquals => {
            let text = item.as_str()?;
            Some(text.split('=').next().unwrap_or(text).to_owned())
        }
        Same::Key(key) => item.get(key)?.scalar(),
        Same::Target(folder) => {
            let target = item.text_at("target").map(str::to_owned);
            target.or_else(|| Some(format!("{folder}{}", item.text_at("source")?)))
        }
        Same::Port => {
            let at = |key: &str| item.get(key).and_then(Node::scalar).unwrap_or_default();
            let ip = match at("host_ip") {
                ip if ip.is_empty() => "0.0.0.0".to_owned(),
                ip => ip,
            };
            let target = item.get("target")?.scalar()?;
            Some(format!(
                "{ip}:{}:{target}/{}",
                at("published"),
                at("protocol")
            ))
        }
    }
}

/// The places of the first item that is there twice.
pub fn repeated(items: &[Node]) -> Option<(Span, Span)> {
    let mut seen: HashMap<(String, &str), Span> = HashMap::new();
    items.iter().find_map(|item| {
        // The number 1 and the text "1" are two things.
        let first = seen.insert((item.scalar()?, item.kind()), item.span)?;
        // An alias that is used twice has one place only.
        let alias = item.history.steps().iter().find_map(|step| match step {
            Step::Alias(span) => Some(*span),
            _ => None,
        });
        Some((first, alias.unwrap_or(item.span)))
    })
}
