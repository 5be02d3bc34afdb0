//! Abuse protection: before its first event a service asks a handler's URL whether it wants events from it
//! (CloudEvents "HTTP 1.1 Web Hooks", section 4).

/// In the `OPTIONS` request: the host that wants to send.
pub const REQUEST_ORIGIN: &str = "webhook-request-origin";
/// In its answer: the hosts that may, or `*`.
pub const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";

/// A handler's answer to `WebHook-Request-Origin`: the value of `WebHook-Allowed-Origin`, or `None` to refuse.
///
/// `allowed` are hosts, with port if they have one, or `*`; compared without case. The request may name several hosts
/// in a list; those allowed are named back.
#[must_use]
pub fn answer<A: AsRef<str>>(request_origin: &str, allowed: &[A]) -> Option<String> {
    let is_allowed = |origin: &&str| {
        allowed.iter().map(AsRef::as_ref).any(|host| host == "*" || host.eq_ignore_ascii_case(origin))
    };
    let answer = list(request_origin).filter(is_allowed).collect::<Vec<_>>().join(",");
    (!answer.is_empty()).then_some(answer)
}

/// Whether an answer of a handler lets `origin` send: the value of `WebHook-Allowed-Origin` holds it or `*`.
#[must_use]
pub fn is_allowed(allowed_origin: &str, origin: &str) -> bool {
    list(allowed_origin).any(|host| host == "*" || host.eq_ignore_ascii_case(origin))
}

/// The items of a list separated by commas or spaces.
fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split([',', ' ', '\t']).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_names_the_hosts_it_allows() {
        let own = ["chat.webpubsub.azure.com", "127.0.0.1:8080"];
        assert_eq!(answer("chat.webpubsub.azure.com", &own).as_deref(), Some("chat.webpubsub.azure.com"));
        assert_eq!(answer("CHAT.webpubsub.azure.com", &own).as_deref(), Some("CHAT.webpubsub.azure.com"));
        assert_eq!(answer("evil.example, 127.0.0.1:8080", &own).as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(answer("anything", &["*"]).as_deref(), Some("anything"));
        for refused in ["evil.example", "", " , ", "127.0.0.1", "*"] {
            assert_eq!(answer(refused, &own), None, "{refused}");
        }
    }

    #[test]
    fn a_service_finds_itself_in_the_answer() {
        for good in ["*", "127.0.0.1", "a.example, 127.0.0.1", "a.example 127.0.0.1", "b,*", "X, HOST"] {
            assert!(is_allowed(good, "127.0.0.1") || is_allowed(good, "host"), "{good}");
        }
        for bad in ["", "127.0.0.10", "a.example", "**", "127.0.0.1:80"] {
            assert!(!is_allowed(bad, "127.0.0.1"), "{bad}");
        }
    }
}
