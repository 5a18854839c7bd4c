//! A project printed and read back is the same project, whatever is in it.

use hoist::compose::LoadOptions;
use hoist::compose::Loaded;
use hoist::compose::load;
use hoist::compose::load_canonical;
use hoist::compose::render;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9 ./:=,_-]{0,12}",
        "[ \\t\\n\\\\'\"#&*!|>%@`{}\\[\\],:?$-]{0,6}",
        "\\PC{0,8}",
        "(yes|no|null|~|0x1|1e3|1_0|12:30|2001-01-01|\\.5|<<|---)",
        "(a\nb|a\n\nb\n|a\n b\n\n|\ta\n)",
    ]
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{1,6}"
}

fn path() -> impl Strategy<Value = String> {
    "(/[a-z0-9 .]{1,4}[a-z]){1,3}"
}

fn map() -> impl Strategy<Value = Value> {
    let list = vec((word(), text()), 0..3).prop_map(|pairs| {
        let lines = pairs
            .into_iter()
            .map(|(k, v)| Value::from(format!("{k}={v}")));
        Value::Array(lines.collect())
    });
    let map = vec((word(), text()), 0..3)
        .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k, v.into())).collect()));
    prop_oneof![list, map]
}

fn duration() -> impl Strategy<Value = Value> {
    "([0-9]{1,3}(ms|s|m|h)){1,2}|[0-9]\\.[0-9]{1,3}(s|h)|1d".prop_map(Value::from)
}

fn bytes() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[0-9]{1,6}(|b|k|kb|M|mib|g)".prop_map(Value::from),
        (0u32..).prop_map(Value::from),
    ]
}

fn flag() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        "(true|false|yes|off)".prop_map(Value::from),
    ]
}

fn command() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-z]{1,4}( [a-z0-9.-]{1,4}){0,3}".prop_map(Value::from),
        vec(text(), 0..4).prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn port() -> impl Strategy<Value = Value> {
    prop_oneof![
        (1u16..).prop_map(Value::from),
        "(|127.0.0.1:|0.0.0.0:|\\[::1\\]:)[1-9][0-9]{0,3}:[1-9][0-9]{0,3}(|/tcp|/udp)"
            .prop_map(Value::from),
        "[1-3]-[4-6]:[1-9][0-9]{0,3}".prop_map(Value::from),
        "1[0-3]-15:2[0-3]-25"
            .prop_filter("ranges are equally long", |text: &String| {
                text.as_bytes()[1] == text.as_bytes()[7]
            })
            .prop_map(Value::from),
        ((1u16..), option::of(1u16..)).prop_map(|(target, published)| {
            json!({"target": target, "published": published.unwrap_or_default().to_string()})
        }),
    ]
}

fn mount() -> impl Strategy<Value = Value> {
    prop_oneof![
        "(data:|\\./[a-z]{1,3}:|/[a-z]:|)/m/[a-z]{1,5}".prop_map(Value::from),
        "(data:|\\./[a-z]{1,3}:|/[a-z]:)/m/[a-z]{1,5}:(ro|rw|z|ro,rslave)".prop_map(Value::from),
        (path(), any::<bool>(), any::<bool>()).prop_map(|(source, ro, create)| {
            json!({"type": "bind", "source": source, "target": "/n", "read_only": ro,
                   "bind": {"create_host_path": create, "recursive": "disabled"}})
        }),
        (bytes(), 0u32..0o777).prop_map(|(size, mode)| {
            json!({"type": "tmpfs", "target": "/t", "tmpfs": {"size": size, "mode": mode}})
        }),
        option::of(word()).prop_map(|subpath| {
            json!({"type": "volume", "source": "data", "target": "/v",
                   "volume": {"nocopy": true, "subpath": subpath}})
        }),
    ]
}

fn healthcheck() -> impl Strategy<Value = Value> {
    let test = prop_oneof![
        text().prop_map(Value::from),
        text().prop_map(|text| json!(["CMD-SHELL", text])),
        vec(text(), 1..3).prop_map(|mut words| {
            words.insert(0, "CMD".to_owned());
            words.into()
        }),
        Just(json!(["NONE"])),
    ];
    (test, option::of(duration()), option::of(0u8..)).prop_map(
        |(test, interval, retries)| json!({"test": test, "interval": interval, "retries": retries}),
    )
}

