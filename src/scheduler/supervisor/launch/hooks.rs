//! Commands that a service wants run in its containers.

use crate::compose::model;
use crate::compose::model::Service;
use serde::{Deserialize, Serialize};

/// Commands in a container, at turns of its life.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hooks {
    /// Once it runs.
    pub post_start: Vec<Hook>,
    /// Before it is asked to stop.
    pub pre_stop: Vec<Hook>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Argument vector.
    pub args: Vec<String>,
    /// User, if not the service's.
    pub user: Option<String>,
    /// Everything allowed.
    pub privileged: bool,
    /// Working directory, if not the service's.
    pub cwd: Option<String>,
    /// Added to the service's, `KEY=value`.
    pub env: Vec<String>,
}

/// The hooks that run in the container itself.
pub fn hooks(service: &Service) -> Hooks {
    let hook = |hook: &model::Hook| Hook {
        args: hook.command.clone().unwrap_or_default(),
        user: hook.user.clone(),
        privileged: hook.privileged,
        cwd: hook.working_dir.clone(),
        env: hook
            .environment
            .iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)))
            .collect(),
    };
    Hooks {
        post_start: service.life.hooks.post_start.iter().map(hook).collect(),
        pre_stop: service.life.hooks.pre_stop.iter().map(hook).collect(),
    }
}
