//! `healthcheck`.

use super::context::Context;
use super::shape;
use crate::compose::model::HealthTest;
use crate::compose::model::Healthcheck;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;

/// Parses `healthcheck`.
pub fn parse(cx: &mut Context<'_>, node: &Node) -> Option<Healthcheck> {
    let mut check = Healthcheck::default();
    let mut disabled = false;
    cx.fields(node, &shape::HEALTHCHECK, |cx, key, node| match key {
        "test" => check.test = test(cx, node),
        "interval" => check.interval = cx.duration(node),
        "timeout" => check.timeout = cx.duration(node),
        "start_period" => check.start_period = cx.duration(node),
        "start_interval" => check.start_interval = cx.duration(node),
        "retries" => check.retries = cx.integer(node),
        _ => disabled = cx.boolean(node).unwrap_or_default(),
    });
    if disabled {
        check.test = Some(HealthTest::Disabled);
    }
    node.as_map().map(|_| check)
}

fn test(cx: &mut Context<'_>, node: &Node) -> Option<HealthTest> {
    if let Value::String(text) = &node.value {
        return Some(HealthTest::Shell(text.clone()));
    }
    let words = cx.texts(node);
    match words.split_first() {
        Some((kind, [])) if kind == "NONE" => Some(HealthTest::Disabled),
        Some((kind, arguments)) if kind == "CMD" && !arguments.is_empty() => {
            Some(HealthTest::Command(arguments.to_vec()))
        }
        Some((kind, [text])) if kind == "CMD-SHELL" => Some(HealthTest::Shell(text.clone())),
        _ => {
            let message = format!(
                "`{}` must start with `CMD`, `CMD-SHELL` or `NONE`, and say what to run",
                cx.path()
            );
            cx.report
                .error("invalid-value", message)
                .at(node.span)
                .hint("for example `[\"CMD\", \"curl\", \"-f\", \"http://localhost\"]`");
            None
        }
    }
}
