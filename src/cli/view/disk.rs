//! What takes room on the disk, as docker's tables show it.

use super::human;
use super::listing::Fields;
use super::table::align;
use crate::engine::ContainerState;
use crate::engine::{ContainerSummary, DiskUsage};
use serde_json::{Map, Value, json};

/// What `system df` can show.
pub const FIELDS: Fields = Fields {
    all: &[
        ("Active", "ACTIVE"),
        ("Reclaimable", "RECLAIMABLE"),
        ("Size", "SIZE"),
        ("TotalCount", "TOTAL"),
        ("Type", "TYPE"),
    ],
    table: &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
    array: false,
};

/// A row a kind of thing.
pub fn rows(usage: &DiskUsage, all: &[ContainerSummary]) -> Vec<Map<String, Value>> {
    let images = &usage.store.images;
    let runs = |id: &str| {
        let ended = |it: &ContainerSummary| {
            matches!(
                it.state,
                ContainerState::Created | ContainerState::Exited | ContainerState::Dead
            )
        };
        all.iter().any(|it| it.id == id && !ended(it))
    };
    let containers = &usage.containers;
    let idle = containers.iter().filter(|it| !runs(it.id.as_str()));
    let idle: (usize, u64) = idle.fold((0, 0), |(n, bytes), it| (n + 1, bytes + it.size));
    let volumes = &usage.volumes;
    let unused = volumes.iter().filter(|it| it.links == 0);
    let unused: (usize, u64) = unused.fold((0, 0), |(n, bytes), it| (n + 1, bytes + it.size));
    let active = images.iter().filter(|it| it.containers > 0).count();
    let total = |sizes: &mut dyn Iterator<Item = u64>| sizes.sum::<u64>();
    vec![
        row(
            "Images",
            (images.len(), active),
            usage.store.total,
            usage.store.reclaimable,
        ),
        row(
            "Containers",
            (containers.len(), containers.len() - idle.0),
            total(&mut containers.iter().map(|it| it.size)),
            idle.1,
        ),
        row(
            "Local Volumes",
            (volumes.len(), volumes.len() - unused.0),
            total(&mut volumes.iter().map(|it| it.size)),
            unused.1,
        ),
    ]
}

fn row(kind: &str, (count, active): (usize, usize), size: u64, free: u64) -> Map<String, Value> {
    let share = match size {
        0 => String::new(),
        size => format!(" ({}%)", free * 100 / size),
    };
    let value = json!({
        "Active": active.to_string(),
        "Reclaimable": human::size(free) + &share,
        "Size": human::size(size),
        "TotalCount": count.to_string(),
        "Type": kind,
    });
    match value {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// A table a kind of thing, a line each.
pub fn verbose(usage: &DiskUsage, all: &[ContainerSummary], now: i64) -> String {
    let text = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let mut images = vec![text(&[
        "REPOSITORY:TAG",
        "IMAGE ID",
        "SIZE",
        "SHARED SIZE",
        "UNIQUE SIZE",
        "CONTAINERS",
    ])];
    for it in &usage.store.images {
        let name = it.image.names.first().map_or("<none>", String::as_str);
        images.push(vec![
            name.to_owned(),
            it.image.id.hex()[..12].to_owned(),
            human::size(it.shared + it.unique),
            human::size(it.shared),
            human::size(it.unique),
            it.containers.to_string(),
        ]);
    }
    let mut containers = vec![text(&[
        "CONTAINER ID",
        "IMAGE",
        "SIZE",
        "CREATED",
        "STATE",
        "NAMES",
    ])];
    for it in &usage.containers {
        let state = all.iter().find(|other| other.id == it.id.as_str());
        containers.push(vec![
            it.id.short().to_owned(),
            it.image.clone(),
            human::size(it.size),
            human::between(it.created, now) + " ago",
            state
                .map_or("removed", |it| super::containers::state(it.state))
                .to_owned(),
            it.name.clone(),
        ]);
    }
    let mut volumes = vec![text(&["VOLUME NAME", "LINKS", "SIZE"])];
    for it in &usage.volumes {
        volumes.push(vec![
            it.name.clone(),
            it.links.to_string(),
            human::size(it.size),
        ]);
    }
    [
        ("Images", images),
        ("Containers", containers),
        ("Local volumes", volumes),
    ]
    .map(|(kind, lines)| format!("{kind} space usage:\n\n{}", align(&lines)))
    .join("\n")
}
