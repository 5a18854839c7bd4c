//! Docker's `--filter` for images.

use super::{ImageSummary, Store};
use crate::image::oci::{self, ConfigFile};
use crate::image::{Error, Name};
use std::collections::BTreeMap;

/// Which images are meant; all parts must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    dangling: Option<bool>,
    references: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    before: Vec<String>,
    since: Vec<String>,
    until: Option<jiff::Timestamp>,
}

impl Filter {
    /// Reads `key=value` texts. Several references mean any of them.
    pub fn parse(texts: &[String]) -> Result<Self, Error> {
        let mut filter = Self::default();
        for text in texts {
            let invalid = || Error::Filter { text: text.clone() };
            let (key, value) = text.split_once('=').ok_or_else(invalid)?;
            match key {
                "dangling" => {
                    filter.dangling = Some(match value {
                        "true" | "1" => true,
                        "false" | "0" => false,
                        _ => return Err(invalid()),
                    });
                }
                "reference" => filter.references.push(value.to_owned()),
                "label" => filter.labels.push(match value.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (value.to_owned(), None),
                }),
                "before" => filter.before.push(value.to_owned()),
                "since" => filter.since.push(value.to_owned()),
                "until" => filter.until = Some(time(value).ok_or_else(invalid)?),
                _ => return Err(invalid()),
            }
        }
        Ok(filter)
    }

    /// Another reference that is meant.
    #[must_use]
    pub fn or_reference(mut self, pattern: &str) -> Self {
        self.references.push(pattern.to_owned());
        self
    }

    /// Whether it says something of dangling images.
    pub fn names_dangling(&self) -> bool {
        self.dangling.is_some()
    }

    fn takes_name(&self, name: &str) -> bool {
        let fits = |pattern: &String| {
            let repository = Name::parse(name).ok().map(|it| it.repository());
            glob(pattern, name) || repository.is_some_and(|it| glob(pattern, &it))
        };
        self.references.is_empty() || self.references.iter().any(fits)
    }
}

/// A moment, a day, seconds since 1970, or how long ago as Go writes durations.
fn time(text: &str) -> Option<jiff::Timestamp> {
    let ago = || {
        let span: jiff::SignedDuration = text.parse().ok()?;
        jiff::Timestamp::now().checked_sub(span).ok()
    };
    let day = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(
            date.to_zoned(jiff::tz::TimeZone::system())
                .ok()?
                .timestamp(),
        )
    };
    let seconds = || jiff::Timestamp::from_second(text.parse().ok()?).ok();
    text.parse().ok().or_else(seconds).or_else(ago).or_else(day)
}

/// Shell patterns as docker's: `*` and `?` do not match a slash.
fn glob(pattern: &str, text: &str) -> bool {
    let mut chars = pattern.chars();
    match chars.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = chars.as_str();
            let mut tail = text;
            loop {
                if glob(rest, tail) {
                    return true;
                }
                let mut left = tail.chars();
                match left.next() {
                    None | Some('/') => return false,
                    Some(_) => tail = left.as_str(),
                }
            }
        }
        Some(wanted) => {
            let mut left = text.chars();
            let fits = left
                .next()
                .is_some_and(|c| c == wanted || wanted == '?' && c != '/');
            fits && glob(chars.as_str(), left.as_str())
        }
    }
}

impl Store {
    /// The images that a filter means, newest first, with the names that it means.
    pub fn filtered(&self, filter: &Filter) -> Result<Vec<ImageSummary>, Error> {
        let index = self.index()?;
        let mut images = self.summaries(&index)?;
        let created = |text: &String| {
            let id = self.id_of(self.find(&index, text)?)?;
            let image = images.iter().find(|image| image.id == id);
            Ok(image.and_then(|image| image.created))
        };
        let before: Vec<_> = filter
            .before
            .iter()
            .map(created)
            .collect::<Result<_, Error>>()?;
        let since: Vec<_> = filter
            .since
            .iter()
            .map(created)
            .collect::<Result<_, Error>>()?;
        let until = filter.until;
        let mut error = None;
        images.retain_mut(|image| {
            let dangling = image.names.is_empty();
            image.names.retain(|name| filter.takes_name(name));
            let named = filter.references.is_empty() || !image.names.is_empty();
            let timely = before.iter().all(|time| image.created < *time)
                && since.iter().all(|time| image.created > *time)
                && until.is_none_or(|until| image.created.is_some_and(|time| time < until));
            let mut labelled = || match self.has_labels(image, &filter.labels) {
                Ok(has) => has,
                Err(failed) => {
                    error = Some(failed);
                    false
                }
            };
            named && timely && filter.dangling.is_none_or(|it| it == dangling) && labelled()
        });
        error.map_or(Ok(images), Err)
    }

    fn has_labels(
        &self,
        image: &ImageSummary,
        wanted: &[(String, Option<String>)],
    ) -> Result<bool, Error> {
        if wanted.is_empty() {
            return Ok(true);
        }
        let labels = self.labels(image)?;
        Ok(wanted.iter().all(|(key, value)| {
            let found = labels.get(key);
            found.is_some_and(|it| value.as_ref().is_none_or(|value| it == value))
        }))
    }

    /// The labels of an image.
    pub fn labels(&self, image: &ImageSummary) -> Result<BTreeMap<String, String>, Error> {
        let bytes = self.read_blob(&image.id)?;
        let config: ConfigFile = oci::parse(image.id.as_str(), &bytes)?;
        Ok(config.config.and_then(|it| it.labels).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, text, fits) in [
            ("redis", "redis", true),
            ("redis", "redis:7", false),
            ("redis*", "redis:7", true),
            ("*/app", "me/app", true),
            ("*", "me/app", false),
            ("r?dis", "redis", true),
            ("me?app", "me/app", false),
            ("*7", "redis:7", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for bad in ["dangling", "dangling=maybe", "colour=red", "until=soon"] {
            assert!(Filter::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
        for good in [
            "until=24h",
            "until=2024-01-02",
            "until=1700000000",
            "until=2024-01-02T03:04:05Z",
        ] {
            assert!(Filter::parse(&[good.to_owned()]).is_ok(), "{good}");
        }
    }
}
