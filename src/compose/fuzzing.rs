//! Doors for the fuzz targets in `fuzz/`: single stages, fed with any text. Nothing else calls them.

use super::LoadOptions;
use super::budget::Budget;
use super::diagnostic::Report;
use super::dotenv;
use super::interpolation;
use super::lengthen::lengthen;
use super::load;
use super::load_canonical;
use super::merge;
use super::merge::How;
use super::render;
use super::schema::DOCUMENT;
use super::yaml;
use super::yaml::Node;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Bytes of a canonical text that is read back. A range of ports in a few bytes stands for megabytes, which tell nothing new and
/// take seconds with a fuzzer's instruments in the way.
const READ_BACK: usize = 256 << 10;

/// YAML to trees.
pub fn parse_yaml(text: &str) -> usize {
    yaml::parse(text, 0, &mut Report::default()).len()
}

/// Variables of a text; its own text is the value of every other one.
pub fn substitute(text: &str) {
    let lookup = |name: &str| (name.len() % 2 == 1).then_some(text);
    let _ = interpolation::substitute(text, &lookup, Budget::default().text());
}

/// A `.env` file, in both forms.
pub fn parse_dotenv(text: &str) {
    let lookup = |name: &str| (name.len() % 2 == 1).then_some("value");
    let mut report = Report::default();
    let limits = (&mut report, &mut Budget::default());
    dotenv::parse(text, 0, &lookup, &mut dotenv::Variables::new(), limits);
    dotenv::parse_raw(text, 0, &lookup, &mut dotenv::Variables::new(), &mut report);
}

/// All documents of a text merged over one another.
pub fn merge_documents(text: &str) {
    let mut report = Report::default();
    let mut documents = yaml::parse(text, 0, &mut report).into_iter();
    let long = |mut node: Node, report: &mut Report| {
        lengthen(&mut node, &DOCUMENT, "", (report, &mut Budget::default()));
        node
    };
    let Some(first) = documents.next() else {
        return;
    };
    let first = long(first, &mut report);
    let mut merged = documents.fold(first, |base, over| {
        let over = long(over, &mut report);
        merge::documents(base, over, How::default(), &mut report)
    });
    merge::settle(&mut merged);
}

/// The whole way; what can run must print as YAML that loads as the same, and read back from its canonical text.
pub fn load_text(text: &str) {
    let mut options = LoadOptions::new(PathBuf::from("/nowhere/project"), BTreeMap::new());
    options.files = vec![PathBuf::from("-")];
    options.stdin = Some(text.as_bytes().to_vec());
    let loaded = match load(&options) {
        Ok(loaded) => loaded,
        Err(problems) => return drop(problems.render(false, 100)),
    };
    if loaded.runnable().is_err() {
        return;
    }
    let text = loaded.canonical.text();
    if text.len() > READ_BACK {
        return;
    }
    let canonical = load_canonical(&text, &[]);
    assert!(canonical.is_ok(), "the canonical text reads back");
    // A key is not interpolated, so its `$` would be doubled again; and what is off is not printed.
    if has_dollar_key(&loaded.canonical.root) || !loaded.canonical.disabled.is_empty() {
        return;
    }
    let json = render::json(&loaded.canonical);
    options.stdin = Some(render::yaml(&loaded.canonical).into_bytes());
    options.profiles = vec!["*".to_owned()];
    let again = load(&options).map(|again| render::json(&again.canonical));
    let again = again.map_err(|problems| problems.render(false, 100));
    assert_eq!(again, Ok(json), "the YAML reads back");
}

fn has_dollar_key(node: &Node) -> bool {
    let items = node.items().iter();
    let entries = node.entries();
    items.into_iter().any(has_dollar_key)
        || entries
            .into_iter()
            .any(|(key, entry)| key.contains('$') || has_dollar_key(&entry.value))
}
