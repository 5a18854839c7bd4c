//! Errors: `error:` what happened, to which thing; then why; then one hint that can be typed.

use super::View;
use super::json;
use super::progress::Mode;
use super::style::Style;
use crate::cli::exit::Error;
use crate::compose::SourceMap;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::diagnostic::Diagnostics;

/// Errors of the compose file are drawn to this width if stderr has none.
const WIDTH: usize = 100;

impl View {
    /// Shows why the command failed.
    pub fn error(&self, error: &Error) {
        if error.is_silent() {
            return;
        }
        let (message, causes, hint) = (error.to_string(), error.causes(), error.hint());
        let hint = hint.map(|hint| self.as_called(&hint));
        if let (Mode::Json, Error::Compose(found)) = (self.mode, error) {
            self.say(&found.json_lines());
        } else if self.mode == Mode::Json {
            self.say(&json::error(&message, &causes, hint.as_deref()));
        } else if let Error::Compose(diagnostics) = error {
            self.say(&diagnostics.render(self.stderr.colour, self.width()));
        } else {
            let text = text(&message, &causes, hint.as_deref(), self.stderr.style());
            self.say(&text);
        }
    }

    /// Shows what is worth saying about a compose file that is sound.
    pub fn warnings(&self, list: &[Diagnostic], sources: &SourceMap) {
        if list.is_empty() {
            return;
        }
        let found = Diagnostics {
            list: list.to_vec(),
            sources: sources.clone(),
        };
        match self.mode {
            Mode::Json => self.say(&found.json_lines()),
            _ => self.say(&found.render(self.stderr.colour, self.width())),
        }
    }

    /// Columns of stderr.
    pub fn width(&self) -> usize {
        super::facts::size(std::io::stderr()).map_or(WIDTH, |(columns, _)| columns)
    }
}

/// Writes an error and its causes on one line, as a log wants it.
pub fn log(error: &dyn std::error::Error) {
    use std::io::Write;
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    // Nobody is left to tell if the log cannot be written.
    let _ = writeln!(std::io::stderr(), "error: {text}");
}

/// The error as lines.
fn text(message: &str, causes: &[String], hint: Option<&str>, style: Style) -> String {
    let mut text = format!("{} {message}\n", style.red("error:"));
    for cause in causes {
        text.push_str(&format!("  cause: {cause}\n"));
    }
    if let Some(hint) = hint {
        text.push_str(&format!("{} {hint}\n", style.cyan("hint:")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_causes_and_hint_have_a_line_each() {
        assert_eq!(
            text(
                "cannot start `app-web-1`",
                &["port 80 is taken".into(), "by `nginx`".into()],
                Some("stop it"),
                Style { colour: false }
            ),
            "error: cannot start `app-web-1`\n  cause: port 80 is taken\n  cause: by `nginx`\nhint: stop it\n"
        );
    }
}
