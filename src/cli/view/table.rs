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

/// The same on `width` columns: the table leaves out columns, the last ones first, rather than wrap; the first two stay,
/// and what of them does not fit is cut.
pub fn fit(rows: &[Vec<String>], width: usize) -> String {
    let mut rows = rows.to_vec();
    loop {
        let text = align(&rows);
        let widest = text.lines().map(|line| style::width(line.trim_end())).max();
        let columns = rows.first().map_or(0, Vec::len);
        if widest.is_none_or(|widest| widest <= width) {
            return text;
        }
        if columns <= 2 {
            return text
                .lines()
                .map(|line| style::cut(line.trim_end(), width, "~") + "\n")
                .collect();
        }
        rows.iter_mut().for_each(|row| row.truncate(columns - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_leaves_out_columns_instead_of_wrapping() {
        let rows = [["NAME", "IMAGE", "PORTS"], ["app-web-1", "nginx", "80/tcp"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(fit(&rows, 28), align(&rows));
        assert_eq!(fit(&rows, 27), "NAME        IMAGE\napp-web-1   nginx\n");
        assert_eq!(fit(&rows, 14), "NAME        I~\napp-web-1   n~\n");
    }

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
