#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    handler_fuzz::principal(data);
});
