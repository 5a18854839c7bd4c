#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hoist::image::fuzzing::parse_manifest(bytes);
});
