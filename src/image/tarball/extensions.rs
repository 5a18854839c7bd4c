//! What comes before a member and overrides its header: GNU long names and pax records.

use super::TarError;

/// Everything the extension headers of one member say.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<(i64, u32)>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse_name: Option<Vec<u8>>,
    pub sparse_size: u64,
    pub sparse_version: (u64, u64),
    pub sparse_map: Option<Vec<(u64, u64)>>,
}

impl Extensions {
    pub(super) fn long_name(&mut self, bytes: Vec<u8>) {
        self.path = Some(until_nul(bytes));
    }

    pub(super) fn long_link(&mut self, bytes: Vec<u8>) {
        self.link = Some(until_nul(bytes));
    }

    /// Records are `LENGTH KEY=VALUE\n`, the length counting the whole record.
    pub(super) fn pax(&mut self, mut bytes: &[u8]) -> Result<(), TarError> {
        let malformed =
            || TarError::Malformed("a pax record that is not `length key=value`".into());
        while !bytes.is_empty() {
            let space = bytes
                .iter()
                .position(|&b| b == b' ')
                .ok_or_else(malformed)?;
            let length = decimal(&bytes[..space])
                .and_then(|length| usize::try_from(length).ok())
                .filter(|&length| length > space + 1 && length <= bytes.len())
                .ok_or_else(malformed)?;
            let record = bytes[space + 1..length]
                .strip_suffix(b"\n")
                .ok_or_else(malformed)?;
            let equals = record
                .iter()
                .position(|&b| b == b'=')
                .ok_or_else(malformed)?;
            self.record(&record[..equals], &record[equals + 1..])
                .ok_or_else(malformed)?;
            bytes = &bytes[length..];
        }
        Ok(())
    }

    /// `None` if a number is none. An empty value means the header's own field.
    fn record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            self.xattrs.push((name.to_vec(), value.to_vec()));
            return Some(());
        }
        let text = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            b"GNU.sparse.name" => self.sparse_name = text(),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse_size = decimal(value)?,
            b"GNU.sparse.major" => self.sparse_version.0 = decimal(value)?,
            b"GNU.sparse.minor" => self.sparse_version.1 = decimal(value)?,
            b"GNU.sparse.map" => self.sparse_map = Some(map(value)?),
            _ => {}
        }
        Some(())
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

/// An unsigned decimal number and nothing else.
pub(super) fn decimal(bytes: &[u8]) -> Option<u64> {
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    digits
        .then(|| std::str::from_utf8(bytes).ok()?.parse().ok())
        .flatten()
}

/// `offset,length,offset,length…` of pax sparse format 0.1.
fn map(bytes: &[u8]) -> Option<Vec<(u64, u64)>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let numbers: Option<Vec<u64>> = bytes.split(|&b| b == b',').map(decimal).collect();
    let numbers = numbers.filter(|numbers| numbers.len() % 2 == 0)?;
    Some(
        numbers
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect(),
    )
}

/// `-12.345`: seconds since 1970 with a decimal fraction, rounded down.
fn time(bytes: &[u8]) -> Option<(i64, u32)> {
    let (negative, bytes) = match bytes.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    let mut parts = bytes.splitn(2, |&b| b == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let mut nanoseconds = 0u32;
    if let Some(fraction) = parts.next() {
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        for place in 0..9 {
            let digit = fraction.get(place).map_or(0, |b| u32::from(b - b'0'));
            nanoseconds = nanoseconds * 10 + digit;
        }
    }
    Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_round_down() {
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time(b"-3"), Some((-3, 0)));
        assert_eq!(time(b"1.x"), None);
        assert_eq!(time(b""), None);
    }

    #[test]
    fn records_are_bounded_by_their_length() {
        let mut ext = Extensions::default();
        ext.pax(b"11 path=ab\n21 SCHILY.xattr.a=\n\n\n").unwrap();
        assert_eq!(ext.path.as_deref(), Some(&b"ab"[..]));
        assert_eq!(ext.xattrs, [(b"a".to_vec(), b"\n\n".to_vec())]);
        for bad in [
            &b"99 path=ab\n"[..],
            b"0 a=b\n",
            b"x",
            b"6 a=bc",
            b"9 path=a",
            b"10 size=x\n",
        ] {
            assert!(Extensions::default().pax(bad).is_err(), "{bad:?}");
        }
    }
}
