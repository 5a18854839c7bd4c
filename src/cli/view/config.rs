//! The variables of a project, as docker compose lists them.

use crate::cli::args::ConfigFormat;
use crate::compose::Variable;
use serde_json::json;
use std::collections::BTreeMap;

/// A table; or, if that is asked for, JSON or YAML with docker's names of fields.
pub fn variables(all: &BTreeMap<String, Variable>, format: Option<ConfigFormat>) -> String {
    match format {
        Some(ConfigFormat::Json) => {
            let fields = all.iter().map(|(name, it)| {
                let fields = json!({
                    "Name": name,
                    "DefaultValue": it.default,
                    "PresenceValue": it.alternate,
                    "Required": it.required,
                });
                (name.clone(), fields)
            });
            let object = serde_json::Value::Object(fields.collect());
            format!("{object:#}\n")
        }
        Some(ConfigFormat::Yaml) => all
            .iter()
            .map(|(name, it)| {
                format!(
                    "{name}:\n    name: {name}\n    defaultvalue: {:?}\n    presencevalue: {:?}\n    required: {}\n",
                    it.default, it.alternate, it.required
                )
            })
            .collect(),
        _ => table(all),
    }
}

fn table(all: &BTreeMap<String, Variable>) -> String {
    let head = ["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"].map(str::to_owned);
    let row = |(name, it): (&String, &Variable)| {
        [
            name.clone(),
            it.required.to_string(),
            it.default.clone(),
            it.alternate.clone(),
        ]
    };
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(all.iter().map(row)).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count() + 3);
        cells.max().unwrap_or(0).max(20)
    };
    let widths = [0, 1, 2].map(width);
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            text.push_str(&format!("{cell:<width$}"));
        }
        text.push_str(&row[3]);
        text.push('\n');
    }
    text
}
