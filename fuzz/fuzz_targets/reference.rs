#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| {
    hoist::image::fuzzing::parse_reference(text);
});
