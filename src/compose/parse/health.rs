//! `healthcheck`.

use super::context::Context;
use crate::compose::model::HealthTest;
use crate::compose::model::Healthcheck;
use crate::compose::model::NativeTest;
use crate::compose::yaml::Node;

/// Reads `healthcheck`.
pub fn read(cx: &mut Context<'_>, node: &Node) -> Option<Healthcheck> {
    let mut check = Healthcheck::default();
    let mut disabled = false;
    cx.fields(node, |cx, key, node| match key {
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
    let words = cx.texts(node);
    let (kind, arguments) = words.split_first()?;
    match kind.as_str() {
        "NONE" => Some(HealthTest::Disabled),
        "CMD" | "CMD-SHELL" if arguments.is_empty() => {
            cx.invalid(node.span, format!("`{kind}` needs something to run"));
            None
        }
        kind if NativeTest::is_kind(kind) => match NativeTest::parse(&words) {
            Ok(test) => Some(HealthTest::Native(test)),
            Err(problem) => {
                cx.invalid(node.span, problem);
                None
            }
        },
        "CMD" => Some(HealthTest::Command(arguments.to_vec())),
        // Docker gives the shell the first text and ignores the others.
        _ => arguments.first().cloned().map(HealthTest::Shell),
    }
}
