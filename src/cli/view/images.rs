//! Images of the store as docker's table shows them.

use super::human;
use super::listing::Fields;
use crate::engine::ImageSummary;
use serde_json::{Map, Value, json};

/// What `images` can show.
pub const FIELDS: Fields = Fields {
    all: &[
        ("CreatedAt", "CREATED AT"),
        ("CreatedSince", "CREATED"),
        ("ID", "IMAGE ID"),
        ("Repository", "REPOSITORY"),
        ("Size", "SIZE"),
        ("Tag", "TAG"),
    ],
    table: &["Repository", "Tag", "ID", "CreatedSince", "Size"],
    array: true,
};

/// Digits of an id that a table shows.
const SHORT: usize = 12;

/// A row a name; an image without one is shown as docker shows it. Only names that start with one of `wanted`, if any.
pub fn rows(
    images: &[ImageSummary],
    wanted: &[String],
    now: i64,
    whole: bool,
) -> Vec<Map<String, Value>> {
    let mut rows = Vec::new();
    for image in images {
        let unnamed = [String::new()];
        let names = match image.names.as_slice() {
            [] => &unnamed,
            names => names,
        };
        for name in names {
            if wanted.is_empty() || wanted.iter().any(|start| name.starts_with(start.as_str())) {
                rows.push(row(image, name, now, whole));
            }
        }
    }
    rows
}

fn row(image: &ImageSummary, name: &str, now: i64, whole: bool) -> Map<String, Value> {
    let (repository, tag) = split(name);
    let id = if whole {
        image.id.as_str()
    } else {
        image.id.hex().get(..SHORT).unwrap_or(image.id.hex())
    };
    let created = image.created.map(|time| time.as_nanosecond());
    let created = created.and_then(|time| i64::try_from(time).ok());
    let object = json!({
        "CreatedAt": created.map_or_else(String::new, human::date),
        "CreatedSince": created.map_or_else(|| "N/A".to_owned(), |time| human::between(time, now) + " ago"),
        "ID": id,
        "Repository": repository,
        "Size": human::size(image.size),
        "Tag": tag,
    });
    match object {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// `redis:7` as `redis` and `7`; a port is no tag.
fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        _ if name.is_empty() => ("<none>", "<none>"),
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "<none>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_repository_and_tag() {
        assert_eq!(split("redis:7"), ("redis", "7"));
        assert_eq!(
            split("localhost:5000/redis"),
            ("localhost:5000/redis", "<none>")
        );
        assert_eq!(
            split("localhost:5000/redis:7"),
            ("localhost:5000/redis", "7")
        );
        assert_eq!(split(""), ("<none>", "<none>"));
    }
}
