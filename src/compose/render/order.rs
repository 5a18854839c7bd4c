//! The order of keys: that of the rows of the schema, and of the alphabet where users choose the keys. Docker compose's
//! JSON has the alphabet of bytes, its YAML that of people.

use crate::compose::schema::Attribute;
use crate::compose::schema::DOCUMENT;
use crate::compose::schema::Kind;
use crate::compose::schema::Long;
use crate::compose::schema::Shape;
use serde_json::Map;
use serde_json::Value;
use std::cmp::Ordering;

/// Which of two keys comes first.
pub type Compare = fn(&str, &str) -> Ordering;

/// By their bytes.
pub fn bytes(a: &str, b: &str) -> Ordering {
    a.cmp(b)
}

/// As Go's YAML writer has them: numbers by what they count, letters behind all else, but in front of it behind a digit.
pub fn natural(a: &str, b: &str) -> Ordering {
    let mut both = a.char_indices().zip(b.chars());
    let Some(((at, x), y)) = both.find(|((_, x), y)| x != y) else {
        return a.len().cmp(&b.len());
    };
    let digit = |c: char| c.is_ascii_digit();
    let before = &a[..at];
    let number = &before[before.trim_end_matches(digit).len()..];
    let letters_first = !number.is_empty();
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) if letters_first => return Ordering::Less,
        (false, true) if !letters_first => return Ordering::Less,
        (false, false) => {}
        _ => return Ordering::Greater,
    }
    let digits = |text: &'_ str| text[at..].len() - text[at..].trim_start_matches(digit).len();
    let (one, other) = (&a[at..][..digits(a)], &b[at..][..digits(b)]);
    // Zeros count behind another digit.
    let counts = number.contains(|c| c != '0');
    let value = |digits: &str| match counts {
        true => (digits.len(), digits.to_owned()),
        false => {
            let digits = digits.trim_start_matches('0');
            (digits.len(), digits.to_owned())
        }
    };
    let value = value(one).cmp(&value(other));
    value.then(one.len().cmp(&other.len())).then(x.cmp(&y))
}

/// Puts all keys of a project in order.
pub fn order(value: &mut Value, compare: Compare) {
    below(value, &DOCUMENT, compare);
    // The name comes first, the sections in the order of the schema behind it.
    if let Value::Object(fields) = value
        && let Some(name) = fields.shift_remove("name")
    {
        let rest = std::mem::take(fields);
        fields.insert("name".to_owned(), name);
        fields.extend(rest);
    }
}

/// Sorts the keys of all maps.
pub fn sort(value: &mut Value, compare: Compare) {
    match value {
        Value::Object(fields) => {
            sort_keys(fields, compare);
            fields.values_mut().for_each(|value| sort(value, compare));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| sort(item, compare)),
        _ => {}
    }
}

fn sort_keys(fields: &mut Map<String, Value>, compare: Compare) {
    let mut all: Vec<_> = std::mem::take(fields).into_iter().collect();
    all.sort_by(|(one, _), (other, _)| compare(one, other));
    fields.extend(all);
}

fn below(value: &mut Value, shape: &Shape, compare: Compare) {
    match (shape.kind, value) {
        (Kind::List(items), Value::Array(list)) => {
            if shape.long == Long::Hosts {
                list.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            list.iter_mut().for_each(|item| below(item, items, compare));
        }
        (Kind::Map(values), Value::Object(fields)) => {
            sort_keys(fields, compare);
            fields
                .values_mut()
                .for_each(|value| below(value, values, compare));
        }
        (Kind::Object(rows), Value::Object(fields)) => object(fields, rows, compare),
        (Kind::Either(_, longer), value @ Value::Object(_)) => below(value, longer, compare),
        _ => {}
    }
}

fn object(fields: &mut Map<String, Value>, rows: &'static [Attribute], compare: Compare) {
    let mut left = std::mem::take(fields);
    for row in rows {
        if let Some(mut value) = left.shift_remove(row.name) {
            below(&mut value, &row.shape, compare);
            fields.insert(row.name.to_owned(), value);
        }
    }
    sort_keys(&mut left, compare);
    left.values_mut().for_each(|value| sort(value, compare));
    fields.extend(left);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_and_letters_come_last() {
        for sorted in [
            &["A_B", "A1", "A9", "A10", "AB", "a"][..],
            &["BUFFER_SIZE", "BUFFERS"],
            &[
                "a-b", "a.b", "a_b", "a0", "a1", "a1b", "a1-", "a01", "a2", "a12", "ab",
            ],
            &[
                "x9",
                "x10",
                "x11",
                "x100",
                "x99999999999999999999",
                "x100000000000000000000",
            ],
            &["_", "1", "2", "10", "é"],
        ] {
            let mut keys = sorted.to_vec();
            keys.reverse();
            keys.sort_by(|a, b| natural(a, b));
            assert_eq!(keys, sorted);
        }
    }
}
