#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| {
    hoist::compose::fuzzing::load_text(text);
});
