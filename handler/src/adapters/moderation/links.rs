//! Links, as a reader would follow them or type them in.

/// Endings of hosts that are written without a scheme. A file's ending (`.md`, `.py`, `.rs`) is none of them, although it may be one.
const ENDINGS: [&str; 24] = [
    "com", "net", "org", "io", "info", "biz", "xyz", "top", "shop", "site", "online", "club", "link",
    "click", "ru", "cn", "tk", "gg", "ly", "de", "uk", "eu", "fr", "app",
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
    // An address of mail is no link.
    if host.contains('@') || !host.contains('.') {
        return false;
    }
    if host.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www.")) {
        return true;
    }
    let Some((name, ending)) = host.rsplit_once('.') else { return false };
    !name.is_empty() && ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending))
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
        ] {
            assert_eq!(count(text), links, "{text}");
        }
    }
}
