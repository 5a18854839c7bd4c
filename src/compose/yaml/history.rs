//! How a value came to be where it is, for `config --explain` and for the second place of a diagnostic.
//!
//! Nearly all values come straight from their place and pay nothing but an empty pointer.

use super::super::source::Span;

/// How many values are remembered over which one stands: a hostile file merges a value thousands of times.
const MOST: usize = 8;

/// The steps of a value on its way, the last one last.
#[derive(Debug, Clone, Default)]
pub struct History(Option<Box<Way>>);

#[derive(Debug, Clone)]
struct Way {
    steps: Vec<Step>,
}

/// One thing that happened to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It was written at an anchor; this is the alias.
    Alias(Span),
    /// It was made of a text with these variables.
    Variables(Vec<String>, String),
    /// It replaced, or was merged over, what stands here.
    Over(Span),
    /// It came into a service by an `extends` that stands here.
    Extends(Span),
    /// It came into the project by an `include` that stands here.
    Include(Span),
    /// It was read from a file that is named here.
    File(Span),
    /// It was given in another way than in a file: this one.
    Given(&'static str),
    /// Nobody wrote it: it is a default.
    Default,
}

impl Step {
    /// Where the value was taken from elsewhere, and how.
    pub fn detour(&self) -> Option<(Span, &'static str)> {
        match self {
            Self::Alias(span) => Some((*span, "used here")),
            Self::Extends(span) => Some((*span, "extended here")),
            Self::Include(span) => Some((*span, "included here")),
            Self::Variables(..) | Self::Over(_) => None,
            // A problem in a file leads to where that is named, all the same.
            Self::File(_) | Self::Given(_) | Self::Default => None,
        }
    }
}

impl History {
    /// Adds a step.
    pub fn add(&mut self, step: Step) {
        match &mut self.0 {
            Some(way) => way.steps.push(step),
            // One is nearly always all: no room is made for more.
            None => {
                let steps = vec![step];
                self.0 = Some(Box::new(Way { steps }));
            }
        }
    }

    /// Adds the place of an earlier value over which this one stands now, and of those that it stood over.
    pub fn over(&mut self, earlier: History, span: Span) {
        let mut steps = earlier.0.map(|way| way.steps).unwrap_or_default();
        steps.retain(|step| matches!(step, Step::Over(_)));
        steps.push(Step::Over(span));
        steps.drain(..steps.len().saturating_sub(MOST));
        steps.extend(self.0.take().map(|way| way.steps).unwrap_or_default());
        self.0 = Some(Box::new(Way { steps }));
    }

    /// Adds the detours of what it was in until now.
    pub fn inherit(&mut self, outer: &History) {
        let detours = outer.steps().iter().filter(|step| step.detour().is_some());
        detours.for_each(|step| self.add(step.clone()));
    }

    /// The last detour.
    pub fn detour(&self) -> Option<(Span, &'static str)> {
        self.steps().iter().rev().find_map(Step::detour)
    }

    /// All steps.
    pub fn steps(&self) -> &[Step] {
        self.0.as_deref().map_or(&[], |way| &way.steps)
    }
}

/// Two values are the same whatever way they came.
impl PartialEq for History {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
