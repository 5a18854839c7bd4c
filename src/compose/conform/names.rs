//! Names that users choose.

use super::Conform;
use crate::compose::yaml::Entry;
use crate::id::ServiceName;

impl Conform<'_> {
    /// Checks a name that a user chose for something in a section.
    pub(super) fn name(&mut self, name: &str, entry: &mut Entry) {
        match &*self.path {
            "services" => self.service_name(name, entry),
            // Docker compose takes any name of a network.
            "volumes" | "secrets" | "configs" => self.resource_name(name, entry),
            _ => {}
        }
    }

    fn service_name(&mut self, name: &str, entry: &mut Entry) {
        if let Err(error) = ServiceName::new(name) {
            self.error("invalid-name", error.to_string(), entry.key);
            entry.value.spoil();
        }
    }

    fn resource_name(&mut self, name: &str, entry: &Entry) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(fits) {
            let message = format!("`{name}` cannot be a name in `{}`", self.path);
            self.error("invalid-name", message, entry.key)
                .hint("use letters, digits, `.`, `_` and `-`");
        }
    }
}
