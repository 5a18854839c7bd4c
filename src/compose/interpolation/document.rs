//! All text values of a document.

use super::Lookup;
use super::Problem;
use super::Substituted;
use super::Unset;
use super::place::Places;
use super::template::substitute;
use crate::compose::budget::Budget;
use crate::compose::diagnostic::Report;
use crate::compose::source::Finder;
use crate::compose::source::SourceMap;
use crate::compose::source::Span;
use crate::compose::yaml::Node;
use crate::compose::yaml::Step;
use crate::compose::yaml::Value;

/// Interpolates every text value of a document, as long as the budget lasts.
pub fn interpolate(
    node: &mut Node,
    lookup: Lookup<'_>,
    sources: &SourceMap,
    (report, budget): (&mut Report, &mut Budget),
) {
    let finder = Finder::new(sources);
    let mut document = Document {
        lookup,
        finder,
        report,
        room: budget.text(),
    };
    document.sections(node);
}

struct Document<'a, 'l> {
    lookup: Lookup<'l>,
    finder: Finder<'a>,
    report: &'a mut Report,
    /// How many bytes values may still have.
    room: &'a mut usize,
}

impl Document<'_, '_> {
    fn sections(&mut self, node: &mut Node) {
        let Some(map) = node.map_mut() else {
            return self.below(node);
        };
        for (section, entry) in map.iter_mut() {
            let services = match section.as_str() {
                "services" => entry.value.map_mut(),
                _ => None,
            };
            let Some(services) = services else {
                self.below(&mut entry.value);
                continue;
            };
            for (name, entry) in services.iter_mut() {
                self.report.scope = Some(name.clone());
                self.below(&mut entry.value);
            }
            self.report.scope = None;
        }
    }

    fn below(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::String(text) if text.contains('$') => match self.text(text, node.span) {
                Some(done) => {
                    let written = std::mem::replace(text, done.text);
                    if !done.used.is_empty() {
                        node.history.add(Step::Variables(done.used, written));
                    }
                }
                None => node.spoil(),
            },
            Value::List(items) => {
                for item in items {
                    self.below(item);
                }
            }
            Value::Map(map) => {
                for entry in map.values_mut() {
                    self.below(&mut entry.value);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, span: Span) -> Option<Substituted> {
        let mut result = match substitute(text, self.lookup, self.room) {
            Ok(done) if done.unset.is_empty() => return Some(done),
            result => result,
        };
        if !self.report.is_full() {
            let places = Places::new(text, span, &mut self.finder);
            let unset = match &mut result {
                Ok(done) => &mut done.unset,
                Err(refused) => &mut refused.unset,
            };
            self.unset(std::mem::take(unset), &places);
            if let Err(refused) = &result {
                self.problems(&refused.problems, &places);
            }
        }
        result.ok()
    }

    fn unset(&mut self, unset: Vec<Unset>, places: &Places<'_>) {
        for (name, range) in unset {
            let message = format!("variable `{name}` is not set, an empty text is used instead");
            self.report
                .warning("unset-variable", message)
                .at(places.of(&range))
                .hint(format!("set it, or write `${{{name}:-default}}`"));
        }
    }

    fn problems(&mut self, problems: &[Problem], places: &Places<'_>) {
        for problem in problems {
            self.report
                .error(problem.kind.code(), problem.kind.message())
                .at(places.of(&problem.range))
                .hint(problem.kind.hint());
        }
    }
}
