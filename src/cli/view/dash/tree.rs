//! Who needs whom, as a tree: what nobody needs first, below each what it needs.

use super::Needs;
use std::collections::BTreeSet;

/// One line of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// What leads to it from above.
    pub lead: String,
    /// The service.
    pub service: String,
    /// What of it is waited for (`healthy`, `completed`).
    pub condition: &'static str,
    /// It was shown before, with what it needs.
    pub again: bool,
}

/// The lines of a project.
pub fn lines(needs: &Needs, unicode: bool) -> Vec<Branch> {
    let needed: BTreeSet<&str> = needs
        .0
        .iter()
        .flat_map(|(_, of)| of)
        .map(|(name, _)| name.as_str())
        .collect();
    let mut tree = Tree {
        needs,
        unicode,
        shown: BTreeSet::new(),
        lines: Vec::new(),
    };
    for (service, _) in &needs.0 {
        if !needed.contains(service.as_str()) {
            tree.below("", "", (service, ""));
        }
    }
    tree.lines
}

struct Tree<'a> {
    needs: &'a Needs,
    unicode: bool,
    shown: BTreeSet<&'a str>,
    lines: Vec<Branch>,
}

impl<'a> Tree<'a> {
    /// A service, `lead` in front of its line and `under` in front of those below.
    fn below(&mut self, lead: &str, under: &str, (service, condition): (&'a str, &'static str)) {
        let found = self.needs.0.iter().find(|(name, _)| name == service);
        let needs = found.map_or(&[][..], |(_, needs)| needs);
        let again = !self.shown.insert(service) && !needs.is_empty();
        self.lines.push(Branch {
            lead: lead.to_owned(),
            service: service.to_owned(),
            condition,
            again,
        });
        if again {
            return;
        }
        for (at, (name, condition)) in needs.iter().enumerate() {
            let (branch, trunk) = match (at + 1 == needs.len(), self.unicode) {
                (true, true) => ("└─ ", "   "),
                (false, true) => ("├─ ", "│  "),
                (true, false) => ("`- ", "   "),
                (false, false) => ("|- ", "|  "),
            };
            self.below(
                &format!("{under}{branch}"),
                &format!("{under}{trunk}"),
                (name, condition),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(list: &[(&str, &[&str])]) -> Needs {
        let list = list.iter().map(|(name, all)| {
            let all = all.iter().map(|name| ((*name).to_owned(), "healthy"));
            ((*name).to_owned(), all.collect())
        });
        Needs(list.collect())
    }

    #[test]
    fn what_is_needed_twice_is_written_out_once() {
        let needs = needs(&[
            ("web", &["api", "db"]),
            ("api", &["db"]),
            ("db", &["disk"]),
            ("disk", &[]),
            ("alone", &[]),
        ]);
        let text: Vec<String> = lines(&needs, true)
            .iter()
            .map(|line| {
                format!(
                    "{}{}{}",
                    line.lead,
                    line.service,
                    if line.again { " *" } else { "" }
                )
            })
            .collect();
        assert_eq!(
            text,
            [
                "web",
                "├─ api",
                "│  └─ db",
                "│     └─ disk",
                "└─ db *",
                "alone"
            ]
        );
        assert_eq!(lines(&needs, false)[1].lead, "|- ");
    }
}
