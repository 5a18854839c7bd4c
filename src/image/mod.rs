//! From a name to a root filesystem.
//!
//! Invariants: a blob is never visible before its digest is verified; nothing an archive says is resolved outside the
//! folder it is unpacked into; a layer folder, once named by its diff id, is complete and never written again.

/// The configuration of an image that matters for running it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageConfig {
    /// `ENTRYPOINT`.
    pub entrypoint: Vec<String>,
    /// `CMD`.
    pub cmd: Vec<String>,
    /// `ENV` as `KEY=value`.
    pub env: Vec<String>,
    /// `WORKDIR`; empty = `/`.
    pub working_dir: String,
    /// `USER`; empty = root.
    pub user: String,
    /// `VOLUME` paths.
    pub volumes: Vec<String>,
    /// `EXPOSE`, as `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// `STOPSIGNAL`.
    pub stop_signal: Option<String>,
    /// `HEALTHCHECK`.
    pub healthcheck: Option<ImageHealthcheck>,
    /// `LABEL`.
    pub labels: Vec<(String, String)>,
}

/// An image's `HEALTHCHECK`; zero durations mean "not given".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageHealthcheck {
    /// `["CMD", …]`, `["CMD-SHELL", text]` or `["NONE"]`.
    pub test: Vec<String>,
    /// Time between probes.
    pub interval: std::time::Duration,
    /// Limit of one probe.
    pub timeout: std::time::Duration,
    /// Failures do not count within this time.
    pub start_period: std::time::Duration,
    /// Time between probes in the start period.
    pub start_interval: std::time::Duration,
    /// Consecutive failures.
    pub retries: u32,
}

/// An image ready to run: its layers are unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `sha256:…` of the config (docker's image id); for `host`, of what it is made from.
    pub id: crate::id::Digest,
    /// How to run it.
    pub config: ImageConfig,
    /// Unpacked layer folders, topmost first (overlay's order).
    pub layers: Vec<std::path::PathBuf>,
    /// Host folders bound read-only below everything else (`image: host`: `/usr`), as (host path, path inside).
    pub host_binds: Vec<(std::path::PathBuf, String)>,
}
