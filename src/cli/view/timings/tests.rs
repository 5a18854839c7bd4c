use super::path::critical;
use super::*;
use crate::state::event::{Subject, What};

fn container(service: &str) -> Subject {
    Subject::Container {
        name: format!("app-{service}-1"),
        service: service.to_owned(),
        id: service.to_owned(),
    }
}

/// Events at milliseconds.
fn events(all: &[(i64, Subject, What)]) -> Vec<Event> {
    let event = |(time, subject, what): &(i64, Subject, What)| Event {
        time: time * 1_000_000,
        subject: subject.clone(),
        what: what.clone(),
        cause: String::new(),
        until: None,
    };
    all.iter().map(event).collect()
}

fn needs(all: &[(&str, &str, Phase)]) -> Needs {
    let mut needs = Needs::default();
    for (service, other, phase) in all {
        let waits = needs.0.entry((*service).to_owned()).or_default();
        waits.push(((*other).to_owned(), *phase));
    }
    needs
}

/// `db` gets healthy, then `job` does its work, then `web` starts; `cache` has nothing to do with it.
fn stack() -> (Vec<Event>, Needs) {
    let network = || Subject::Network("app_default".into());
    let image = || Subject::Image("db:1".into());
    let (db, job, web, cache) = (
        || container("db"),
        || container("job"),
        || container("web"),
        || container("cache"),
    );
    let exited = What::Exited {
        code: 0,
        oom: false,
    };
    let all = events(&[
        (0, image(), What::Pulling),
        (300, image(), What::Pulled),
        (301, network(), What::Creating),
        (310, network(), What::Created),
        (311, db(), What::Creating),
        (311, cache(), What::Creating),
        (311, job(), What::Creating),
        (311, web(), What::Creating),
        (320, db(), What::Created),
        (321, cache(), What::Created),
        (322, job(), What::Created),
        (323, web(), What::Created),
        (321, db(), What::Starting),
        (322, cache(), What::Starting),
        (340, db(), What::Started),
        (345, cache(), What::Started),
        (1340, db(), What::Healthy),
        (1341, job(), What::Starting),
        (1350, job(), What::Started),
        (1650, job(), exited),
        (1651, web(), What::Starting),
        (1670, web(), What::Started),
    ]);
    let needs = needs(&[
        ("job", "db", Phase::Healthy),
        ("web", "job", Phase::Finish),
        ("web", "cache", Phase::Start),
    ]);
    (all, needs)
}

#[test]
fn the_critical_path_is_the_chain_of_waits() {
    let (events, needs) = stack();
    let rows = rows::of(&events, &needs);
    let path = critical(&rows, &needs);
    let words: Vec<String> = path
        .iter()
        .map(|step| {
            let row = &rows[step.row];
            let phase = row.spans[step.span].phase;
            format!("{} {phase:?} {}", row.name, step.took / 1_000_000)
        })
        .collect();
    assert_eq!(
        words,
        [
            "image db:1 Fetch 300",
            "network app_default Create 10",
            "app-db-1 Create 10",
            "app-db-1 Start 20",
            "app-db-1 Healthy 1000",
            "app-job-1 Start 10",
            "app-job-1 Finish 300",
            "app-web-1 Start 20",
        ]
    );
    let took: i64 = path.iter().map(|step| step.took).sum();
    assert_eq!(took, 1_670_000_000, "the path is all of the time");
}

#[test]
fn only_the_last_time_counts() {
    let (mut all, needs) = stack();
    let web = container("web");
    let later = events(&[
        (9_000, web.clone(), What::Recreating),
        (9_010, web.clone(), What::Recreated),
        (9_011, web.clone(), What::Starting),
        (9_030, web.clone(), What::Started),
        (
            9_500,
            web,
            What::Exited {
                code: 1,
                oom: false,
            },
        ),
    ]);
    all.extend(later);
    let rows = rows::of(&all, &needs);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].spans.len(), 2, "{rows:?}");
    assert_eq!(page("app", &[], &needs), None);
}

#[test]
fn the_page_is_one_file_and_trusts_no_name() {
    let (mut all, needs) = stack();
    for event in &mut all {
        if let Subject::Image(name) = &mut event.subject {
            *name = "<script>alert(1)</script>&\"".to_owned();
        }
    }
    let page = page("app", &all, &needs).unwrap();
    assert!(page.contains("app: up in 1.67 s"), "{page}");
    assert!(page.contains("<b>1 s</b> (59 %) app-db-1 until it is healthy"));
    assert!(page.contains("&lt;script&gt;"));
    for outside in ["<script", "http:", "https:", "src=", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}
