//! Command lines.

use super::Lengthen;
use crate::compose::parse::values;
use crate::compose::source::Span;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;

/// A text as its words; what a shell would have to do is left out with a warning, as docker compose does silently.
pub fn words(walk: &mut Lengthen<'_>, node: &mut Node) {
    let Value::String(text) = &node.value else {
        return;
    };
    match values::words(text) {
        Ok((words, operator)) => {
            if let Some(operator) = operator {
                let message = format!(
                    "`{}` is not run by a shell: `{operator}` and what follows is left out",
                    walk.path
                );
                walk.report
                    .warning("shell-operator", message)
                    .at(node.span)
                    .hint("run a shell: `[\"sh\", \"-c\", \"…\"]`, or put the operator in quotes");
            }
            node.value = split(words, node.span);
        }
        Err(problem) => {
            walk.invalid(node.span, problem);
            node.spoil();
        }
    }
}

/// Words as a list, all at one place.
pub fn split(words: Vec<String>, span: Span) -> Value {
    Value::List(
        words
            .into_iter()
            .map(|word| Node::text(word, span))
            .collect(),
    )
}

/// A text is what a shell runs.
pub fn test(node: &mut Node) {
    if let Value::String(text) = &node.value {
        node.value = split(vec!["CMD-SHELL".to_owned(), text.clone()], node.span);
    }
}
