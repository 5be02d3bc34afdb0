//! Links, as a reader would follow them or type them in.

use percent_encoding::percent_decode_str;

/// Endings of hosts that are written without a scheme. A file's ending (`.md`, `.py`) is none of them, although it may be one.
const ENDINGS: &[&str] = &[
    "com", "net", "org", "edu", "gov", "io", "co", "info", "biz", "mobi", "xyz", "top", "shop", "store",
    "site", "website", "online", "live", "club", "link", "click", "app", "dev", "tech", "pro", "vip", "icu",
    "buzz", "cyou", "ru", "su", "ua", "cn", "jp", "kr", "ir", "tk", "tv", "ws", "gg", "gl", "gd", "gy", "ly",
    "de", "ch", "uk", "eu", "fr", "es", "nl", "pl", "cz", "ca", "br", "au", "nz",
];
/// Endings that are words too, which stand behind a full stop where a space is forgotten, or a file's: a host with one of
/// them is followed by a path (`t.me/tea`).
const ENDINGS_BEFORE_A_PATH: &[&str] = &[
    "me", "us", "it", "be", "at", "in", "to", "is", "so", "am", "my", "no", "do", "ai", "cc", "sh", "ml",
    "rs",
];

/// How many links a text holds.
pub(super) fn count(text: &str) -> usize {
    text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',' | '|' | '[' | ']'))
        .map(count_in)
        .sum()
}

/// Of what no space divides: each scheme is one, else a host is.
fn count_in(part: &str) -> usize {
    let schemes = part.matches("://").count();
    if schemes > 0 { schemes } else { usize::from(is_host(part)) }
}

fn is_host(part: &str) -> bool {
    let part = part.trim_matches(|c: char| !c.is_alphanumeric());
    let host = part.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let has_path = part[host.len()..].starts_with('/');
    // An address of mail is no link.
    if host.contains('@') || !host.contains('.') {
        return false;
    }
    if host.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www.")) {
        return true;
    }
    let Some((name, ending)) = host.rsplit_once('.') else { return false };
    let is_in = |endings: &[&str]| endings.iter().any(|known| known.eq_ignore_ascii_case(ending));
    !name.is_empty() && (is_in(ENDINGS) || (has_path && is_in(ENDINGS_BEFORE_A_PATH)))
}

/// A link as the words that a reader sees in it: what its parts are divided by divides words.
pub(super) fn spelled(link: &str) -> String {
    let decoded = percent_decode_str(link).decode_utf8_lossy();
    decoded.replace(['/', ':', '?', '&', '=', '#', '+'], " ")
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn links_are_counted() {
        for (text, links) in [
            ("", 0),
            ("see https://example.com/a?b=c, please", 1),
            ("http://a.b http://c.d", 2),
            ("http://a.bhttp://c.d", 2),
            ("go to www.example.test now", 1),
            ("(Example.COM/path)", 1),
            ("[x](https://example.com)", 1),
            ("main.rs, README.md and e.g. this. Or that.", 0),
            ("ann@example.com", 0),
            ("v1.2.3 at 12:30", 0),
            ("...", 0),
            ("漢.com", 1),
            ("t.me/tea, youtu.be/x and https://t.co/y", 3),
            ("bit.ly/x goo.gl/y lnkd.in/z", 3),
            ("example.co or example.tv", 2),
            ("Thanks.Me too. Love.It is so nice.", 0),
            ("find me at t.me/", 0),
            ("src/main.rs/42, logo.ai", 0),
        ] {
            assert_eq!(count(text), links, "{text}");
        }
    }
}
