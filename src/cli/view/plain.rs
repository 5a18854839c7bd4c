//! Progress for pipes, files and CI: a line an event, as docker compose's `--progress plain`.

use super::rows;
use super::style::{Colour, Style};
use crate::state::event::Event;
use crate::state::event::What;

/// One event as a line.
pub fn line(event: &Event, style: Style) -> String {
    if let What::Warning { .. } = event.what {
        return format!("{} {}\n", style.yellow("warning:"), rows::detail(event));
    }
    let (id, text, detail) = (
        rows::id(&event.subject),
        rows::text(&event.what),
        rows::detail(event),
    );
    let text = style.paint(colour(rows::phase(&event.what)), text);
    match (&event.what, detail.is_empty()) {
        (_, true) => format!(" {id}  {text}\n"),
        (What::Failed { .. }, false) => format!(" {id}  {text}: {detail}\n"),
        (_, false) => format!(" {id}  {text} ({detail})\n"),
    }
}

/// The colour of a phase.
pub fn colour(phase: rows::Phase) -> Colour {
    match phase {
        rows::Phase::Working => Colour::Default,
        rows::Phase::Done => Colour::Green,
        rows::Phase::Warning => Colour::Yellow,
        rows::Phase::Failed => Colour::Red,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::event;
    use super::*;

    const PLAIN: Style = Style { colour: false };

    #[test]
    fn each_event_is_one_line() {
        let mut recreate = event("web", 0, What::Recreating);
        recreate.cause = "image changed".into();
        let lines: String = [
            event("db", 0, What::Creating),
            event("db", 0, What::Created),
            recreate,
            event(
                "db",
                0,
                What::Waiting {
                    condition: "healthy".into(),
                },
            ),
            event("db", 0, What::Exited { code: 3, oom: true }),
            event(
                "db",
                0,
                What::Failed {
                    error: "no space\n    db-1 | its last words".into(),
                },
            ),
            event(
                "db",
                0,
                What::Warning {
                    text: "beware".into(),
                },
            ),
        ]
        .iter()
        .map(|event| line(event, PLAIN))
        .collect();
        assert_eq!(
            lines,
            " Container app-db-1  Creating\n \
             Container app-db-1  Created\n \
             Container app-web-1  Recreate (image changed)\n \
             Container app-db-1  Waiting (healthy)\n \
             Container app-db-1  Exited (3, out of memory)\n \
             Container app-db-1  Error: no space\n\
             warning: beware\n"
        );
    }

    #[test]
    fn colour_is_on_the_word_alone() {
        assert_eq!(
            line(&event("db", 0, What::Started), Style { colour: true }),
            " Container app-db-1  \x1b[32mStarted\x1b[0m\n"
        );
    }
}
