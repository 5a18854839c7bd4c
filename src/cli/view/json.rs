//! Progress for programs: a JSON object an event, with the field names of docker compose and some of ours.

use super::rows::{self, Phase};
use crate::state::event::Event;
use crate::state::event::Subject;
use crate::state::event::What;
use serde_json::{Map, Value};

/// One event as a line.
pub fn line(event: &Event) -> String {
    let mut object = Map::new();
    let mut put = |key: &str, value: String| {
        if !value.is_empty() {
            object.insert(key.to_owned(), Value::String(value));
        }
    };
    put("time", super::lines::timestamp(event.time));
    put("id", rows::id(&event.subject));
    put("status", status(rows::phase(&event.what)).to_owned());
    put("text", rows::text(&event.what));
    put("details", rows::full_detail(event));
    if let What::Downloading { done, total, .. } | What::Uploading { done, total, .. } = event.what
    {
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(0);
        object.insert("current".to_owned(), done.into());
        object.insert("total".to_owned(), total.into());
        object.insert("percent".to_owned(), percent.into());
        return Value::Object(object).to_string() + "\n";
    }
    let mut put = |key: &str, value: String| {
        object.insert(key.to_owned(), Value::String(value));
    };
    if let Subject::Container { service, id, .. } = &event.subject {
        put("service", service.clone());
        put("container", id.clone());
    }
    Value::Object(object).to_string() + "\n"
}

/// docker compose's word for a phase.
fn status(phase: Phase) -> &'static str {
    match phase {
        Phase::Working => "Working",
        Phase::Done => "Done",
        Phase::Warning => "Warning",
        Phase::Failed => "Error",
    }
}

/// An error of the command as a line.
pub fn error(message: &str, causes: &[String], hint: Option<&str>) -> String {
    let mut object = Map::new();
    object.insert("error".to_owned(), true.into());
    object.insert("message".to_owned(), message.into());
    if !causes.is_empty() {
        object.insert("causes".to_owned(), causes.into());
    }
    if let Some(hint) = hint {
        object.insert("hint".to_owned(), hint.into());
    }
    Value::Object(object).to_string() + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::event;
    use super::*;

    #[test]
    fn an_event_is_one_object_with_docker_composes_names() {
        let failed = event(
            "db",
            1,
            What::Failed {
                error: "a\nb".into(),
            },
        );
        let zeros = "0".repeat(64);
        assert_eq!(
            line(&failed),
            format!(
                concat!(
                    r#"{{"time":"1970-01-01T00:00:00.001000000Z","id":"Container app-db-1","status":"Error","#,
                    r#""text":"Error","details":"a b","service":"db","container":"{}"}}"#,
                    "\n"
                ),
                zeros
            )
        );
    }

    #[test]
    fn an_error_is_one_object() {
        assert_eq!(
            error("no", &["because".into()], None),
            "{\"error\":true,\"message\":\"no\",\"causes\":[\"because\"]}\n"
        );
    }
}
