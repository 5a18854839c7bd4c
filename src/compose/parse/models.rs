//! `models`: a service learns where the models it uses answer. Nothing here runs a model: the user says where one runs.

use super::context::Context;
use crate::compose::model::Service;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Node;

/// Reads the models of a service: two variables each, as docker compose names them, unless `environment` has them.
pub fn environment(cx: &mut Context<'_>, service: &mut Service, node: &Node) {
    cx.entries(node, |cx, name, entry| {
        let models = cx.canonical.root.get("models");
        // A model that is not declared was reported where references are checked.
        let Some(model) = models.and_then(|models| models.get(name)) else {
            return;
        };
        let Some(endpoint) = endpoint(model) else {
            let message = format!("`{}`: nothing says where model `{name}` answers", cx.path());
            cx.report
                .error("unsupported", message)
                .at(entry.key)
                .hint(format!("hoist runs no models: run it elsewhere, and give `models.{name}` an `x-hoist: {{endpoint: URL}}`"));
            return;
        };
        let reference = model.text_at("model").unwrap_or_default();
        for (key, suffix, value) in [
            ("endpoint_var", "URL", endpoint),
            ("model_var", "MODEL", reference),
        ] {
            let variable = variable(name, entry, key, suffix);
            let set = service.environment.entry(variable);
            set.or_insert_with(|| Some(value.to_owned()));
        }
    });
}

/// Where a model answers, by our extension.
pub fn endpoint(model: &Node) -> Option<&str> {
    model.get("x-hoist")?.text_at("endpoint")
}

fn variable(name: &str, entry: &Entry, key: &str, suffix: &str) -> String {
    let given = entry.value.text_at(key).map(str::to_owned);
    given.unwrap_or_else(|| format!("{}_{suffix}", name.to_uppercase().replace('-', "_")))
}
