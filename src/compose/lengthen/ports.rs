//! Ports, ranges spread to one entry a container port.

use super::Lengthen;
use crate::compose::parse::values;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;

/// A port and its attributes.
const VALUES: usize = 5;

/// `[[IP:][HOST[-HOST]]:]CONTAINER[-CONTAINER][/PROTOCOL]`, item by item.
pub fn ports(walk: &mut Lengthen<'_>, node: &mut Node) {
    let Value::List(items) = &mut node.value else {
        return;
    };
    let mut spread = Vec::with_capacity(items.len());
    for (index, mut item) in items.drain(..).enumerate() {
        let text = match &item.value {
            Value::String(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            _ => {
                spread.push(item);
                continue;
            }
        };
        match short(&text, &item) {
            Ok(entries) if affords(walk, &item, entries.len()) => spread.extend(entries),
            Ok(_) => spread.push(item),
            Err(problem) => {
                let mark = walk.path.index(index);
                walk.below(mark, |walk| walk.invalid(item.span, problem));
                item.spoil();
                spread.push(item);
            }
        }
    }
    node.value = Value::List(spread);
}

/// Whether what a port is written out to may still be had: it must be known before the next range is.
fn affords(walk: &mut Lengthen<'_>, item: &Node, ports: usize) -> bool {
    walk.budget.take(ports * VALUES, item.span, walk.report)
}

/// The same where a port may be a variable; then all stay as they are written.
pub fn ports_if_clear(node: &mut Node) {
    let Value::List(items) = &node.value else {
        return;
    };
    let spread = items.iter().map(|item| match &item.value {
        Value::String(text) => short(text, item),
        Value::Int(number) => short(&number.to_string(), item),
        _ => Ok(vec![item.clone()]),
    });
    if let Ok(spread) = spread.collect::<Result<Vec<_>, _>>() {
        node.value = Value::List(spread.concat());
    }
}

fn short(text: &str, item: &Node) -> Result<Vec<Node>, String> {
    let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = if protocol.is_empty() { "tcp" } else { protocol };
    if !matches!(protocol.to_lowercase().as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!(
            "`{protocol}` is not a protocol: use `tcp` or `udp`"
        ));
    }
    let (rest, container) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (ip, host) = rest.rsplit_once(':').unwrap_or(("", rest));
    if container.is_empty() {
        return Err(format!("`{text}` names no container port"));
    }
    let ip = match ip {
        "" => None,
        ip => Some(values::address(ip)?.to_string()),
    };
    let targets = values::port_range(container)?;
    if targets.0 == 0 {
        return Err(format!("`{text}` names no container port"));
    }
    let published = match host {
        "" => None,
        range => Some(values::port_range(range)?),
    };
    let pairs = spread(targets, published)
        .ok_or_else(|| format!("the port ranges of `{text}` are not equally long"))?;
    let entry = |(target, published): (u16, Option<String>)| {
        let text_of = |text: &str| Value::String(text.to_owned());
        let mut fields = vec![("mode", text_of("ingress"))];
        fields.extend(ip.as_deref().map(|ip| ("host_ip", text_of(ip))));
        fields.push(("target", Value::Int(i64::from(target))));
        fields.extend(published.map(|published| ("published", Value::String(published))));
        fields.push(("protocol", text_of(&protocol.to_lowercase())));
        let mut entry = Node::mapping(item.span, fields);
        entry.tag = item.tag;
        entry.history = item.history.clone();
        entry
    };
    Ok(pairs.into_iter().map(entry).collect())
}

/// Pairs container ports with host ports.
fn spread(container: (u16, u16), host: Option<(u16, u16)>) -> Option<Vec<(u16, Option<String>)>> {
    let targets = container.0..=container.1;
    let Some((first, last)) = host else {
        return Some(targets.map(|target| (target, None)).collect());
    };
    if container.0 == container.1 {
        let published = match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        return Some(vec![(container.0, Some(published))]);
    }
    if container.1 - container.0 != last - first {
        return None;
    }
    let published = (first..=last).map(|port| Some(port.to_string()));
    Some(targets.zip(published).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::source::Span;

    fn shown(text: &str) -> String {
        let item = Node::text(text, Span::default());
        let entry = |node: &Node| {
            let at = |key: &str| node.get(key).and_then(Node::scalar).unwrap_or_default();
            let keys = ["host_ip", "published", "target", "protocol"];
            keys.map(at).join(" ")
        };
        match short(text, &item) {
            Ok(entries) => entries.iter().map(entry).collect::<Vec<_>>().join("; "),
            Err(problem) => problem,
        }
    }

    #[test]
    fn short_forms_are_spread_to_one_entry_a_container_port() {
        for (text, wanted) in [
            ("80", "  80 tcp"),
            ("8080:80", " 8080 80 tcp"),
            ("8080:80/udp", " 8080 80 udp"),
            ("127.0.0.1:8080:80", "127.0.0.1 8080 80 tcp"),
            ("127.0.0.1::80", "127.0.0.1  80 tcp"),
            ("[::1]:8080:80", "::1 8080 80 tcp"),
            ("::1:8080:80", "::1 8080 80 tcp"),
            ("8000-8001:80", " 8000-8001 80 tcp"),
            ("1-2:3-4", " 1 3 tcp;  2 4 tcp"),
            ("3-4", "  3 tcp;   4 tcp"),
            (
                "1-2:3-5",
                "the port ranges of `1-2:3-5` are not equally long",
            ),
            ("99999:80", "`99999` is not a port number (0 to 65535)"),
            ("x:80", "`x` is not a port number (0 to 65535)"),
            ("80:", "`80:` names no container port"),
            ("9-8", "the range `9-8` ends before it begins"),
            ("80/icmp", "`icmp` is not a protocol: use `tcp` or `udp`"),
            ("1.2.3:1:2", "`1.2.3` is not an IP address"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }
}
