//! What clients of both transports are handed, and told.

/// How long a client may take from negotiate to connect, in minutes, where nothing else is set.
pub const TOKEN_MINUTES: u32 = 5;
/// What a connection is told that has to go because a right cannot be taken from it alone.
pub(super) const TOO_MANY_GRANTS: &str = "The connection has too many grants.";

/// The life of a token with these roles, of `minutes` that are set. Rights cannot be taken back before its end, so with some it
/// is never longer than usual.
pub(super) fn lifetime_minutes(minutes: u32, roles: &[String]) -> u32 {
    if roles.is_empty() { minutes } else { minutes.min(TOKEN_MINUTES) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_make_no_token_live_longer() {
        for (minutes, with_rights) in [(1, 1), (5, 5), (60, 5)] {
            assert_eq!(lifetime_minutes(minutes, &[]), minutes);
            assert_eq!(lifetime_minutes(minutes, &["role".to_owned()]), with_rights);
        }
    }
}