/// One attribute of a service.
fn attribute() -> impl Strategy<Value = (&'static str, Value)> {
    let texts = || {
        vec(word(), 0..3).prop_map(|words| {
            let all: std::collections::BTreeSet<String> = words.into_iter().collect();
            Value::from(all.into_iter().collect::<Vec<_>>())
        })
    };
    let first = prop_oneof![
        command().prop_map(|v| ("command", v)),
        command().prop_map(|v| ("entrypoint", v)),
        map().prop_map(|v| ("environment", v)),
        map().prop_map(|v| ("labels", v)),
        map().prop_map(|v| ("annotations", v)),
        healthcheck().prop_map(|v| ("healthcheck", v)),
        vec(port(), 0..4).prop_map(|v| ("ports", v.into())),
        vec(mount(), 0..4).prop_map(|v| ("volumes", v.into())),
        duration().prop_map(|v| ("stop_grace_period", v)),
        bytes().prop_map(|v| ("mem_limit", v)),
    ];
    let second = prop_oneof![
        bytes().prop_map(|v| ("shm_size", v)),
        (0.0f64..100.0).prop_map(|v| ("cpus", v.into())),
        flag().prop_map(|v| ("privileged", v)),
        flag().prop_map(|v| ("attach", v)),
        flag().prop_map(|v| ("init", v)),
        texts().prop_map(|v| ("dns_search", v)),
        texts().prop_map(|v| ("group_add", v)),
        (0i64..9, 9i64..99).prop_map(|(soft, hard)| {
            (
                "ulimits",
                json!({"nofile": {"soft": soft, "hard": hard}, "nproc": hard}),
            )
        }),
        Just(("networks", json!(["net"]))),
        word().prop_map(|v| (
            "networks",
            json!({"net": {"aliases": [v]}, "default": null})
        )),
    ];
    let third = prop_oneof![
        Just(("secrets", json!(["secret"]))),
        (0u32..0o777).prop_map(|mode| ("configs", json!([{"source": "config", "mode": mode}]))),
        Just(("depends_on", json!(["other"]))),
        Just(("links", json!(["other:alias"]))),
        "/[a-z]{1,3}(|:size=1m|:mode=700,noexec)".prop_map(|v| ("tmpfs", v.into())),
        "/dev/[a-z]{1,3}(|:/dev/x)(|:r|:rw)".prop_map(|v| ("devices", json!([v]))),
        map().prop_map(|v| ("sysctls", v)),
        text().prop_map(|v| ("x-own", json!({"deep": [v]}))),
        (0u8..3, duration()).prop_map(|(replicas, delay)| {
            let policy = json!({"condition": "on-failure", "delay": delay});
            (
                "deploy",
                json!({"replicas": replicas, "restart_policy": policy}),
            )
        }),
        text().prop_map(|v| ("logging", json!({"driver": "x", "options": {"a": v}}))),
    ];
    prop_oneof![first, second, third]
}

fn document() -> impl Strategy<Value = Value> {
    (vec(attribute(), 0..12), map(), text()).prop_map(|(attributes, labels, inline)| {
        let mut service: Map<String, Value> = Map::new();
        service.insert("image".to_owned(), "image:1".into());
        service.extend(
            attributes
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value)),
        );
        let mut value = json!({
            "name": "p",
            "services": {"one": service, "other": {"image": "x"}},
            "networks": {"net": {"labels": labels, "internal": true}},
            "volumes": {"data": null},
            "secrets": {"secret": {"environment": "SECRET"}},
            "configs": {"config": {"content": inline}},
        });
        escape(&mut value);
        value
    })
}

fn escape(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('$', "$$"),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(fields) => fields.values_mut().for_each(escape),
        _ => {}
    }
}

fn loaded(folder: &Path, text: &str) -> Result<Loaded, String> {
    std::fs::write(folder.join("compose.yaml"), text).unwrap();
    let variables = BTreeMap::from([("SECRET".to_owned(), "one\n$two".to_owned())]);
    let options = LoadOptions::new(folder.to_owned(), variables);
    load(&options).map_err(|problems| problems.to_string())
}

fn tree(loaded: &Loaded) -> Value {
    serde_json::from_str(&render::json(&loaded.canonical)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_project_reads_back_from_each_of_its_texts(document in document()) {
        let folder = tempfile::tempdir().unwrap();
        let Ok(first) = loaded(folder.path(), &document.to_string()) else {
            // Two mounts at one place, for example.
            return Ok(());
        };
        let canonical = load_canonical(&first.canonical.text(), &[]);
        if first.unrunnable.is_empty() {
            prop_assert_eq!(&canonical.unwrap().project, &first.project);
        }
        for text in [render::yaml(&first.canonical), render::json(&first.canonical)] {
            let again = match loaded(folder.path(), &text) {
                Ok(again) => again,
                Err(problems) => return Err(TestCaseError::fail(format!("{problems}\n{text}"))),
            };
            prop_assert_eq!(tree(&again), tree(&first));
            prop_assert_eq!(&again.project, &first.project);
        }
    }
}

/// Found by fuzzing: an empty target is not printed, and the one that is there instead was not known yet.
#[test]
fn what_has_an_empty_target_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    for text in [
        "services: {a: {image: x, secrets: [{source: s, target: ''}]}}\nsecrets: {s: {file: s}}\n",
        "services: {a: {image: x, configs: [{source: c, target: ''}]}}\nconfigs: {c: {file: c}}\n",
        "services: {a: {image: x, devices: ['/dev/null:', '/dev/zero::r', {source: /dev/fuse, target: ''}]}}\n",
    ] {
        let first = loaded(folder.path(), text).unwrap();
        let again = loaded(folder.path(), &render::yaml(&first.canonical)).unwrap();
        assert_eq!(tree(&again), tree(&first), "{text}");
        assert_eq!(again.project, first.project, "{text}");
    }
}

/// Found by fuzzing: a device without a name was printed as one without anything, which is not read.
#[test]
fn a_device_needs_the_name_of_one_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    for device in [":rwm", ":/dev/x", ""] {
        let text = format!("services: {{a: {{image: x, devices: ['{device}']}}}}\n");
        let told = loaded(folder.path(), &text).expect_err(device);
        assert!(told.contains("names no device of the host"), "{told}");
    }
}
