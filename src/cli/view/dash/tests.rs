//! Screens of a board, as text.

use super::*;
use crate::cli::view::containers::tests::container;
use crate::cli::view::facts::Facts;
use crate::engine::ContainerState;
use crate::engine::HealthState;
use crate::engine::PortSummary;
use crate::engine::Usage;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const MINUTE: i64 = 60_000_000_000;

fn theme(unicode: bool) -> Theme {
    Theme::of(Facts {
        terminal: true,
        colour: false,
        unicode,
    })
}

fn screen(board: &Board, (columns, rows): (u16, u16), unicode: bool) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let painted = terminal.draw(|frame| paint(board, theme(unicode), 10 * MINUTE, frame));
    let buffer = painted.unwrap().buffer.clone();
    let line = |y| -> String { (0..columns).map(|x| buffer[(x, y)].symbol()).collect() };
    let lines = (0..rows).map(|y| line(y).trim_end().to_owned() + "\n");
    lines.collect()
}

/// The line that has this text, blanks counted once.
fn line(screen: &str, text: &str) -> String {
    let found = screen.lines().find(|line| line.contains(text));
    let found = found.unwrap_or_else(|| panic!("no `{text}` in\n{screen}"));
    found.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn row(service: &str, order: i64, text: &str) -> LogRow {
    LogRow {
        order: 0,
        time: order,
        name: format!("{service}-1").into(),
        service: service.into(),
        is_error: false,
        text: text.into(),
    }
}

/// A web server, what it needs, and a job that failed.
fn board() -> Board {
    let mut board = Board {
        project: Some("shop".to_owned()),
        ..Board::default()
    };
    let needs = [
        ("web", vec![("api", "healthy")]),
        ("api", vec![("db", "healthy"), ("job", "completed")]),
        ("db", vec![]),
        ("job", vec![]),
        ("later", vec![]),
    ];
    let needs = needs.map(|(name, of)| {
        let of = of
            .into_iter()
            .map(|(name, on): (&str, _)| (name.to_owned(), on));
        (name.to_owned(), of.collect())
    });
    board.needs.insert("shop".to_owned(), Needs(needs.into()));
    let mut all = ["web", "api", "db", "job"].map(container);
    for (at, it) in all.iter_mut().enumerate() {
        it.id = at.to_string();
        it.health = None;
    }
    all[0].ports = vec![PortSummary {
        host_ip: "0.0.0.0".to_owned(),
        published: 8080,
        target: 80,
        protocol: "tcp".to_owned(),
    }];
    all[1].health = Some(HealthState::Healthy);
    all[3].state = ContainerState::Exited;
    all[3].exit_code = Some(3);
    all[3].finished = 8 * MINUTE;
    board.contains("shop", all.into());
    for second in 0..4_u64 {
        let usage = |id: &str, share: u64, memory| Usage {
            id: id.to_owned(),
            time: second as i64 * 1_000_000_000,
            cpu: Some(second * second * share * 1_000_000),
            memory: Some(memory),
            ..Usage::default()
        };
        board.uses(
            "shop",
            &[
                usage("0", 100, 24 << 20),
                usage("1", 20, (second + 1) << 20),
            ],
        );
    }
    for (at, text) in ["GET / 200", "GET /missing 404", "GET / 200"]
        .iter()
        .enumerate()
    {
        board.log.kept.push("shop", row("web", at as i64, text));
    }
    board.log.kept.push("shop", row("api", 1, "asked"));
    board
}

#[test]
fn services_are_above_and_what_the_selected_one_writes_below() {
    let text = screen(&board(), (130, 20), true);
    let header = line(&text, " hoist ");
    assert!(
        header.starts_with("hoist shop 3 of 4 running · 1 in trouble"),
        "{text}"
    );
    assert!(header.ends_with("cpu 60.0% · memory 28.0MiB"), "{text}");
    let web = line(&text, "● web");
    assert!(
        web.starts_with("│● web running") && web.contains("50.0%"),
        "{text}"
    );
    assert!(
        web.contains("24.0MiB 8080→80") && web.contains("5 minutes"),
        "{text}"
    );
    assert!(line(&text, "● api").contains("healthy"), "{text}");
    assert!(line(&text, "job").starts_with("│● job exited 3"), "{text}");
    assert!(
        line(&text, "later").starts_with("│· later not created"),
        "{text}"
    );
    assert!(
        text.contains("│GET /missing 404") && !text.contains("asked"),
        "{text}"
    );
    assert!(
        text.trim_end()
            .lines()
            .last()
            .unwrap()
            .contains(" s  stop "),
        "{text}"
    );
}

#[test]
fn a_narrow_screen_has_fewer_columns_and_only_ascii_where_that_is_all_there_is() {
    let text = screen(&board(), (60, 20), false);
    assert!(text.is_ascii(), "{text}");
    assert!(text.contains("HEALTH") && !text.contains("CPU"), "{text}");
    assert!(line(&text, "* web").starts_with("|* web running"), "{text}");
}

#[test]
fn the_graph_shows_who_waits_for_whom_and_what_fails() {
    let mut board = board();
    board.show(Pane::Graph);
    board.select(1);
    let text = screen(&board, (80, 24), true);
    assert!(text.contains("│● web  running"), "{text}");
    assert!(
        text.contains("│└─ ● api  healthy  waits until healthy"),
        "{text}"
    );
    assert!(
        text.contains("│   ├─ ● db  running  waits until healthy"),
        "{text}"
    );
    assert!(
        text.contains("│   └─ ● job  exited 3  waits until completed"),
        "{text}"
    );
    assert!(text.contains("│· later  not created"), "{text}");
}

#[test]
fn lines_of_all_services_have_names_and_a_filter_leaves_few() {
    let mut board = board();
    board.log.all = true;
    let text = screen(&board, (80, 18), true);
    assert!(
        text.contains("api-1 │ asked") && text.contains("web-1 │ GET / 200"),
        "{text}"
    );
    board.log.filter = "MISSING".to_owned();
    let text = screen(&board, (80, 18), true);
    assert_eq!(text.matches("GET").count(), 1, "{text}");
    board.log.filter = "nothing".to_owned();
    assert!(screen(&board, (80, 18), true).contains("no line has `nothing` in it"));
}

#[test]
fn all_that_is_known_is_scrolled_through_to_its_end() {
    let mut board = board();
    board.show(Pane::Inspect);
    let area = Rect::new(0, 0, 80, 20);
    let room = room(&board, theme(true), area);
    assert!(screen(&board, (80, 20), true).contains("\"id\": \"0\""));
    board.scroll = room.beyond;
    let text = screen(&board, (80, 20), true);
    assert!(text.contains("\"RestartCount\": 0"), "{text}");
    board.zoomed = true;
    assert!(!screen(&board, (80, 20), true).contains("Services"));
}

#[test]
fn no_size_is_too_small_and_an_empty_board_is_one() {
    for (columns, rows) in [(1, 1), (3, 2), (10, 5), (20, 12), (200, 3), (2, 60)] {
        let mut board = board();
        for pane in Pane::ALL {
            board.show(pane);
            board.help = !board.help;
            screen(&board, (columns, rows), true);
        }
        screen(&Board::default(), (columns, rows), true);
    }
}
