//! The cookies of one connection: set by the event handler, given back with the connection's next events.

use http::{HeaderMap, HeaderValue, header};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Most cookies that are kept for a connection; the oldest goes first.
const MAX_COOKIES: usize = 50;
/// The longest cookie, name and value together, in bytes.
const MAX_COOKIE: usize = 4096;

/// Names and values in the order in which they were first set. All requests of a connection go to one site, so domain
/// and path are not heeded; a cookie lives as long as its connection unless the handler takes it back.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<(String, String)>);

impl Cookies {
    /// Takes in every `Set-Cookie` of an answer. `now` in seconds since the epoch.
    pub(super) fn take(&mut self, headers: &HeaderMap, now: u64) {
        for value in headers.get_all(header::SET_COOKIE) {
            if let Ok(text) = value.to_str() {
                self.set(text, now);
            }
        }
    }

    fn set(&mut self, text: &str, now: u64) {
        let mut parts = text.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > MAX_COOKIE {
            return;
        }
        let known = self.0.iter().position(|(known, _)| known == name);
        match (known, is_over(parts, now)) {
            (Some(at), true) => drop(self.0.remove(at)),
            (Some(at), false) => value.clone_into(&mut self.0[at].1),
            (None, true) => {}
            (None, false) => {
                if self.0.len() == MAX_COOKIES {
                    self.0.remove(0);
                }
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// Writes the `Cookie` header, if there is anything to write.
    pub(super) fn give(&self, headers: &mut HeaderMap) {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if let (false, Ok(value)) = (pairs.is_empty(), HeaderValue::from_str(&pairs.join("; "))) {
            headers.insert(header::COOKIE, value);
        }
    }
}

/// Whether the attributes take the cookie back. `Max-Age` wins over `Expires` (RFC 6265, 5.3).
fn is_over<'a>(attributes: impl Iterator<Item = &'a str>, now: u64) -> bool {
    let mut expired = None;
    for (name, value) in attributes.filter_map(|attribute| attribute.split_once('=')) {
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("max-age") {
            return value.parse::<i64>().is_ok_and(|secs| secs <= 0);
        }
        if name.eq_ignore_ascii_case("expires") {
            expired = OffsetDateTime::parse(value, &Rfc2822).ok().map(OffsetDateTime::unix_timestamp);
        }
    }
    expired.is_some_and(|expired| u64::try_from(expired).map_or(true, |expired| expired <= now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::SET_COOKIE, HeaderValue::from_str(line).expect("a value"));
        }
        let mut cookies = Cookies::default();
        cookies.take(&headers, 1_790_000_000);
        let mut request = HeaderMap::new();
        cookies.give(&mut request);
        request.get(header::COOKIE).map(|value| value.to_str().expect("ASCII").to_owned())
    }

    #[test]
    fn cookies_are_kept_replaced_and_taken_back() {
        let table: [(&[&str], Option<&str>); 8] = [
            (&["a=1; Path=/; HttpOnly"], Some("a=1")),
            (&["a=1", "b=x=y", "a=2"], Some("a=2; b=x=y")),
            (&["a=1", "b=2", "a=; Max-Age=0"], Some("b=2")),
            (&["a=1", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
            (&["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60"], Some("a=1")),
            (&["a=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT"], Some("a=1")),
            (&["no pair", "=x", ""], None),
            (&["a=; Secure"], Some("a=")),
        ];
        for (lines, cookie) in table {
            assert_eq!(after(lines).as_deref(), cookie, "{lines:?}");
        }
    }

    #[test]
    fn a_handler_cannot_grow_them_without_end() {
        let many: Vec<String> = (0..100).map(|n| format!("c{n}=1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let kept = after(&many).unwrap_or_default();
        assert_eq!((kept.split("; ").count(), kept.starts_with("c50=1;")), (MAX_COOKIES, true));
        assert_eq!(after(&[&format!("a={}", "x".repeat(MAX_COOKIE))]), None);
    }
}
