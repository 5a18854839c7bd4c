//! How large a project may become beyond its text: a range of ports, a service that a thousand others extend, a file that
//! is included again and again, or a variable that is made of ten others make much of a few bytes.

use super::diagnostic::Report;
use super::source::Span;

/// Most values of one load, short forms and `extends` written out: ten thousand ordinary services have half of that.
const MOST: usize = 1_500_000;

/// Most bytes that variables, `extends` and files that are read again add to what is written.
pub const MOST_TEXT: usize = 32 * 1024 * 1024;

/// What is left of it.
#[derive(Debug)]
pub struct Budget {
    values: usize,
    text: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            values: MOST,
            text: MOST_TEXT,
        }
    }
}

impl Budget {
    /// Takes so many values; `false`, and an error the first time, if they are not left.
    pub fn take(&mut self, values: usize, at: Span, report: &mut Report) -> bool {
        if self.values > 0 && self.values <= values {
            report
                .error("too-many-values", format!("more than {MOST} values"))
                .at(at)
                .label("written out up to here")
                .hint("ranges of ports, `extends` and `include` may make much of little: let less be repeated");
        }
        self.values = self.values.saturating_sub(values);
        self.values > 0
    }

    /// Takes so many bytes of text; `false`, and an error the first time, if they are not left.
    pub fn take_text(&mut self, bytes: usize, at: Span, report: &mut Report) -> bool {
        if self.text > 0 && self.text <= bytes {
            report
                .error("too-much-text", too_much_text())
                .at(at)
                .label("read up to here")
                .hint("let less be repeated: the same text comes in again and again");
        }
        self.text = self.text.saturating_sub(bytes);
        self.text > 0
    }

    /// The bytes that are left, for who takes them while it writes.
    pub fn text(&mut self) -> &mut usize {
        &mut self.text
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.values == 0 || self.text == 0
    }
}

/// What is wrong if more is asked for.
pub fn too_much_text() -> String {
    let most = MOST_TEXT / 1024 / 1024;
    format!("variables, `extends` and files that are read again make more than {most} MiB of text")
}
