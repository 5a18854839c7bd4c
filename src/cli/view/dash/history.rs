//! The last values of something, and a line of them.

use std::collections::VecDeque;

/// How many are kept.
const KEPT: usize = 120;

/// Heights that one cell can show, lowest first.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same where only ASCII can be shown.
const ASCII: [char; 8] = ['_', '.', '.', '-', '-', '=', '=', '#'];

/// Values, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History(VecDeque<f64>);

impl History {
    /// Adds the newest.
    pub fn push(&mut self, value: f64) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// The newest.
    pub fn last(&self) -> Option<f64> {
        self.0.back().copied()
    }

    /// The last values in so many cells, the newest at the right; what is `full` or above has the greatest height.
    pub fn line(&self, cells: usize, full: f64, unicode: bool) -> String {
        let heights = if unicode { BLOCKS } else { ASCII };
        let height = |value: &f64| {
            let share = if full > 0.0 { value / full } else { 0.0 };
            heights[((share * 8.0) as usize).min(7)]
        };
        let shown = self.0.iter().skip(self.0.len().saturating_sub(cells));
        let text: String = shown.map(height).collect();
        format!("{:>cells$}", text)
    }

    /// The greatest of the last values.
    pub fn top(&self, of: usize) -> f64 {
        let last = self.0.iter().skip(self.0.len().saturating_sub(of));
        last.copied().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_newest_value_at_its_right_end() {
        let mut history = History::default();
        assert_eq!(history.line(4, 100.0, true), "    ");
        for value in [0.0, 50.0, 99.0, 400.0] {
            history.push(value);
        }
        assert_eq!(history.line(6, 100.0, true), "  ▁▅██");
        assert_eq!(history.line(2, 100.0, true), "██");
        assert_eq!(history.line(4, 100.0, false), "_-##");
        assert_eq!((history.last(), history.top(2)), (Some(400.0), 400.0));
        (0..500).for_each(|_| history.push(1.0));
        assert_eq!(history.top(500), 1.0);
    }
}
