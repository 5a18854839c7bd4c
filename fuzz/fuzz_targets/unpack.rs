#![no_main]
//! Beside the layer's folder lie a file and a folder that nothing may touch.
use std::fs;
use std::path::{Path, PathBuf};

fn fresh() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hoist-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("layer")).expect("a folder can be made");
    fs::create_dir(folder.join("other")).expect("a folder can be made");
    fs::write(folder.join("canary"), "alive").expect("a file can be written");
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there").flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = fresh();
    hoist::image::fuzzing::unpack_layer(bytes, &folder.join("layer"));
    assert_eq!(names(&folder), ["canary", "layer", "other"]);
    assert!(names(&folder.join("other")).is_empty());
    assert_eq!(fs::read_to_string(folder.join("canary")).expect("it is there"), "alive");
    let _ = fs::remove_dir_all(folder);
});
