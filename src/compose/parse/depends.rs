//! `depends_on` and `links`.

use super::context::Context;
use super::service::Draft;
use super::service::Target;
use super::shape;
use crate::compose::model::Condition;
use crate::compose::model::Dependency;
use crate::compose::source::Span;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use crate::id::ServiceName;

/// What a bare name in `depends_on` means.
pub const STARTED: Dependency = Dependency {
    condition: Condition::Started,
    required: true,
    restart: false,
};

/// Parses `depends_on`: a list of names, or a map of conditions.
pub fn depends_on(cx: &mut Context<'_>, draft: &mut Draft, node: &Node) {
    if !cx.list_or_mapping(node) {
        return;
    }
    if let Value::List(_) = node.value {
        cx.items(node, |cx, item| {
            if let Some(name) = cx.text(item) {
                add(cx, draft, &name, item.span, STARTED);
            }
        });
        return;
    }
    cx.entries(node, |cx, name, entry| {
        let mut dependency = STARTED;
        let mut conditioned = false;
        cx.fields(
            &entry.value,
            &shape::DEPENDENCY,
            |cx, key, node| match key {
                "condition" => {
                    conditioned = true;
                    if let Some(condition) = condition(cx, node) {
                        dependency.condition = condition;
                    }
                }
                "required" => dependency.required = cx.boolean(node).unwrap_or(true),
                _ => dependency.restart = cx.boolean(node).unwrap_or(false),
            },
        );
        if entry.value.as_map().is_some() && !conditioned {
            cx.invalid(entry.key, "`condition` is missing");
        }
        add(cx, draft, name, entry.key, dependency);
    });
}

fn condition(cx: &mut Context<'_>, node: &Node) -> Option<Condition> {
    cx.one_of(
        node,
        &[
            ("service_started", Condition::Started),
            ("service_healthy", Condition::Healthy),
            ("service_completed_successfully", Condition::Completed),
        ],
    )
}

fn add(cx: &mut Context<'_>, draft: &mut Draft, name: &str, span: Span, dependency: Dependency) {
    match ServiceName::new(name) {
        Ok(service) => {
            draft.refer(Target::Dependency, name, span);
            draft.service.depends_on.insert(service, dependency);
        }
        Err(error) => cx.invalid(span, error.to_string()),
    }
}

/// Parses `links`: `SERVICE` or `SERVICE:ALIAS`.
pub fn links(cx: &mut Context<'_>, draft: &mut Draft, node: &Node) {
    cx.items(node, |cx, item| {
        let Some(text) = cx.text(item) else {
            return;
        };
        let (name, alias) = text.split_once(':').unwrap_or((&text, &text));
        draft.refer(Target::Service, name, item.span);
        match ServiceName::new(name) {
            Ok(service) => {
                let link = (service, alias.to_owned());
                if !draft.service.links.contains(&link) {
                    draft.service.links.push(link);
                }
            }
            Err(error) => cx.invalid(item.span, error.to_string()),
        }
    });
}
