//! One text: the grammar.

use super::Lookup;
use super::Problem;
use super::ProblemKind;
use super::Refused;
use super::Substituted;
use super::braces::Braces;
use super::braces::Close;
use super::braces::name_length;
use std::ops::Range;

/// Deepest nesting of `${A:-${B:-…}}`.
pub const MAX_NESTING: usize = 32;

/// How many problems of one text are told, and how many of its variables without a value.
const MAX_TOLD: usize = 50;

/// Replaces all variables of `text`, or says all that is wrong with them. Values may have as many bytes as there is `room`.
pub fn substitute(
    text: &str,
    lookup: Lookup<'_>,
    room: &mut usize,
) -> Result<Substituted, Refused> {
    let mut template = Template {
        lookup,
        room,
        braces: Braces::default(),
        problems: Vec::new(),
    };
    let mut out = Substituted::default();
    let whole = Part {
        text,
        at: 0,
        depth: 0,
    };
    template.expand(whole, &mut out);
    match template.problems.is_empty() {
        true => Ok(out),
        false => Err(Refused {
            problems: template.problems,
            unset: out.unset,
        }),
    }
}

struct Template<'l, 'r> {
    lookup: Lookup<'l>,
    /// How many bytes values may still have; none once there were too many.
    room: &'r mut usize,
    braces: Braces,
    problems: Vec<Problem>,
}

/// A part of the text: all of it, or the word behind an operator.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    /// Where it begins.
    at: usize,
    /// How many expressions it is in.
    depth: usize,
}

impl Part<'_> {
    /// A range of the part as one of the text.
    fn range(&self, range: Range<usize>) -> Range<usize> {
        self.at + range.start..self.at + range.end
    }
}

impl Template<'_, '_> {
    fn expand(&mut self, part: Part<'_>, out: &mut Substituted) {
        let text = part.text;
        let mut rest = 0;
        while let Some(found) = text[rest..].find('$') {
            let dollar = rest + found;
            out.text.push_str(&text[rest..dollar]);
            let after = &text[dollar + 1..];
            rest = match after.bytes().next() {
                Some(b'$') => {
                    out.text.push('$');
                    dollar + 2
                }
                Some(b'{') => dollar + self.enclosed(part, dollar, out),
                _ if name_length(after) > 0 => {
                    let end = dollar + 1 + name_length(after);
                    self.plain(&text[dollar + 1..end], part.range(dollar..end), out);
                    end
                }
                _ => {
                    out.text.push('$');
                    dollar + 1
                }
            };
            if self.problems.len() >= MAX_TOLD {
                return;
            }
        }
        out.text.push_str(&text[rest..]);
    }

    /// An expression in braces, and how long it is.
    fn enclosed(&mut self, part: Part<'_>, dollar: usize, out: &mut Substituted) -> usize {
        let text = &part.text[dollar..];
        let length = match self.braces.close(&text[1..]) {
            Close::At(brace) => 1 + brace + 1,
            Close::Never => {
                let line = text.lines().next().unwrap_or_default().len();
                let range = part.range(dollar..dollar + line);
                self.problem(range, ProblemKind::Unclosed);
                return line;
            }
            Close::Unknown => {
                let range = part.range(dollar..dollar + "${".len());
                self.problem(range, ProblemKind::TooMany);
                return text.len();
            }
        };
        if name_length(&text["${".len()..]) == 0 {
            let end = text.find('}').map_or(length, |brace| brace + 1);
            self.problem(part.range(dollar..dollar + end), ProblemKind::Unnamed);
            return end;
        }
        let inner = Part {
            text: &text["${".len()..length - 1],
            at: part.at + dollar + "${".len(),
            depth: part.depth,
        };
        self.braced(inner, part.range(dollar..dollar + length), out);
        length
    }

    fn plain(&mut self, name: &str, range: Range<usize>, out: &mut Substituted) {
        out.uses(name);
        match (self.lookup)(name) {
            Some(value) => self.put(value, range, out),
            None if out.unset.len() < MAX_TOLD => out.unset.push((name.to_owned(), range)),
            None => {}
        }
    }

    /// The value of the expression at `range`, if there is room for it.
    fn put(&mut self, value: &str, range: Range<usize>, out: &mut Substituted) {
        if value.len() < *self.room {
            *self.room -= value.len();
            out.text.push_str(value);
        } else if std::mem::take(self.room) > 0 {
            self.problem(range, ProblemKind::TooLong);
        }
    }

    /// What is between the braces; `range` is the whole expression.
    fn braced(&mut self, inner: Part<'_>, range: Range<usize>, out: &mut Substituted) {
        let (name, operation) = inner.text.split_at(name_length(inner.text));
        if operation.is_empty() {
            return self.plain(name, range, out);
        }
        let colon = usize::from(operation.starts_with(':'));
        let operator = operation[colon..].chars().next();
        let word = Part {
            text: operation.get(colon + 1..).unwrap_or_default(),
            at: inner.at + name.len() + colon + 1,
            depth: inner.depth + 1,
        };
        out.uses(name);
        let value = (self.lookup)(name);
        let present = value.is_some_and(|value| colon == 0 || !value.is_empty());
        match (operator, present) {
            (Some('-'), false) | (Some('+'), true) => self.nested(word, range, out),
            (Some('?'), false) => {
                let mut message = Substituted::default();
                self.nested(word, range.clone(), &mut message);
                let (name, message) = (name.to_owned(), message.text);
                self.problem(range, ProblemKind::Required { name, message });
            }
            (Some('-' | '?' | '+'), _) => {
                self.check(word, range.clone());
                self.put(value.unwrap_or_default(), range, out);
            }
            _ => {
                let operator = operation.chars().take(colon + 1).collect();
                self.problem(range, ProblemKind::Operator(operator));
            }
        }
    }

    /// A word that is not used must be one all the same; what it requires is not required.
    fn check(&mut self, word: Part<'_>, range: Range<usize>) {
        let before = self.problems.len();
        self.nested(word, range, &mut Substituted::default());
        let mut index = 0;
        self.problems.retain(|problem| {
            index += 1;
            index <= before || !matches!(problem.kind, ProblemKind::Required { .. })
        });
    }

    /// Expands the word behind an operator.
    fn nested(&mut self, word: Part<'_>, range: Range<usize>, out: &mut Substituted) {
        match word.depth > MAX_NESTING {
            true => self.problem(range, ProblemKind::TooDeep),
            false => self.expand(word, out),
        }
    }

    fn problem(&mut self, range: Range<usize>, kind: ProblemKind) {
        self.problems.push(Problem { range, kind });
    }
}
