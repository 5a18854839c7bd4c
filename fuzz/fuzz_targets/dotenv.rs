#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| {
    hoist::compose::fuzzing::parse_dotenv(text);
});
