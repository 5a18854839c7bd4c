//! What is told of a container's health probes.

use serde::{Deserialize, Serialize};

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeSummary {
    /// When it began, nanoseconds since the epoch.
    pub start: i64,
    /// When it ended.
    pub end: i64,
    /// Exit code; -1 if there is none, as it took too long or could not be made.
    pub code: i32,
    /// What it said.
    pub output: String,
}
