//! A project as a graph for Graphviz, in the words of docker compose.

use crate::compose::model::PortMapping;
use crate::compose::model::Project;
use crate::compose::model::Service;
use std::fmt::Write as _;

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Graph<'a> {
    /// Before each line inside.
    pub indent: &'a str,
    /// The networks of services.
    pub networks: bool,
    /// Their ports.
    pub ports: bool,
    /// Their images.
    pub image: bool,
}

/// Draws the services of a project in the language of Graphviz.
pub fn dot(project: &Project, graph: &Graph<'_>) -> String {
    let indent = graph.indent;
    let mut text = format!(
        "digraph {:?} {{\n{indent}layout=dot;\n",
        project.name.as_str()
    );
    for service in project.services.values() {
        let _ = writeln!(text, "{indent}{}", node(service, graph));
    }
    text.push('\n');
    for service in project.services.values() {
        for dependency in service.depends_on.keys() {
            let (from, to) = (service.name.as_str(), dependency.as_str());
            let _ = writeln!(text, "{indent}{from:?} -> {to:?};");
        }
    }
    text.push_str("}\n");
    text
}

/// `"web" [style="filled" label=<…>];`
fn node(service: &Service, graph: &Graph<'_>) -> String {
    let mut label = format!("<font point-size=\"15\">{}</font>", service.name);
    let mut add = |title: &str, lines: &[String]| {
        if !lines.is_empty() {
            let _ = write!(
                label,
                "<font point-size=\"10\"><br/><br/><b>{title}:</b><br/>{}</font>",
                lines.join("<br/>")
            );
        }
    };
    if graph.networks {
        let networks: Vec<String> = service.networks.keys().map(|key| escaped(key)).collect();
        add("Networks", &networks);
    }
    if graph.ports {
        let ports: Vec<String> = service.ports.iter().map(port).collect();
        add("Ports", &ports);
    }
    if graph.image {
        add("Image", &[escaped(&service.image)]);
    }
    format!(
        "{:?} [style=\"filled\" label=<{label}>];",
        service.name.as_str()
    )
}

/// `127.0.0.1:8080:80 (tcp, ingress)`
fn port(port: &PortMapping) -> String {
    let host = port.host_ip.map_or(String::new(), |ip| format!("{ip}:"));
    let (published, protocol) = (super::published(port), super::protocol(port));
    format!("{host}{published}:{} ({protocol}, ingress)", port.target)
}

/// Text within HTML or SVG.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
