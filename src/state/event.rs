//! What happened, as data. Views render it, the journal keeps it, `hoist events` prints it.

use serde::{Deserialize, Serialize};

/// One thing that happened in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    /// To what.
    pub subject: Subject,
    /// What.
    pub what: What,
    /// Why, in words for a user (`image changed`), empty if evident.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// When it ends at the latest, nanoseconds since the epoch: a stop that takes longer than its grace is a kill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// The project as a whole.
    Project,
    /// A container.
    Container {
        /// Its name, e.g. `app-web-1`.
        name: String,
        /// Its service.
        service: String,
        /// Its full id.
        id: String,
    },
    /// A network by its full name.
    Network(String),
    /// A volume by its full name.
    Volume(String),
    /// An image by reference.
    Image(String),
}

/// What happened. The `-ing` forms open a span that the past form (or `Failed`) closes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum What {
    Creating,
    Created,
    Starting,
    Started,
    /// A dependent or `--wait` waits for it (for the named condition).
    Waiting {
        condition: String,
    },
    Healthy,
    Unhealthy,
    /// Present and left as it is.
    Running,
    Stopping,
    Stopped,
    Killing,
    Killed,
    Pausing,
    Paused,
    Unpausing,
    Unpaused,
    Removing,
    Removed,
    Recreating,
    Recreated,
    /// It gets the names and ports that the container it replaces had.
    TakingOver,
    TookOver,
    Restarting,
    Pulling,
    Pulled,
    Pushing,
    Pushed,
    /// Nothing had to be done.
    Skipped,
    /// On its way here: bytes so far, of so many, and so many a second.
    Downloading {
        done: u64,
        total: u64,
        rate: u64,
    },
    /// On its way to a registry.
    Uploading {
        done: u64,
        total: u64,
        rate: u64,
    },
    /// PID 1 ended.
    Exited {
        code: i32,
        oom: bool,
    },
    /// The step failed; the text says why.
    Failed {
        error: String,
    },
    /// Something the user should know.
    Warning {
        text: String,
    },
}
