//! Columns, as docker's tables align them.

use super::style;

/// Space between two columns, and the least a column takes.
const GAP: usize = 3;
const LEAST: usize = 10;

/// Aligns `rows`; the last cell of a row is not padded.
pub fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| style::width(cell)).max().unwrap_or(0);
            (widest + GAP).max(LEAST)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < row.len() {
                let pad = widths[column] - style::width(cell);
                text.extend(std::iter::repeat_n(' ', pad));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_three() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        assert_eq!(
            align(&[
                row(["NAME", "IMAGE", "PORTS"]),
                row(["app-web-1", "日本", ""])
            ]),
            "NAME        IMAGE     PORTS\napp-web-1   日本      \n"
        );
    }
}
