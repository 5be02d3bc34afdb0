use bytes::Bytes;
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{API_VERSION, ClientError, ErrorKind};

/// What stays as it is in a path and a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One call of the API, ready to be tried more than once.
pub(super) struct Call {
    /// For messages to people.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// From `/api` on, escaped.
    pub(super) path: String,
    /// Escaped, without the question mark.
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Body>,
    /// Whether it may be tried again although it may have been carried out.
    pub(super) repeatable: bool,
}

pub(super) struct Body {
    pub(super) content_type: &'static str,
    pub(super) bytes: Bytes,
}

impl Call {
    /// A call of what stands below the hub, at `words`. Each of them is a path segment; a word of the API's own begins
    /// with a colon, which stays.
    pub(super) fn new(
        operation: &'static str,
        method: Method,
        hub: &str,
        words: &[&str],
    ) -> Result<Self, ClientError> {
        let mut path = String::from("/api/hubs");
        for word in std::iter::once(&hub).chain(words) {
            // In a URL these two are no names, however they are written.
            if matches!(*word, "" | "." | "..") {
                let sentence = format!("`{word}` cannot be named in a URL");
                return Err(ClientError::new(operation, ErrorKind::Invalid, sentence));
            }
            path.push('/');
            match word.strip_prefix(':').filter(|_| words.last() == Some(word)) {
                Some(verb) => path.extend([":", verb]),
                None => path.extend(utf8_percent_encode(word, ESCAPED)),
            }
        }
        let query = format!("api-version={API_VERSION}");
        let headers = HeaderMap::new();
        Ok(Self { operation, method, path, query, headers, body: None, repeatable: true })
    }

    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.extend(["&", name, "="]);
        self.query.extend(utf8_percent_encode(value, ESCAPED));
        self
    }

    pub(super) fn query_all<V: AsRef<str>>(self, name: &str, values: &[V]) -> Self {
        values.iter().fold(self, |call, value| call.query(name, value.as_ref()))
    }

    pub(super) fn query_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(super) fn body(mut self, content_type: &'static str, bytes: Bytes) -> Self {
        self.body = Some(Body { content_type, bytes });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(words: &[&str]) -> Result<String, ErrorKind> {
        let call = Call::new("test", Method::POST, "h`,.[]", words);
        call.map(|call| call.path).map_err(|error| error.kind())
    }

    #[test]
    fn names_are_escaped_and_verbs_are_not() {
        assert_eq!(path(&[":send"]).unwrap(), "/api/hubs/h%60%2C.%5B%5D/:send");
        let odd = ":a/b ?#%ü🦀'\n";
        let escaped = "%3Aa%2Fb%20%3F%23%25%C3%BC%F0%9F%A6%80%27%0A";
        assert_eq!(
            path(&["groups", odd, ":send"]).unwrap(),
            format!("/api/hubs/h%60%2C.%5B%5D/groups/{escaped}/:send")
        );
        for bad in ["", ".", ".."] {
            assert_eq!(path(&["users", bad, ":send"]), Err(ErrorKind::Invalid));
        }
    }

    #[test]
    fn queries_are_escaped() {
        let call = Call::new("test", Method::POST, "h", &[":send"]).unwrap();
        let call = call.query_all("excluded", &["a&b", "c"]).query_some("filter", Some("userId eq 'a+b'"));
        let query = "api-version=2024-12-01&excluded=a%26b&excluded=c&filter=userId%20eq%20%27a%2Bb%27";
        assert_eq!(call.query_some("reason", None).query, query);
    }
}
