//! The dependencies of a project as a tree of text.

use super::ports;
use super::volumes;
use super::waits_for;
use crate::compose::model::Project;
use crate::compose::model::Service;
use crate::id::ServiceName;
use indexmap::IndexMap;
use indexmap::IndexSet;

/// Draws who needs whom, then the networks and volumes with their users.
pub fn tree(project: &Project) -> String {
    let services = project.services.values();
    let needed: IndexSet<&ServiceName> = services.flat_map(|s| s.depends_on.keys()).collect();
    let roots = project.services.keys().filter(|it| !needed.contains(it));
    let mut tree = Tree {
        project,
        drawn: IndexSet::new(),
        text: format!("{}\n", project.name),
    };
    let roots: Vec<(&ServiceName, &str)> = roots.map(|root| (root, "")).collect();
    tree.branches("", &roots);
    let networks = services_by(project, |service| {
        service.networks.keys().map(String::as_str).collect()
    });
    let volumes = services_by(project, |service| {
        volumes(service).map(|(name, _)| name).collect()
    });
    tree.section("networks", &networks);
    tree.section("volumes", &volumes);
    tree.text
}

/// What services have, with those that have it.
fn services_by<'a>(
    project: &'a Project,
    of: impl Fn(&'a Service) -> Vec<&'a str>,
) -> IndexMap<&'a str, IndexSet<&'a str>> {
    let mut users: IndexMap<&str, IndexSet<&str>> = IndexMap::new();
    for service in project.services.values() {
        for name in of(service) {
            users.entry(name).or_default().insert(service.name.as_str());
        }
    }
    users
}

struct Tree<'a> {
    project: &'a Project,
    /// Services whose needs are drawn already.
    drawn: IndexSet<&'a ServiceName>,
    text: String,
}

impl<'a> Tree<'a> {
    fn branches(&mut self, indent: &str, names: &[(&'a ServiceName, &str)]) {
        for (index, (name, note)) in names.iter().enumerate() {
            let (fork, below) = match index + 1 == names.len() {
                true => ("└── ", "    "),
                false => ("├── ", "│   "),
            };
            self.text.push_str(&format!("{indent}{fork}{name}"));
            self.service(name, note);
            let Some(service) = self.project.services.get(name.as_str()) else {
                continue;
            };
            if self.drawn.insert(name) {
                let needs = service.depends_on.iter();
                let needs = needs.map(|(name, it)| (name, waits_for(it.condition)));
                self.branches(&format!("{indent}{below}"), &needs.collect::<Vec<_>>());
            }
        }
    }

    /// What is behind the name of a service.
    fn service(&mut self, name: &ServiceName, note: &str) {
        if !note.is_empty() {
            self.text.push_str(&format!(" ({note})"));
        }
        match self.project.services.get(name.as_str()) {
            None => self.text.push_str("  off"),
            Some(service) if self.drawn.contains(name) => {
                if !service.depends_on.is_empty() {
                    self.text.push_str("  …");
                }
            }
            Some(service) => {
                self.text.push_str(&format!("  {}", service.image));
                for port in ports(service) {
                    self.text.push_str(&format!("  {port}"));
                }
            }
        }
        self.text.push('\n');
    }

    fn section(&mut self, title: &str, users: &IndexMap<&str, IndexSet<&str>>) {
        if users.is_empty() {
            return;
        }
        self.text.push_str(&format!("\n{title}\n"));
        for (index, (name, services)) in users.iter().enumerate() {
            let fork = match index + 1 == users.len() {
                true => "└──",
                false => "├──",
            };
            let services: Vec<&str> = services.iter().copied().collect();
            let services = services.join(", ");
            self.text.push_str(&format!("{fork} {name}: {services}\n"));
        }
    }
}
