use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::answer::Refusal;

/// The parameters of a call, unescaped, in their order. Names compare without case; `+` is a space. What is not UTF-8
/// becomes replacement characters.
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (unescape(name), unescape(value))
                })
                .collect(),
        )
    }

    /// Every value of a parameter.
    pub(super) fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> + use<'a, 'b> {
        self.0
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }

    /// The first value of a parameter. An empty one is as good as none.
    pub(super) fn text<'b>(&'b self, name: &'b str) -> Option<&'b str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// # Errors
    /// It is not a whole number from 0 up.
    pub(super) fn number(&self, name: &str) -> Result<Option<u32>, Refusal> {
        let parse = |value: &str| {
            value
                .trim()
                .parse()
                .map_err(|_| Refusal::bad_request(format!("The value '{value}' is not valid.")))
        };
        self.text(name).map(parse).transpose()
    }

    /// # Errors
    /// It is not a whole number in the range.
    pub(super) fn number_within(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<Option<u32>, Refusal> {
        match self.number(name)? {
            Some(number) if !range.contains(&number) => Err(Refusal::bad_request(format!("Invalid {name}."))),
            number => Ok(number),
        }
    }

    /// The values of `excluded`.
    pub(super) fn excluded(&self) -> Vec<String> {
        self.all("excluded").filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }
}

fn unescape(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return percent_decode_str(&spaced).decode_utf8_lossy().into_owned().into();
    }
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_case_and_values_are_unescaped() {
        let query = Query::parse(
            "Excluded=a&excluded=%2Fb+c&&EXCLUDED=&filter=userId%20eq%20'a%2Bb'&bare&bad=%ff%zz",
        );
        assert_eq!(query.excluded(), ["a", "/b c"]);
        assert_eq!(query.text("filter"), Some("userId eq 'a+b'"));
        assert_eq!((query.text("bare"), query.text("none")), (None, None));
        assert_eq!(query.text("bad"), Some("\u{fffd}%zz"));
    }

    #[test]
    fn numbers_are_checked() {
        let query = Query::parse("a=5&b=-1&c=x&d=&e=4294967296&f=201");
        assert_eq!(query.number("a").ok(), Some(Some(5)));
        assert_eq!(query.number("d").ok(), Some(None));
        for bad in ["b", "c", "e"] {
            assert!(query.number(bad).is_err(), "{bad}");
        }
        assert!(query.number_within("f", 1..=200).is_err());
        assert_eq!(query.number_within("a", 1..=200).ok(), Some(Some(5)));
    }
}
