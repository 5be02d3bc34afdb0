//! Roles and what they permit.

use std::collections::BTreeSet;

/// The most groups that a connection is granted or denied by name, both actions together.
pub const MAX_LITERALS: usize = 1000;
/// The most patterns for one action.
pub const MAX_PATTERNS: usize = 10;
/// The most star operators (`*` or `**`) in one pattern.
pub const MAX_STARS: usize = 5;
/// The longest pattern, in characters.
pub const MAX_PATTERN: usize = 1024;

/// What a connection may be permitted to do with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    JoinLeaveGroup,
    SendToGroup,
}

impl Action {
    /// The action's name, as in the role `webpubsub.<name>` and in the REST operations on permissions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::JoinLeaveGroup => "joinLeaveGroup",
            Self::SendToGroup => "sendToGroup",
        }
    }

    /// The role that permits the action on every group, or on `group`.
    #[must_use]
    pub fn role(self, group: Option<&str>) -> String {
        match group {
            None => format!("webpubsub.{}", self.name()),
            Some(group) => format!("webpubsub.{}.{group}", self.name()),
        }
    }
}

/// Roles that break a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    #[error("A connection can be granted at most 1000 groups by name.")]
    TooManyGroups,
    #[error("A connection can have at most 10 role patterns for one action.")]
    TooManyPatterns,
    #[error(
        "A role pattern has at most 1024 characters and 5 star operators, and does not end in a backslash."
    )]
    BadPattern,
}

/// What one connection may do. Membership is separate: revoking a permission removes nobody from a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    join_leave: Grants,
    send: Grants,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Grants {
    all: bool,
    granted: BTreeSet<Box<str>>,
    /// Groups taken out of what `all` and `patterns` permit.
    denied: BTreeSet<Box<str>>,
    patterns: Vec<Pattern>,
}

impl Permissions {
    /// Reads roles of a token or of a connect handler's answer. Roles that mean nothing here are ignored.
    pub fn from_roles<R: AsRef<str>>(roles: impl IntoIterator<Item = R>) -> Result<Self, RoleError> {
        let mut permissions = Self::default();
        for role in roles {
            for action in [Action::JoinLeaveGroup, Action::SendToGroup] {
                permissions.add_role(action, role.as_ref())?;
            }
        }
        Ok(permissions)
    }

    fn add_role(&mut self, action: Action, role: &str) -> Result<(), RoleError> {
        let Some(rest) = role.strip_prefix("webpubsub.").and_then(|role| role.strip_prefix(action.name()))
        else {
            return Ok(());
        };
        if rest.is_empty() {
            self.grants_mut(action).all = true;
        } else if let Some(group) = rest.strip_prefix('.').filter(|group| !group.is_empty()) {
            self.grant(action, group)?;
        } else if let Some(pattern) = rest.strip_prefix("s.").filter(|pattern| !pattern.is_empty()) {
            let pattern = Pattern::parse(pattern)?;
            let patterns = &mut self.grants_mut(action).patterns;
            if !patterns.contains(&pattern) {
                if patterns.len() == MAX_PATTERNS {
                    return Err(RoleError::TooManyPatterns);
                }
                patterns.push(pattern);
            }
        }
        Ok(())
    }

    /// Whether the action is permitted on the group.
    #[must_use]
    pub fn allows(&self, action: Action, group: &str) -> bool {
        let grants = self.grants(action);
        grants.granted.contains(group) || grants.allows_widely(group)
    }

    /// Whether a blanket role permits the action and no group is denied.
    #[must_use]
    pub fn allows_all(&self, action: Action) -> bool {
        let grants = self.grants(action);
        grants.all && grants.denied.is_empty()
    }

    /// Permits the action on one group. Repeating it changes nothing.
    pub fn grant(&mut self, action: Action, group: &str) -> Result<(), RoleError> {
        let full = self.literals() >= MAX_LITERALS;
        let grants = self.grants_mut(action);
        // Lifting a denial makes room for the grant.
        let lifted = grants.denied.remove(group);
        if grants.granted.contains(group) {
            return Ok(());
        }
        if full && !lifted {
            return Err(RoleError::TooManyGroups);
        }
        grants.granted.insert(group.into());
        Ok(())
    }

