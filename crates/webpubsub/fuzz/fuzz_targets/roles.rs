#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| webpubsub_fuzz::roles(data));
