//! The order of keys: that of the rows of the schema, and of the alphabet where users choose the keys.

use crate::compose::schema::Attribute;
use crate::compose::schema::DOCUMENT;
use crate::compose::schema::Kind;
use crate::compose::schema::Long;
use crate::compose::schema::Shape;
use serde_json::Map;
use serde_json::Value;

/// Puts all keys of a project in order.
pub fn order(value: &mut Value) {
    below(value, &DOCUMENT);
    // The name comes first, the sections in the order of the schema behind it.
    if let Value::Object(fields) = value
        && let Some(name) = fields.shift_remove("name")
    {
        let rest = std::mem::take(fields);
        fields.insert("name".to_owned(), name);
        fields.extend(rest);
    }
}

fn below(value: &mut Value, shape: &Shape) {
    match (shape.kind, value) {
        (Kind::List(items), Value::Array(list)) => {
            if shape.long == Long::Hosts {
                list.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            list.iter_mut().for_each(|item| below(item, items));
        }
        (Kind::Map(values), Value::Object(fields)) => {
            fields.sort_keys();
            fields.values_mut().for_each(|value| below(value, values));
        }
        (Kind::Object(rows), Value::Object(fields)) => object(fields, rows),
        (Kind::Either(_, longer), value @ Value::Object(_)) => below(value, longer),
        _ => {}
    }
}

fn object(fields: &mut Map<String, Value>, rows: &'static [Attribute]) {
    let mut left = std::mem::take(fields);
    for row in rows {
        if let Some(mut value) = left.shift_remove(row.name) {
            below(&mut value, &row.shape);
            fields.insert(row.name.to_owned(), value);
        }
    }
    left.sort_keys();
    left.values_mut().for_each(super::sort);
    fields.extend(left);
}