    /// Permits the action on every group, and forgets which were denied.
    pub fn grant_all(&mut self, action: Action) {
        let grants = self.grants_mut(action);
        grants.all = true;
        grants.denied.clear();
    }

    /// Takes the permission for one group. Where a blanket role or a pattern permits it, this group alone is denied.
    /// Denials count towards [`MAX_LITERALS`]; on that error the permission still stands.
    pub fn revoke(&mut self, action: Action, group: &str) -> Result<(), RoleError> {
        let full = self.literals() >= MAX_LITERALS;
        let grants = self.grants_mut(action);
        if grants.allows_widely(group) {
            if full && !grants.granted.contains(group) {
                return Err(RoleError::TooManyGroups);
            }
            grants.denied.insert(group.into());
        }
        grants.granted.remove(group);
        Ok(())
    }

    /// Takes every permission for the action.
    pub fn revoke_all(&mut self, action: Action) {
        *self.grants_mut(action) = Grants::default();
    }

    fn grants(&self, action: Action) -> &Grants {
        match action {
            Action::JoinLeaveGroup => &self.join_leave,
            Action::SendToGroup => &self.send,
        }
    }

    fn grants_mut(&mut self, action: Action) -> &mut Grants {
        match action {
            Action::JoinLeaveGroup => &mut self.join_leave,
            Action::SendToGroup => &mut self.send,
        }
    }

    fn literals(&self) -> usize {
        [&self.join_leave, &self.send].iter().map(|grants| grants.granted.len() + grants.denied.len()).sum()
    }
}

impl Grants {
    /// By the blanket role or a pattern.
    fn allows_widely(&self, group: &str) -> bool {
        (self.all || self.patterns.iter().any(|pattern| pattern.matches(group)))
            && !self.denied.contains(group)
    }
}

/// A pattern of group names: `?` is one character but a dot, `*` any run without dots, `**` any run, and `\` takes the
/// next character as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(Box<[Token]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    NotDot,
    RunWithoutDot,
    Run,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, RoleError> {
        if text.chars().count() > MAX_PATTERN {
            return Err(RoleError::BadPattern);
        }
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            tokens.push(match char {
                '\\' => Token::Char(chars.next().ok_or(RoleError::BadPattern)?),
                '?' => Token::NotDot,
                '*' if chars.next_if_eq(&'*').is_some() => Token::Run,
                '*' => Token::RunWithoutDot,
                char => Token::Char(char),
            });
        }
        let stars = tokens.iter().filter(|token| token.is_star()).count();
        if stars > MAX_STARS { Err(RoleError::BadPattern) } else { Ok(Self(tokens.into())) }
    }

    /// Runs through the text once and keeps the set of all positions in the pattern that fit so far: time is text
    /// times pattern at worst, whatever they hold.
    fn matches(&self, text: &str) -> bool {
        let tokens = &self.0;
        let mut fits = vec![false; tokens.len() + 1];
        fits[0] = true;
        self.pass_stars(&mut fits);
        for char in text.chars() {
            let mut next = vec![false; tokens.len() + 1];
            for (at, token) in tokens.iter().enumerate().filter(|(at, _)| fits[*at]) {
                match token {
                    Token::Char(wanted) => next[at + 1] |= *wanted == char,
                    Token::NotDot => next[at + 1] |= char != '.',
                    Token::RunWithoutDot => next[at] |= char != '.',
                    Token::Run => next[at] = true,
                }
            }
            self.pass_stars(&mut next);
            if !next.contains(&true) {
                return false;
            }
            fits = next;
        }
        fits[tokens.len()]
    }

    /// A star also fits nothing at all.
    fn pass_stars(&self, fits: &mut [bool]) {
        for (at, _) in self.0.iter().enumerate().filter(|(_, token)| token.is_star()) {
            fits[at + 1] |= fits[at];
        }
    }
}

impl Token {
    fn is_star(self) -> bool {
        matches!(self, Self::RunWithoutDot | Self::Run)
    }
}
