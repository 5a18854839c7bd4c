//! Host names to addresses. The binary is static, so the C library's resolver, which loads modules at run time, is out.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

/// Asks `/etc/hosts` and the servers of `/etc/resolv.conf`, and nobody else.
#[derive(Debug, Default, Clone)]
pub(super) struct Resolver {
    /// Made at the first question, inside the event loop that will ask it.
    inner: Arc<OnceLock<TokioResolver>>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let inner = self.inner.clone();
        Box::pin(async move {
            if name.as_str() == "localhost" {
                let both = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                return Ok(addresses(both.to_vec()));
            }
            let resolver = match inner.get() {
                Some(resolver) => resolver,
                None => {
                    let mut builder = TokioResolver::builder_tokio()?;
                    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
                    let made = builder.build()?;
                    inner.get_or_init(|| made)
                }
            };
            let found = resolver.lookup_ip(name.as_str()).await;
            let found = found.map_err(|error| {
                let why = match error.is_no_records_found() {
                    true => "there is no such name".to_owned(),
                    false => error.to_string(),
                };
                let text = format!("cannot resolve `{}`: {why}", name.as_str());
                std::io::Error::other(text)
            })?;
            Ok(addresses(found.iter().collect()))
        })
    }
}

fn addresses(list: Vec<IpAddr>) -> Addrs {
    Box::new(list.into_iter().map(|ip| SocketAddr::new(ip, 0)))
}
