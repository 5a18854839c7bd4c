#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hoist::image::fuzzing::read_archive(bytes);
});
