//! The part of an image's configuration that matters for running it.

use super::oci::{Healthcheck, RunConfig};
use std::collections::BTreeMap;
use std::time::Duration;

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
    pub interval: Duration,
    /// Limit of one probe.
    pub timeout: Duration,
    /// Failures do not count within this time.
    pub start_period: Duration,
    /// Time between probes in the start period.
    pub start_interval: Duration,
    /// Consecutive failures.
    pub retries: u32,
}

impl From<RunConfig> for ImageConfig {
    fn from(wire: RunConfig) -> Self {
        let keys = |map: Option<BTreeMap<String, serde_json::Value>>| {
            map.unwrap_or_default().into_keys().collect()
        };
        Self {
            entrypoint: wire.entrypoint.unwrap_or_default(),
            cmd: wire.cmd.unwrap_or_default(),
            env: wire.env.unwrap_or_default(),
            working_dir: wire.working_dir.unwrap_or_default(),
            user: wire.user.unwrap_or_default(),
            volumes: keys(wire.volumes),
            exposed_ports: keys(wire.exposed_ports),
            stop_signal: wire.stop_signal.filter(|signal| !signal.is_empty()),
            healthcheck: wire.healthcheck.and_then(healthcheck),
            labels: wire.labels.unwrap_or_default().into_iter().collect(),
        }
    }
}

/// An empty test means "inherit", which at the end of the chain is no check.
fn healthcheck(wire: Healthcheck) -> Option<ImageHealthcheck> {
    let nanoseconds = |n: i64| Duration::from_nanos(n.max(0).unsigned_abs());
    let test = wire.test.filter(|test| !test.is_empty())?;
    Some(ImageHealthcheck {
        test,
        interval: nanoseconds(wire.interval),
        timeout: nanoseconds(wire.timeout),
        start_period: nanoseconds(wire.start_period),
        start_interval: nanoseconds(wire.start_interval),
        retries: u32::try_from(wire.retries.max(0)).unwrap_or(u32::MAX),
    })
}

impl From<ImageConfig> for RunConfig {
    fn from(config: ImageConfig) -> Self {
        let list = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let text = |text: String| (!text.is_empty()).then_some(text);
        let set = |keys: Vec<String>| {
            let empty = || serde_json::Value::Object(serde_json::Map::new());
            (!keys.is_empty()).then(|| keys.into_iter().map(|key| (key, empty())).collect())
        };
        Self {
            user: text(config.user),
            exposed_ports: set(config.exposed_ports),
            env: list(config.env),
            entrypoint: list(config.entrypoint),
            cmd: list(config.cmd),
            healthcheck: config.healthcheck.map(Healthcheck::from),
            volumes: set(config.volumes),
            working_dir: text(config.working_dir),
            labels: (!config.labels.is_empty()).then(|| config.labels.into_iter().collect()),
            stop_signal: config.stop_signal,
        }
    }
}

impl From<ImageHealthcheck> for Healthcheck {
    fn from(check: ImageHealthcheck) -> Self {
        let nanoseconds = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        Self {
            test: Some(check.test),
            interval: nanoseconds(check.interval),
            timeout: nanoseconds(check.timeout),
            start_period: nanoseconds(check.start_period),
            start_interval: nanoseconds(check.start_interval),
            retries: i64::from(check.retries),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_survives_the_wire() {
        let config = ImageConfig {
            entrypoint: vec!["/e".into()],
            env: vec!["A=b".into()],
            volumes: vec!["/data".into()],
            exposed_ports: vec!["80/tcp".into()],
            healthcheck: Some(ImageHealthcheck {
                test: vec!["CMD".into(), "x".into()],
                interval: Duration::from_millis(1500),
                retries: 3,
                ..ImageHealthcheck::default()
            }),
            labels: vec![("k".into(), "v".into())],
            ..ImageConfig::default()
        };
        let text = serde_json::to_string(&RunConfig::from(config.clone())).unwrap();
        let back: RunConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(ImageConfig::from(back), config);
    }

    #[test]
    fn nulls_of_go_read_as_empty() {
        let wire: RunConfig = serde_json::from_str(
            r#"{"User":"","Env":null,"Cmd":null,"Volumes":null,"Labels":null,"OnBuild":null,"Healthcheck":{"Test":[]}}"#,
        )
        .unwrap();
        assert_eq!(ImageConfig::from(wire), ImageConfig::default());
    }
}
