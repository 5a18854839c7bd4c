//! CRC-32 (IEEE 802.3) of short texts, sixteen bytes a step. zlib's, which is made for long ones, took 85 % of the time of a
//! container that floods with short lines.

const TABLES: [[u32; 256]; 16] = tables();

const fn tables() -> [[u32; 256]; 16] {
    let mut tables = [[0; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                0xEDB8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 16 {
        let mut byte = 0;
        while byte < 256 {
            let before: u32 = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 255) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// The checksum of some bytes.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0;
    let mut steps = bytes.chunks_exact(16);
    for step in &mut steps {
        let word =
            |at: usize| u32::from_le_bytes([step[at], step[at + 1], step[at + 2], step[at + 3]]);
        crc = shifted(12, word(0) ^ crc)
            ^ shifted(8, word(4))
            ^ shifted(4, word(8))
            ^ shifted(0, word(12));
    }
    for byte in steps.remainder() {
        crc = TABLES[0][((crc ^ u32::from(*byte)) & 255) as usize] ^ (crc >> 8);
    }
    !crc
}

/// What a word contributes that has so many bytes of its step behind it.
fn shifted(behind: usize, word: u32) -> u32 {
    let [a, b, c, d] = word.to_le_bytes().map(usize::from);
    TABLES[behind + 3][a] ^ TABLES[behind + 2][b] ^ TABLES[behind + 1][c] ^ TABLES[behind][d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_crc32_that_zlib_computes() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let bytes: Vec<u8> = (0..1000u32).map(|n| ((n * n) >> 3) as u8).collect();
        for end in 0..bytes.len() {
            let mut zlib = flate2::Crc::new();
            zlib.update(&bytes[..end]);
            assert_eq!(crc32(&bytes[..end]), zlib.sum(), "{end} bytes");
        }
    }
}
