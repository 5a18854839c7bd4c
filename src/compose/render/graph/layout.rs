//! Where boxes are put: in columns, each left of all that it needs, with a gap for the arrow in each column between.
//!
//! Columns are put in order so that arrows cross little, and boxes as near to the middle of their neighbours as others
//! permit: Sugiyama's way, with sweeps over the columns.
//!
//! Invariants: boxes of a column never overlap; an arrow passes through gaps, never behind a box.

/// How often the columns are put in order, to and fro.
const SWEEPS: usize = 8;
/// Between two boxes of a column.
const BETWEEN: f64 = 28.0;
/// Beside an arrow that passes through a column.
const BESIDE: f64 = 14.0;
/// With more gaps than this (thousands of services) arrows go straight.
const MOST_GAPS: usize = 50_000;

/// Where everything is.
pub struct Layout {
    /// The column and the middle of each box.
    pub boxes: Vec<(usize, f64)>,
    /// For each link the middles of the gaps that it passes, a column each.
    pub gaps: Vec<Vec<f64>>,
}

impl Layout {
    /// Puts boxes of these heights in place; of each link the first needs the second.
    pub fn new(heights: &[f64], links: &[(usize, usize)]) -> Self {
        let columns = columns(heights.len(), links);
        let mut grid = Grid::new(heights, &columns);
        let ways: Vec<Vec<usize>> = links
            .iter()
            .map(|link| grid.link(*link, &columns))
            .collect();
        grid.arrange();
        let middle = |spot: &usize| grid.middles[*spot];
        let boxes = columns.iter().copied().zip(grid.middles.iter().copied());
        Self {
            boxes: boxes.collect(),
            gaps: ways
                .iter()
                .map(|way| way.iter().map(middle).collect())
                .collect(),
        }
    }
}

