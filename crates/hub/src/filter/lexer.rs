use super::error::Reason;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Name(&'a str),
    /// A quoted string, quotes still doubled.
    Text(&'a str),
    /// Digits with an optional minus sign, and whatever is glued to them.
    Number(&'a str),
    Open,
    Close,
    Comma,
    End,
}

/// One token and where it stands in the text, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Yields token after token; after the last one, `End` for ever.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, Reason> {
        self.skip(char::is_whitespace);
        let start = self.at;
        let kind = match self.rest().chars().next() {
            None => Kind::End,
            Some('(') => self.single(Kind::Open),
            Some(')') => self.single(Kind::Close),
            Some(',') => self.single(Kind::Comma),
            Some('\'') => self.quoted()?,
            Some(c) if c.is_ascii_digit() || c == '-' => self.number()?,
            Some(c) if c.is_alphabetic() || c == '_' => Kind::Name(self.word()),
            Some(c) => return Err(Reason::Character(c, start)),
        };
        Ok(Token { kind, start, end: self.at })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        self.at = self.text.len() - self.rest().trim_start_matches(wanted).len();
    }

    /// All three single-character tokens are ASCII.
    fn single(&mut self, kind: Kind<'a>) -> Kind<'a> {
        self.at += 1;
        kind
    }

    fn word(&mut self) -> &'a str {
        let start = self.at;
        self.skip(|c| c.is_alphanumeric() || c == '_');
        &self.text[start..self.at]
    }

    fn number(&mut self) -> Result<Kind<'a>, Reason> {
        let start = self.at;
        self.at += 1;
        self.skip(|c| c.is_alphanumeric() || c == '.' || c == '_');
        let number = &self.text[start..self.at];
        if number == "-" { Err(Reason::Character('-', start)) } else { Ok(Kind::Number(number)) }
    }

    fn quoted(&mut self) -> Result<Kind<'a>, Reason> {
        let start = self.at + 1;
        let mut from = start;
        loop {
            let Some(length) = self.text[from..].find('\'') else {
                return Err(Reason::Unterminated(self.text.len()));
            };
            let quote = from + length;
            self.at = quote + 1;
            if !self.rest().starts_with('\'') {
                return Ok(Kind::Text(&self.text[start..quote]));
            }
            from = quote + 2;
        }
    }
}
