use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use webpubsub::names::HubName;

/// Where events go: an `http` or `https` URL with `{hub}` and `{event}` in its path or query, if they are wanted. Its
/// `Debug` hides the query, where secrets are.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlTemplate(String);

/// The text is not the template of a URL. The query is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an http or https URL, with or without {{hub}} and {{event}} in its path or query")]
pub struct InvalidTemplate(String);

impl std::fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("UrlTemplate").field(&without_query(&self.0)).finish()
    }
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

/// Stays as it is in a path and in a query: RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl UrlTemplate {
    /// # Errors
    /// With a hub and an event filled in, it is not a URL with a host, or of another scheme.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let filled = text.replace("{hub}", "h").replace("{event}", "e");
        let url = Url::parse(&filled).map_err(|_| InvalidTemplate(without_query(text).to_owned()))?;
        // Names are escaped for paths and queries. In a host they could be made to mean another one.
        let host_is_fixed = Url::parse(&text.replace("{hub}", "x").replace("{event}", "y"))
            .is_ok_and(|other| other.authority() == url.authority());
        if matches!(url.scheme(), "http" | "https") && url.has_host() && host_is_fixed {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTemplate(without_query(text).to_owned()))
        }
    }

    /// The URL of one event.
    pub(super) fn expand(&self, hub: &HubName, event: &str) -> String {
        let escape = |name: &str| utf8_percent_encode(name, ESCAPED).to_string();
        self.0.replace("{hub}", &escape(hub.as_str())).replace("{event}", &escape(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_escaped() {
        let hub = HubName::new("a`,[].b").expect("a name");
        let template =
            UrlTemplate::parse("http://127.0.0.1:8/x/{hub}/{event}?code=1%202&e={event}").expect("valid");
        assert_eq!(
            template.expand(&hub, "a.b_c-d"),
            "http://127.0.0.1:8/x/a%60%2C%5B%5D.b/a.b_c-d?code=1%202&e=a.b_c-d"
        );
        assert!(!format!("{template:?}").contains("code"));
        let fixed = UrlTemplate::parse("https://chat.example/eventhandler").expect("valid");
        assert_eq!(fixed.expand(&hub, "connect"), "https://chat.example/eventhandler");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "/events",
            "ftp://host/",
            "http://",
            "host:80/x",
            "http://{hub}.example/",
            "http://h:{event}/",
        ] {
            assert_eq!(UrlTemplate::parse(text), Err(InvalidTemplate(text.to_owned())), "{text}");
        }
    }
}