/// The column of each box: behind the longest way to it. What nobody needs moves up to what it needs.
fn columns(count: usize, links: &[(usize, usize)]) -> Vec<usize> {
    let mut columns = vec![0; count];
    // A project has no circles; in a text with some the count of boxes ends it.
    for _ in 0..count {
        let mut moved = false;
        for (from, to) in links {
            if columns[*to] <= columns[*from] && columns[*from] + 1 < count {
                columns[*to] = columns[*from] + 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let mut nearest: Vec<Option<usize>> = vec![None; count];
    let mut is_needed = vec![false; count];
    for (from, to) in links {
        let column = columns[*to];
        nearest[*from] = Some(nearest[*from].map_or(column, |known| known.min(column)));
        is_needed[*to] = true;
    }
    for (index, nearest) in nearest.into_iter().enumerate() {
        if let (false, Some(nearest)) = (is_needed[index], nearest) {
            columns[index] = nearest.saturating_sub(1);
        }
    }
    columns
}

/// Boxes and gaps, both of which are spots, in their columns.
struct Grid {
    columns: Vec<Vec<usize>>,
    /// Zero: a gap.
    heights: Vec<f64>,
    middles: Vec<f64>,
    /// The spots that a spot is linked to: in the column on its left, and on its right.
    linked: Vec<[Vec<usize>; 2]>,
    gaps: usize,
}

impl Grid {
    fn new(heights: &[f64], columns: &[usize]) -> Self {
        let mut grid = Self {
            columns: vec![Vec::new(); columns.iter().max().map_or(0, |last| last + 1)],
            heights: Vec::new(),
            middles: Vec::new(),
            linked: Vec::new(),
            gaps: 0,
        };
        for (height, column) in heights.iter().zip(columns) {
            grid.spot(*column, *height);
        }
        grid
    }

    /// Adds a spot at the end of a column.
    fn spot(&mut self, column: usize, height: f64) -> usize {
        let spot = self.heights.len();
        self.heights.push(height);
        self.linked.push(Default::default());
        let last = self.columns[column].last().copied();
        let middle = last.map_or(height / 2.0, |last| {
            self.middles[last] + self.apart(last, spot)
        });
        self.middles.push(middle);
        self.columns[column].push(spot);
        spot
    }

    /// Links two boxes through a gap in each column between them; returns the gaps.
    fn link(&mut self, (from, to): (usize, usize), columns: &[usize]) -> Vec<usize> {
        let between = columns[from] + 1..columns[to];
        self.gaps += between.len();
        if self.gaps > MOST_GAPS {
            return Vec::new();
        }
        let gaps: Vec<usize> = between.map(|column| self.spot(column, 0.0)).collect();
        let mut last = from;
        for spot in gaps.iter().copied().chain([to]) {
            self.linked[last][1].push(spot);
            self.linked[spot][0].push(last);
            last = spot;
        }
        gaps
    }

    /// How far the middles of two neighbours must be apart.
    fn apart(&self, one: usize, other: usize) -> f64 {
        let (one, other) = (self.heights[one], self.heights[other]);
        let space = if one > 0.0 && other > 0.0 {
            BETWEEN
        } else {
            BESIDE
        };
        (one + other) / 2.0 + space
    }

    fn arrange(&mut self) {
        for sweep in 0..SWEEPS {
            let (side, columns): (usize, Vec<usize>) = match sweep % 2 {
                0 => (0, (0..self.columns.len()).collect()),
                _ => (1, (0..self.columns.len()).rev().collect()),
            };
            for column in columns {
                let wanted = |spot: &usize| self.wanted(*spot, &self.linked[*spot][side]);
                let mut order: Vec<(f64, usize)> = self.columns[column]
                    .iter()
                    .map(|spot| (wanted(spot), *spot))
                    .collect();
                order.sort_by(|one, other| one.0.total_cmp(&other.0));
                self.settle(column, &order);
            }
        }
        for column in 0..self.columns.len() {
            let both = |spot: &usize| self.wanted(*spot, &self.linked[*spot].concat());
            let order = self.columns[column].iter().map(|spot| (both(spot), *spot));
            self.settle(column, &order.collect::<Vec<_>>());
        }
        let top = |spot: usize| self.middles[spot] - self.heights[spot] / 2.0;
        let highest = (0..self.middles.len())
            .map(top)
            .fold(f64::INFINITY, f64::min);
        self.middles
            .iter_mut()
            .for_each(|middle| *middle -= highest);
    }

    /// The middle of its neighbours, or where it is.
    fn wanted(&self, spot: usize, linked: &[usize]) -> f64 {
        let sum: f64 = linked.iter().map(|other| self.middles[*other]).sum();
        match linked.len() {
            0 => self.middles[spot],
            count => sum / count as f64,
        }
    }

    /// Puts the spots of a column in this order, as near to where they are wanted as their heights permit.
    fn settle(&mut self, column: usize, order: &[(f64, usize)]) {
        let mut offset = 0.0;
        let mut offsets = Vec::new();
        for (index, (_, spot)) in order.iter().enumerate() {
            if index > 0 {
                offset += self.apart(order[index - 1].1, *spot);
            }
            offsets.push(offset);
        }
        // Neighbours that would overlap form a block, which goes to the mean of what they want.
        let mut blocks: Vec<(f64, usize)> = Vec::new();
        for ((wanted, _), offset) in order.iter().zip(&offsets) {
            let mut block = (wanted - offset, 1);
            while let Some((place, count)) = blocks.pop_if(|before| before.0 > block.0) {
                let sum = place * count as f64 + block.0 * block.1 as f64;
                block = (sum / (count + block.1) as f64, count + block.1);
            }
            blocks.push(block);
        }
        let places = blocks
            .iter()
            .flat_map(|(place, count)| std::iter::repeat_n(*place, *count));
        for (((_, spot), offset), place) in order.iter().zip(&offsets).zip(places) {
            self.middles[*spot] = place + offset;
        }
        self.columns[column] = order.iter().map(|(_, spot)| *spot).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_left_of_what_they_need_and_never_overlap() {
        // 0 needs 1 and 4, 1 needs 2 and 3, 5 needs 3, 6 stands alone
        let links = [(0, 1), (1, 2), (1, 3), (0, 4), (5, 3), (0, 3)];
        let layout = Layout::new(&[96.0; 7], &links);
        for (from, to) in links {
            assert!(layout.boxes[from].0 < layout.boxes[to].0);
        }
        assert_eq!(layout.boxes[5].0, layout.boxes[3].0 - 1, "it is moved up");
        for (one, place) in layout.boxes.iter().enumerate() {
            assert!(place.1 >= 48.0);
            for other in &layout.boxes[..one] {
                assert!(other.0 != place.0 || (other.1 - place.1).abs() > 96.0 + 27.9);
            }
        }
    }

    #[test]
    fn an_arrow_that_skips_a_column_passes_beside_its_boxes() {
        let layout = Layout::new(&[96.0; 3], &[(0, 1), (1, 2), (0, 2)]);
        let gap = layout.gaps[2][0];
        assert_eq!(layout.gaps[0].len(), 0);
        assert!((gap - layout.boxes[1].1).abs() >= 48.0 + BESIDE - 0.1);
    }

    #[test]
    fn users_stand_in_the_middle_of_what_they_need() {
        let links: Vec<(usize, usize)> = (1..=5).map(|to| (0, to)).collect();
        let layout = Layout::new(&[96.0; 6], &links);
        assert!((layout.boxes[0].1 - layout.boxes[3].1).abs() < 1.0);
    }
}
