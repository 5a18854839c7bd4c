//! Texts in YAML: bare, in quotes or as a block, chosen as Go's YAML writer chooses, which docker compose uses.
//!
//! Invariant: what is written reads back as the same text, also by readers of YAML 1.1.

use crate::compose::yaml::Value;
use crate::compose::yaml::resolve;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `|` and indented lines.
    Block,
}

/// What is in a text that some styles cannot write.
#[derive(Default)]
struct Traits {
    /// Something that means something else in front or in the middle.
    indicator: bool,
    /// A character that must be escaped.
    special: bool,
    tab: bool,
    edge_space: bool,
    last_space: bool,
    space_before_break: bool,
}

impl Traits {
    fn of(text: &str) -> Self {
        let mut traits = Self {
            indicator: text.starts_with("---") || text.starts_with("..."),
            edge_space: text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']),
            last_space: text.ends_with(' '),
            space_before_break: text.contains(" \n"),
            ..Self::default()
        };
        let mut before = ' ';
        let mut rest = text.chars().peekable();
        let mut first = true;
        while let Some(c) = rest.next() {
            let last = rest.peek().is_none_or(|next| " \t\n".contains(*next));
            traits.indicator |= match c {
                '#' => " \t\n".contains(before),
                ':' => last,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`' => first,
                '?' | '-' => first && last,
                _ => false,
            };
            traits.tab |= c == '\t';
            traits.special |= c != '\t' && !is_printable(c);
            before = c;
            first = false;
        }
        traits
    }
}

/// How `text` is written.
pub fn style(text: &str, is_key: bool) -> Style {
    let traits = Traits::of(text);
    let escaped = traits.special || traits.space_before_break;
    if text.contains('\n') {
        return match escaped || traits.last_space {
            true => Style::Double,
            false => Style::Block,
        };
    }
    // As a key it would merge what follows; docker compose writes it bare and cannot read it back.
    let merges = is_key && text == "<<";
    if escaped || traits.tab || merges || is_typed(text) {
        return Style::Double;
    }
    match traits.indicator || traits.edge_space {
        true => Style::Single,
        false => Style::Plain,
    }
}

/// Line ends but `\n` count as not printable: they are escaped. So is what does not fit into 16 bits.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

/// Texts that some reader of YAML takes for a number, a boolean, a time or nothing.
fn is_typed(text: &str) -> bool {
    let old = [
        "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off",
        "OFF",
    ];
    old.contains(&text)
        || !matches!(resolve(text), Value::String(_))
        || is_sexagesimal(text)
        || is_time(text)
}

/// `22:22` is 1342 in YAML 1.1.
fn is_sexagesimal(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '_');
    let sixtieths = |part: &str| {
        let value: Option<u8> = part.parse().ok();
        part.len() <= 2 && !part.starts_with('+') && value.is_some_and(|value| value < 60)
    };
    whole.contains(':')
        && first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && digits(fraction)
        && parts.all(sixtieths)
}

/// `2001-12-14`, with or without a time.
fn is_time(text: &str) -> bool {
    let year = text.get(..4).and_then(number);
    let (Some(year), Some(rest)) = (year, text.get(4..).and_then(|rest| rest.strip_prefix('-')))
    else {
        return false;
    };
    let (date, time) = match rest.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (rest, None),
    };
    let Some((month, day)) = date.split_once('-') else {
        return false;
    };
    let day = number(month)
        .zip(number(day))
        .is_some_and(|(month, day)| jiff::civil::Date::new(year, month as i8, day as i8).is_ok());
    day && time.is_none_or(|time| is_clock(time, rest.contains(' ')))
}

/// `21:59:43.10`, and unless `local` a zone.
fn is_clock(text: &str, local: bool) -> bool {
    let (clock, zone) = match text.find(['Z', '+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let zone_fits = match zone.strip_prefix(['+', '-']) {
        Some(offset) => offset.len() == 5 && offset.as_bytes()[2] == b':',
        None => zone == "Z",
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let below = |text: &str, limit: i16| number(text).is_some_and(|value| value < limit);
    let clock_fits = match parts.as_slice() {
        [hour, minute, second] => {
            let second = second.split('.').next().unwrap_or(second);
            below(hour, 24) && below(minute, 60) && below(second, 60)
        }
        _ => false,
    };
    clock_fits && if local { zone.is_empty() } else { zone_fits }
}

/// One to four digits.
fn number(text: &str) -> Option<i16> {
    let digits = text.chars().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|_| digits && text.len() <= 4)
}

/// `text` in double quotes.
pub fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\x1b' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            c if is_printable(c) => out.push(c),
            c if (c as u32) < 0x100 => out.push_str(&format!("\\x{:02X}", c as u32)),
            c if (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push_str(&format!("\\U{:08X}", c as u32)),
        }
    }
    out.push('"');
    out
}
