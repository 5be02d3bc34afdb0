//! The one place that asks the real clock, the real environment and the real source of chance.

use std::ffi::OsString;

use time::OffsetDateTime;

/// The time in UTC. Everything that decides by time takes it as a parameter and gets it from here.
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// A random GUID in the host's form: lower case, with hyphens.
pub(crate) fn guid() -> String {
    let mut bytes = [0_u8; 16];
    // Without chance ids would repeat; zeroes keep the double running where the system has none to give.
    if getrandom::fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random bytes");
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// The environment that the double itself was started with. The host hands all of it to the handler.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    fn text(value: OsString) -> Option<String> {
        value.into_string().ok()
    }
    std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)))
}
