//! Images of the store as docker's table shows them.

use super::human;
use super::listing::Fields;
use crate::engine::{ImageSummary, Step, UsedImage};
use crate::id::Digest;
use serde_json::{Map, Value, json};

/// What `image ls` can show; the table with digests, if they are asked for.
pub const fn fields(digests: bool) -> Fields {
    Fields {
        all: &[
            ("Containers", "CONTAINERS"),
            ("CreatedAt", "CREATED AT"),
            ("CreatedSince", "CREATED"),
            ("Digest", "DIGEST"),
            ("ID", "IMAGE ID"),
            ("Repository", "REPOSITORY"),
            ("SharedSize", "SHARED SIZE"),
            ("Size", "SIZE"),
            ("Tag", "TAG"),
            ("UniqueSize", "UNIQUE SIZE"),
        ],
        table: match digests {
            false => &["Repository", "Tag", "ID", "CreatedSince", "Size"],
            true => &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"],
        },
        array: false,
    }
}

/// What `images` can show of a project.
pub const USED: Fields = Fields {
    all: &[
        ("ContainerName", "CONTAINER"),
        ("Created", "CREATED"),
        ("ID", "IMAGE ID"),
        ("Platform", "PLATFORM"),
        ("Repository", "REPOSITORY"),
        ("Size", "SIZE"),
        ("Tag", "TAG"),
    ],
    table: &[
        "ContainerName",
        "Repository",
        "Tag",
        "Platform",
        "ID",
        "Size",
        "Created",
    ],
    array: true,
};

/// What `history` can show.
pub const HISTORY: Fields = Fields {
    all: &[
        ("Comment", "COMMENT"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("CreatedSince", "CREATED"),
        ("ID", "IMAGE"),
        ("Size", "SIZE"),
    ],
    table: &["ID", "CreatedSince", "CreatedBy", "Size", "Comment"],
    array: false,
};

/// The same with dates and bytes, for programs.
pub const HISTORY_EXACT: Fields = Fields {
    all: HISTORY.all,
    table: &["ID", "CreatedAt", "CreatedBy", "Size", "Comment"],
    array: false,
};

/// Digits of an id that a table shows.
const SHORT: usize = 12;
/// Letters of an instruction that a table shows.
const INSTRUCTION: usize = 45;

/// The id as it is shown.
fn id_text(id: &Digest, whole: bool) -> &str {
    match whole {
        true => id.as_str(),
        false => id.hex().get(..SHORT).unwrap_or(id.hex()),
    }
}

/// When it was made, and how long ago that is.
fn times(created: Option<jiff::Timestamp>, now: i64) -> (String, String) {
    let created = created.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    created.map_or_else(
        || (String::new(), "N/A".to_owned()),
        |time| (human::date(time), human::between(time, now) + " ago"),
    )
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// A row a name; an image without one is shown as docker shows it.
pub fn rows(images: &[ImageSummary], now: i64, whole: bool) -> Vec<Map<String, Value>> {
    let mut rows = Vec::new();
    for image in images {
        let unnamed = [String::new()];
        let names = match image.names.as_slice() {
            [] => &unnamed,
            names => names,
        };
        // As docker: a digest is a name's row of its own only where no tag of that repository is one.
        let tagged = |name: &str| {
            let mut others = names.iter().filter(|other| !other.contains('@'));
            name.contains('@') && others.any(|other| split(other).0 == split(name).0)
        };
        let shown = names.iter().filter(|name| !tagged(name));
        rows.extend(shown.map(|name| row(image, name, now, whole)));
    }
    rows
}

fn row(image: &ImageSummary, name: &str, now: i64, whole: bool) -> Map<String, Value> {
    let (repository, tag) = split(name);
    let (at, since) = times(image.created, now);
    object(json!({
        "Containers": "N/A",
        "CreatedAt": at,
        "CreatedSince": since,
        "Digest": image.digest,
        "ID": id_text(&image.id, whole),
        "Repository": repository,
        "SharedSize": "N/A",
        "Size": human::size(image.size),
        "Tag": tag,
        "UniqueSize": "N/A",
    }))
}

/// The row of an image that a container uses, with numbers and times as tables have them.
pub fn used(image: &UsedImage, now: i64) -> Map<String, Value> {
    let name = image.summary.as_ref().and_then(|it| {
        let as_written = it.names.iter().find(|name| **name == image.name);
        as_written.or(it.names.first())
    });
    let (repository, tag) = match (name, &image.summary) {
        (Some(name), _) => split(name),
        (None, Some(_)) => ("<none>", "<none>"),
        (None, None) => (image.name.as_str(), "<none>"),
    };
    let created = image.summary.as_ref().and_then(|it| it.created);
    object(json!({
        "ContainerName": image.container,
        "Created": times(created, now).1,
        "ID": id_text(&image.id, false),
        "Platform": image.platform,
        "Repository": repository,
        "Size": human::size(image.summary.as_ref().map_or(0, |it| it.size)),
        "Tag": tag,
    }))
}

/// The same for programs, as docker compose writes it.
pub fn used_json(image: &UsedImage, now: i64) -> Map<String, Value> {
    let mut row = used(image, now);
    let summary = image.summary.as_ref();
    row.insert("ID".into(), image.id.as_str().into());
    row.insert("Size".into(), summary.map_or(0, |it| it.size).into());
    match summary.and_then(|it| it.created) {
        Some(time) => row.insert("Created".into(), time.to_string().into()),
        None => row.remove("Created"),
    };
    row
}

/// A row a step of an image's making.
pub fn step(step: &Step, now: i64, (whole, human): (bool, bool)) -> Map<String, Value> {
    let (_, since) = times(step.created, now);
    let at = step.created.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ"));
    let mut by = super::style::single_line(&step.created_by);
    if !whole && by.chars().count() > INSTRUCTION {
        by = by.chars().take(INSTRUCTION - 1).chain(['…']).collect();
    }
    object(json!({
        "Comment": super::style::single_line(&step.comment),
        "CreatedAt": at.map_or_else(String::new, |at| at.to_string()),
        "CreatedBy": by,
        "CreatedSince": since,
        "ID": step.id.as_ref().map_or("<missing>", |id| id_text(id, whole)),
        "Size": if human { human::size(step.size) } else { step.size.to_string() },
    }))
}

/// `redis:7` as `redis` and `7`; a port is no tag.
fn split(name: &str) -> (&str, &str) {
    if let Some((repository, _)) = name.split_once('@') {
        return (split(repository).0, "<none>");
    }
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
        assert_eq!(
            split("localhost:5000/redis@sha256:0123"),
            ("localhost:5000/redis", "<none>")
        );
    }
}
