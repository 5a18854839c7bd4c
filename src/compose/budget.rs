//! How large a project may become beyond its text: a range of ports, a service that a thousand others extend, or a file
//! that is included again and again make much of a few bytes.

use super::diagnostic::Report;
use super::source::Span;

/// Most values of one load, short forms and `extends` written out: ten thousand ordinary services have half of that.
const MOST: usize = 1_500_000;

/// What is left of it.
#[derive(Debug)]
pub struct Budget {
    left: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: MOST }
    }
}

impl Budget {
    /// Takes so many values; `false`, and an error the first time, if they are not left.
    pub fn take(&mut self, values: usize, at: Span, report: &mut Report) -> bool {
        if self.left > 0 && self.left <= values {
            report
                .error("too-many-values", format!("more than {MOST} values"))
                .at(at)
                .label("written out up to here")
                .hint("ranges of ports, `extends` and `include` may make much of little: let less be repeated");
        }
        self.left = self.left.saturating_sub(values);
        self.left > 0
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }
}
