//! A project in the language of Mermaid, which many forges draw.

use super::ports;
use super::volumes;
use super::waits_for;
use crate::compose::model::Project;
use std::fmt::Write as _;

/// Draws the services of a project, their needs and their volumes. Names are numbers there, so that any can be drawn.
pub fn mermaid(project: &Project) -> String {
    let mut text = "flowchart LR\n".to_owned();
    let number = |name: &str| project.services.get_index_of(name);
    for (index, service) in project.services.values().enumerate() {
        let mut lines = vec![format!("<b>{}</b>", quoted(service.name.as_str()))];
        lines.push(quoted(&service.image));
        lines.extend(ports(service).iter().map(|port| quoted(port)));
        let _ = writeln!(text, "  s{index}[\"{}\"]", lines.join("<br/>"));
    }
    for (index, name) in project.volumes.keys().enumerate() {
        let _ = writeln!(text, "  v{index}[(\"{}\")]", quoted(name));
    }
    for (index, service) in project.services.values().enumerate() {
        for (need, dependency) in &service.depends_on {
            let Some(need) = number(need.as_str()) else {
                continue;
            };
            let _ = match waits_for(dependency.condition) {
                "" => writeln!(text, "  s{index} --> s{need}"),
                word => writeln!(text, "  s{index} -->|{word}| s{need}"),
            };
        }
        for (name, path) in volumes(service) {
            if let Some(volume) = project.volumes.get_index_of(name) {
                let path = quoted(path);
                let _ = writeln!(text, "  s{index} -.->|\"{path}\"| v{volume}");
            }
        }
    }
    text
}

/// Text between quotes.
fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '<' | '>' | '&' | '#' | '|' => format!("#{};", c as u32),
        c if c.is_control() => " ".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}
