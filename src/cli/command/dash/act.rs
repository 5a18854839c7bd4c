//! What a key does to the containers of a service: a verb of the engine, in a thread of its own.

use super::feed::Look;
use crate::cli::view::dash::Said;
use crate::engine;
use crate::engine::{Engine, Select, Start};
use crate::id::ProjectName;
use crate::id::ServiceName;

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Start what does not run.
    Start,
    /// Stop what runs.
    Stop,
    /// One after the other.
    Restart,
    /// Freeze.
    Pause,
    /// Let go on.
    Unpause,
}

impl Act {
    /// While it is done.
    pub fn doing(self) -> &'static str {
        match self {
            Self::Start => "starting",
            Self::Stop => "stopping",
            Self::Restart => "restarting",
            Self::Pause => "pausing",
            Self::Unpause => "unpausing",
        }
    }

    /// When it is done.
    fn done(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Restart => "restarted",
            Self::Pause => "paused",
            Self::Unpause => "unpaused",
        }
    }
}

/// Begins it; how it went is said when the table shows it: a key that is pressed after the words finds what they say.
pub fn begin(engine: Engine, project: ProjectName, service: String, act: Act, looks: Look) {
    std::thread::spawn(move || {
        let is_error;
        let text = match run(&engine, &project, &service, act) {
            Ok(()) => {
                is_error = false;
                format!("{service} {}", act.done())
            }
            Err(error) => {
                is_error = true;
                let causes = error.causes();
                let words = std::iter::once(error.to_string()).chain(causes);
                words.collect::<Vec<_>>().join(": ")
            }
        };
        // Nobody looks any more if the project is gone, or the dash.
        let _ = looks.send(Some(Said { text, is_error }));
    });
}

fn run(
    engine: &Engine,
    project: &ProjectName,
    service: &str,
    act: Act,
) -> Result<(), engine::Error> {
    let services: Vec<ServiceName> = ServiceName::new(service).into_iter().collect();
    let request = Select {
        services: services.clone(),
        ..Select::default()
    };
    // What happens on the way is seen in the table.
    let mut on_event = |_: &_| ();
    let reply = match act {
        Act::Start => {
            let request = Start {
                services,
                ..Start::default()
            };
            engine::start(engine, project, request, &mut on_event)
        }
        Act::Stop => engine::stop(engine, project, request, &mut on_event),
        Act::Restart => engine::restart(engine, project, request, &mut on_event),
        Act::Pause => engine::pause(engine, project, request, &mut on_event),
        Act::Unpause => engine::unpause(engine, project, request, &mut on_event),
    };
    reply.map(drop)
}
