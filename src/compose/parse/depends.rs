//! `depends_on` and `links`.

use super::context::Context;
use crate::compose::model::Condition;
use crate::compose::model::Dependency;
use crate::compose::model::Service;
use crate::compose::yaml::Node;
use crate::id::ServiceName;

/// Reads `depends_on`.
pub fn depends_on(cx: &mut Context<'_>, service: &mut Service, node: &Node) {
    cx.entries(node, |cx, name, entry| {
        let mut dependency = Dependency {
            condition: Condition::Started,
            required: true,
            restart: false,
        };
        cx.fields(&entry.value, |cx, key, node| match key {
            "condition" => {
                dependency.condition = match node.as_str() {
                    Some("service_healthy") => Condition::Healthy,
                    Some("service_completed_successfully") => Condition::Completed,
                    _ => Condition::Started,
                };
            }
            "required" => dependency.required = cx.boolean(node).unwrap_or(true),
            _ => dependency.restart = cx.boolean(node).unwrap_or(false),
        });
        // One that is off and not required is no dependency.
        if !dependency.required && cx.canonical.service(name).is_none() {
            return;
        }
        match ServiceName::new(name) {
            Ok(name) => drop(service.depends_on.insert(name, dependency)),
            Err(error) => cx.invalid(entry.key, error.to_string()),
        }
    });
}

/// Reads `links`: `SERVICE` or `SERVICE:ALIAS`.
pub fn links(cx: &mut Context<'_>, service: &mut Service, node: &Node) {
    cx.items(node, |cx, item| {
        let Some(text) = cx.text(item) else {
            return;
        };
        let (name, alias) = text.split_once(':').unwrap_or((&text, &text));
        match ServiceName::new(name) {
            Ok(name) => service.links.push((name, alias.to_owned())),
            Err(error) => cx.invalid(item.span, error.to_string()),
        }
    });
}
