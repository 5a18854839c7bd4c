//! Rows in the form that `--format` asks for: a table, JSON, or a template.

use super::document::{Document, Error};
use super::table;
use serde_json::{Map, Value};

/// What can be listed: its fields with the headers docker gives them, and those a plain table shows.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    /// Field and header.
    pub all: &'static [(&'static str, &'static str)],
    /// Fields of the default table.
    pub table: &'static [&'static str],
    /// `json` is one array instead of an object a line.
    pub array: bool,
}

/// A form that was read.
#[derive(Debug, Clone)]
pub enum Form {
    /// `table`
    Table,
    /// `json`
    Json,
    /// `table TEMPLATE`
    Columns(Document),
    /// `TEMPLATE`
    Template(Document),
}

impl Fields {
    /// Reads `--format`.
    pub fn form(&self, format: &str) -> Result<Form, Error> {
        let names: Vec<&str> = self.all.iter().map(|(name, _)| *name).collect();
        let parse = |text: &str| Document::of_rows(text, &names);
        match format.trim() {
            "" | "table" | "pretty" => Ok(Form::Table),
            "json" => Ok(Form::Json),
            text => match text.strip_prefix("table ") {
                Some(columns) => Ok(Form::Columns(parse(columns.trim_start())?)),
                None => Ok(Form::Template(parse(text)?)),
            },
        }
    }

    /// The names of all fields, for a hint.
    pub fn names(&self) -> String {
        let names: Vec<String> = self
            .all
            .iter()
            .map(|(name, _)| format!(".{name}"))
            .collect();
        names.join(" ")
    }

    /// `rows` in `form`; a plain table on a terminal of `width` columns leaves out what has no room.
    pub fn fitted(
        &self,
        rows: &[Map<String, Value>],
        form: &Form,
        width: Option<usize>,
    ) -> Result<String, Error> {
        match (form, width) {
            (Form::Table, Some(width)) => Ok(table::fit(&self.lines(rows), width)),
            _ => self.render(rows, form),
        }
    }

    /// `rows` in `form`.
    pub fn render(&self, rows: &[Map<String, Value>], form: &Form) -> Result<String, Error> {
        Ok(match form {
            Form::Table => table::align(&self.lines(rows)),
            Form::Json if self.array => {
                let array = Value::Array(rows.iter().cloned().map(Value::Object).collect());
                array.to_string() + "\n"
            }
            Form::Json => rows
                .iter()
                .map(|row| Value::Object(row.clone()).to_string() + "\n")
                .collect(),
            Form::Template(template) => {
                let line = |row| Ok(template.render(&self.whole(row))? + "\n");
                rows.iter().map(line).collect::<Result<_, Error>>()?
            }
            Form::Columns(template) => {
                let headers = self.headers();
                let cells = |row: &Map<String, Value>| {
                    let text = template.render(&self.whole(row))?;
                    Ok(text.split('\t').map(str::to_owned).collect::<Vec<_>>())
                };
                let lines = std::iter::once(&headers).chain(rows).map(cells);
                table::align(&lines.collect::<Result<Vec<_>, Error>>()?)
            }
        })
    }

    /// A row as templates see it: it has every field.
    fn whole(&self, row: &Map<String, Value>) -> Value {
        let mut row = row.clone();
        for (name, _) in self.all {
            let value = row.entry(*name).or_insert(Value::Null);
            if value.is_null() {
                *value = "".into();
            }
        }
        Value::Object(row)
    }

    fn headers(&self) -> Map<String, Value> {
        let pairs = self.all.iter();
        pairs
            .map(|(name, header)| ((*name).to_owned(), Value::from(*header)))
            .collect()
    }

    /// The cells of the default table, header first.
    fn lines(&self, rows: &[Map<String, Value>]) -> Vec<Vec<String>> {
        let headers = self.headers();
        let cells = |row: &Map<String, Value>| {
            let cell = |field: &&str| row.get(*field).and_then(Value::as_str).unwrap_or("");
            self.table.iter().map(cell).map(str::to_owned).collect()
        };
        std::iter::once(&headers).chain(rows).map(cells).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields = Fields {
        all: &[
            ("Name", "NAME"),
            ("RunningFor", "CREATED"),
            ("ID", "CONTAINER ID"),
        ],
        table: &["Name", "RunningFor"],
        array: false,
    };

    fn render(format: &str) -> String {
        let row = serde_json::json!({"ID": "1", "Name": "app-web-1", "RunningFor": "now"});
        let rows = [row.as_object().unwrap().clone()];
        FIELDS.render(&rows, &FIELDS.form(format).unwrap()).unwrap()
    }

    #[test]
    fn every_form_shows_the_same_row() {
        assert_eq!(render("table"), "NAME        CREATED\napp-web-1   now\n");
        assert_eq!(render("{{.Name}}={{.ID}}"), "app-web-1=1\n");
        assert_eq!(
            render("table {{.ID}}\\t{{.Name}}"),
            "CONTAINER ID   NAME\n1              app-web-1\n"
        );
        assert_eq!(
            render("json"),
            "{\"ID\":\"1\",\"Name\":\"app-web-1\",\"RunningFor\":\"now\"}\n"
        );
    }

    #[test]
    fn a_list_can_be_one_array() {
        let fields = Fields {
            array: true,
            ..FIELDS
        };
        assert_eq!(fields.render(&[], &Form::Json).unwrap(), "[]\n");
    }
}
