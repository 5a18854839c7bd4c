//! How a value came to be, for the words beside its place.

use crate::compose::yaml::Node;
use crate::compose::yaml::Step;

/// The variables that a value is made of, in words.
pub fn variables(node: &Node) -> String {
    if node.history.steps().is_empty() {
        return String::new();
    }
    let names = node.history.steps().iter().find_map(|step| match step {
        Step::Variables(names, _) => Some(names),
        _ => None,
    });
    let names = names.into_iter().flatten().map(|name| format!("`{name}`"));
    names.collect::<Vec<_>>().join(", ")
}
