/// `Name=value` pairs with `;` between them, as all of Azure's connection strings are. Names are read without regard to
/// case, and an empty value counts as absent.
pub(super) struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Pairs<'a> {
    /// `None` where a part is no pair.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        // A key is base64 and may end in `=`: only the first one divides.
        let pair = |part: &'a str| part.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        parts.map(pair).collect::<Option<_>>().map(Self)
    }

    pub(super) fn find(&self, wanted: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| *value).filter(|value| !value.is_empty())
    }

    pub(super) fn is_true(&self, wanted: &str) -> bool {
        self.find(wanted).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}
