//! The reader against archives of GNU tar and archives made to hurt.

use super::*;
use std::process::Command;

fn names(bytes: &[u8]) -> Result<Vec<String>, TarError> {
    let mut members = Members::new(bytes);
    let mut names = Vec::new();
    while let Some(member) = members.next()? {
        names.push(String::from_utf8_lossy(&member.path).into_owned());
    }
    Ok(names)
}

fn header(kind: EntryType, path: &str, size: u64) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_path(path).unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn only_the_padding_of_the_last_file_may_be_missing() {
    let mut bytes = header(EntryType::Regular, "one", 3);
    bytes.extend(b"abc");
    assert_eq!(names(&bytes).unwrap(), ["one"]);
    bytes.extend([0; 100]);
    assert_eq!(names(&bytes).unwrap(), ["one"]);
    assert!(names(&bytes[..514]).is_err(), "the content must be whole");
}

#[test]
fn sparse_files_of_gnu_tar_keep_their_holes_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("holes")).unwrap();
    use std::os::unix::fs::FileExt;
    for at in 0..40u64 {
        file.write_all_at(b"data", at << 20).unwrap();
    }
    file.set_len(50 << 20).unwrap();
    for format in [
        &["--format=gnu"][..],
        &["--format=pax"],
        &["--format=pax", "--sparse-version=0.1"],
    ] {
        let archive = folder.path().join("a.tar");
        let done = Command::new("tar")
            .current_dir(folder.path())
            .args(["-S", "-cf", "a.tar"])
            .args(format)
            .arg("holes")
            .status()
            .unwrap();
        assert!(done.success());
        let bytes = std::fs::read(&archive).unwrap();
        let mut members = Members::new(&bytes[..]);
        let member = members.next().unwrap().unwrap();
        assert_eq!(
            (member.path.as_slice(), member.size),
            (&b"holes"[..], 50 << 20),
            "{format:?}"
        );
        let used: u64 = member.segments.iter().map(|segment| segment.1).sum();
        assert!(used < 1 << 20, "{format:?}: {used}");
        let first = member.segments.iter().filter(|segment| segment.1 > 0);
        assert_eq!(
            first.map(|segment| segment.0).take(3).collect::<Vec<_>>(),
            [0, 1 << 20, 2 << 20]
        );
        assert!(members.next().unwrap().is_none());
    }
}

#[test]
fn declared_lengths_are_not_believed() {
    let mut endless = header(EntryType::GNULongName, "x", 1 << 40);
    endless.extend([b'a'; 4096]);
    assert!(matches!(names(&endless), Err(TarError::Malformed(_))));
    let mut short = header(EntryType::Regular, "x", 1 << 40);
    short.extend([0; 512]);
    assert!(matches!(names(&short), Err(TarError::Read(_))));
}

#[test]
fn extension_headers_do_not_pile_up() {
    let mut bytes = Vec::new();
    for _ in 0..100 {
        let record = b"24 SCHILY.xattr.user.a=\n";
        bytes.extend(header(EntryType::XHeader, "x", record.len() as u64));
        let mut body = record.to_vec();
        body.resize(512, 0);
        bytes.extend(body);
    }
    assert!(matches!(names(&bytes), Err(TarError::Malformed(why)) if why.contains("extension")));
}

#[test]
fn garbage_is_not_a_tar_archive() {
    assert!(matches!(names(&[b'x'; 2048]), Err(TarError::Malformed(_))));
    assert!(matches!(names(&[b'x'; 100]), Err(TarError::Read(_))));
    assert_eq!(names(&[0; 1024]).unwrap(), Vec::<String>::new());
    assert_eq!(names(&[]).unwrap(), Vec::<String>::new());
}

#[test]
fn folders_and_links_have_no_body() {
    let mut bytes = header(EntryType::Directory, "d/", 100);
    bytes.extend(header(EntryType::Regular, "f", 0));
    assert_eq!(names(&bytes).unwrap(), ["d", "f"]);
}

#[test]
fn overlapping_segments_are_refused() {
    assert!(check_segments(10, &[(0, 4), (4, 4)], 8).is_ok());
    for bad in [
        (&[(0, 4), (3, 4)][..], 8),
        (&[(8, 4)], 4),
        (&[(0, 4)], 5),
        (&[(u64::MAX, 2)], 2),
    ] {
        assert!(check_segments(10, bad.0, bad.1).is_err(), "{bad:?}");
    }
}
