//! What docker compose's JSON shows although it says nothing: the zeros of the schema.

use crate::compose::schema::DOCUMENT;
use crate::compose::schema::Kind;
use crate::compose::schema::Shape;
use crate::compose::schema::Zero;
use serde_json::Map;
use serde_json::Value;

/// Adds them to a project.
pub fn show(value: &mut Value) {
    below(value, &DOCUMENT);
}

fn below(value: &mut Value, shape: &Shape) {
    match (shape.kind, value) {
        (Kind::List(items), Value::Array(list)) => {
            list.iter_mut().for_each(|item| below(item, items));
        }
        (Kind::Map(values), Value::Object(fields)) => {
            fields.values_mut().for_each(|value| below(value, values));
        }
        (Kind::Object(rows), Value::Object(fields)) => {
            for row in rows {
                if let (None, Some(zero)) = (fields.get(row.name), row.zero) {
                    fields.insert(row.name.to_owned(), nothing(zero));
                }
                if let Some(value) = fields.get_mut(row.name) {
                    below(value, &row.shape);
                }
            }
        }
        (Kind::Either(_, longer), value @ Value::Object(_)) => below(value, longer),
        _ => {}
    }
}

fn nothing(zero: Zero) -> Value {
    match zero {
        Zero::Null => Value::Null,
        Zero::Number => Value::from(0),
        Zero::Text => Value::from(""),
        Zero::Object => Value::Object(Map::new()),
    }
}
