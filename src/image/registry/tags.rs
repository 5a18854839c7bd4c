//! The tags of a repository: <https://distribution.github.io/distribution/spec/api/#listing-image-tags>.

use super::answer::{Answer, limited};
use super::ask::Ask;
use super::client::Client;
use super::error::Error;
use super::source::Source;
use crate::image::Name;
use reqwest::header::LINK;
use reqwest::{Method, Url};
use serde::Deserialize;

/// Of one page.
const MAX_PAGE: u64 = 4 << 20;
/// A repository has thousands of tags at most; an endless list is no list.
const MAX_TAGS: usize = 100_000;

#[derive(Deserialize)]
struct Page {
    /// Some registries say `null` for none.
    tags: Option<Vec<String>>,
}

impl Client {
    /// Every tag of a name's repository, in the order of the registry.
    pub fn tags(&self, name: &Name) -> Result<Vec<Name>, Error> {
        let source = Source::new(self, name.domain(), name.path());
        let what = format!("the tags of `{}`", name.repository());
        let list = format!("/v2/{}/tags/list", name.path());
        let mut target = list.clone();
        let mut found = Vec::new();
        loop {
            let (page, next) = source.each(|at| {
                let answer = self.ask(at, &source.scope, &Ask::new(Method::GET, &target), &what)?;
                self.page(answer, &what)
            })?;
            let empty = page.is_empty();
            // A tag that is none names nothing that could be fetched.
            found.extend(page.iter().filter_map(|tag| name.with_tag(tag)));
            match next {
                Some(next) if !empty && found.len() < MAX_TAGS => {
                    target = format!("{list}?{next}");
                }
                _ => return Ok(found),
            }
        }
    }

    /// The tags of one page, and where the next one is.
    fn page(&self, answer: Answer, what: &str) -> Result<(Vec<String>, Option<String>), Error> {
        let host = answer.host.clone();
        let next = next(&answer);
        let bytes = limited(answer, MAX_PAGE, &self.settings.patience)?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|error| Error::Answer {
            host,
            what: what.to_owned(),
            why: format!("it is no list of tags: {error}"),
        })?;
        Ok((page.tags.unwrap_or_default(), next))
    }
}

/// What is asked of the same list to have the next page: the query of `Link: <…>; rel="next"`, whatever host and path
/// that names.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.response.headers().get(LINK)?.to_str().ok()?;
    next_page(answer.response.url(), link)
}

fn next_page(asked: &Url, link: &str) -> Option<String> {
    let mut links = link.split(',').filter_map(|link| {
        let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
        let mut parts = rest.split(';').map(|part| part.trim().replace('"', ""));
        parts.any(|part| part == "rel=next").then_some(target)
    });
    let url = asked.join(links.next()?).ok()?;
    url.query().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_asked_of_the_same_list() {
        let asked = Url::parse("https://registry.test/v2/a/b/tags/list?n=2").unwrap();
        let next = |link: &str| next_page(&asked, link);
        for link in [
            r#"</v2/a/b/tags/list?last=x&n=2>; rel="next""#,
            r#"<list?last=x&n=2>; rel=next"#,
            r#"</first?n=1>; rel="first", <https://evil.test/v2/other?last=x&n=2>;rel="next""#,
        ] {
            assert_eq!(next(link).as_deref(), Some("last=x&n=2"), "{link}");
        }
        for link in [
            "",
            "</x?a>",
            r#"</x?a>; rel="prev""#,
            "nonsense",
            "</x>; rel=next",
        ] {
            assert_eq!(next(link), None, "{link}");
        }
    }
}
