//! Where the value of a variable comes from.

use super::dotenv::Variable;
use super::dotenv::Variables;
use super::normalize::Environment;
use super::source::Span;

/// All variables of a load.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// What variables of the project's own files are replaced by.
    pub environment: Environment,
    /// Those that the project's `.env` files gave, with their places.
    pub(super) files: Variables,
    /// Those of the `.env` files of an `include`, by its place.
    pub(super) included: Vec<(Span, Variables)>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Nobody gave one.
    Unset,
    /// The caller's environment, or the loader itself.
    Environment(&'a str),
    /// A `.env` file.
    File(&'a Variable),
}

impl Origins {
    /// Where `name` comes from in what came in by `includes`, outermost first.
    pub fn of(&self, name: &str, includes: &[Span]) -> Origin<'_> {
        if let Some(variable) = self.files.get(name) {
            return Origin::File(variable);
        }
        if let Some(value) = self.environment.get(name) {
            return Origin::Environment(value);
        }
        let of_include = |place: &Span| {
            let mut found = self.included.iter().filter(|(span, _)| span == place);
            found.find_map(|(_, variables)| variables.get(name))
        };
        let found = includes.iter().find_map(of_include);
        found.map_or(Origin::Unset, Origin::File)
    }
}
