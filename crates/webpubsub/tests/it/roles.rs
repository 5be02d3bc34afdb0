//! What roles permit.

use proptest::prelude::*;
use webpubsub::roles::{Action, MAX_LITERALS, Permissions, RoleError};

const JOIN: Action = Action::JoinLeaveGroup;
const SEND: Action = Action::SendToGroup;

fn with(roles: &[&str]) -> Permissions {
    Permissions::from_roles(roles).unwrap()
}

fn pattern(pattern: &str) -> Result<Permissions, RoleError> {
    Permissions::from_roles([format!("webpubsub.sendToGroups.{pattern}")])
}

#[test]
fn no_role_permits_nothing() {
    for roles in
        [&[][..], &["webpubsub.other", "joinLeaveGroup", "webpubsub.joinLeaveGroupX", "", "webpubsub."]]
    {
        let permissions = with(roles);
        assert!(!permissions.allows(JOIN, "g") && !permissions.allows(SEND, "g"), "{roles:?}");
    }
    // Roles without a group or pattern behind the dot mean nothing either.
    assert_eq!(with(&["webpubsub.joinLeaveGroup.", "webpubsub.sendToGroups."]), Permissions::default());
}

#[test]
fn a_role_permits_its_action_on_all_groups_or_on_one() {
    let all = with(&["webpubsub.joinLeaveGroup"]);
    assert!(all.allows(JOIN, "g") && all.allows(JOIN, "a.b"));
    assert!(!all.allows(SEND, "g"));

    let one = with(&["webpubsub.sendToGroup.a.b*"]);
    assert!(one.allows(SEND, "a.b*"), "the rest is the name as it stands");
    assert!(!one.allows(SEND, "a.bc") && !one.allows(SEND, "A.b*") && !one.allows(JOIN, "a.b*"));
    assert_eq!(SEND.role(Some("a.b*")), "webpubsub.sendToGroup.a.b*");
    assert_eq!(JOIN.role(None), "webpubsub.joinLeaveGroup");
}

#[test]
fn patterns() {
    for (text, fits, others) in [
        ("room", &["room"][..], &["rooms", "Room", "roo", ""][..]),
        ("r?om", &["room", "r☕om"], &["r.om", "rom", "rooom"]),
        ("room*", &["room", "room1", "room-x"], &["room.1", "roo", "xroom"]),
        ("room.*", &["room.", "room.1"], &["room", "room.1.2"]),
        ("room.**", &["room.", "room.1.2", "room.1"], &["room"]),
        ("**.log", &[".log", "a.b.log"], &["log", "a.logs"]),
        ("a**b*c", &["abc", "a.x.bc", "aXbYc", "a.b.bc"], &["ab.c", "ac"]),
        ("a*b**c", &["abc", "ab.c", "axb.y.c"], &["a.b.c"]),
        ("***", &["", "a", "a.b.c"], &[]),
        (r"a\*\?\\", &[r"a*?\"], &["ab?\\", r"a*x\"]),
    ] {
        let permissions = pattern(text).unwrap();
        for group in fits {
            assert!(permissions.allows(SEND, group), "{text} fits {group}");
            assert!(!permissions.allows(JOIN, group));
        }
        for group in others {
            assert!(!permissions.allows(SEND, group), "{text} does not fit {group}");
        }
    }
}

#[test]
fn limits_of_patterns() {
    assert!(pattern("*a*a*a*a*").is_ok());
    assert_eq!(pattern("*a*a*a*a*a*"), Err(RoleError::BadPattern));
    assert!(pattern("**a*a*a*a*").is_ok(), "two stars side by side are one operator");
    assert_eq!(pattern(r"a\"), Err(RoleError::BadPattern));
    assert!(pattern(&"☕".repeat(1024)).is_ok());
    assert_eq!(pattern(&"☕".repeat(1025)), Err(RoleError::BadPattern));

    let many = |count| (0..count).map(|n| format!("webpubsub.joinLeaveGroups.{n}.*")).collect::<Vec<_>>();
    assert!(Permissions::from_roles(many(10)).is_ok());
    assert_eq!(Permissions::from_roles(many(11)), Err(RoleError::TooManyPatterns));
    assert!(Permissions::from_roles([many(10), many(10)].concat()).is_ok(), "the same once more is no more");
}

#[test]
fn one_thousand_groups_by_name() {
    let mut permissions = Permissions::default();
    for n in 0..MAX_LITERALS {
        let action = if n % 2 == 0 { JOIN } else { SEND };
        permissions.grant(action, &n.to_string()).unwrap();
    }
    assert_eq!(permissions.grant(JOIN, "more"), Err(RoleError::TooManyGroups));
    assert_eq!(permissions.grant(JOIN, "0"), Ok(()), "a repeat takes no room");
    permissions.revoke(SEND, "1").unwrap();
    assert_eq!(permissions.grant(JOIN, "more"), Ok(()));
    assert!(permissions.allows(JOIN, "more"));
    let roles = (0..=MAX_LITERALS).map(|n| JOIN.role(Some(&n.to_string())));
    assert_eq!(Permissions::from_roles(roles), Err(RoleError::TooManyGroups));
}

#[test]
fn revoking_one_group_from_a_blanket_role_denies_that_group_only() {
    for roles in
        [&["webpubsub.joinLeaveGroup"][..], &["webpubsub.joinLeaveGroups.**", "webpubsub.joinLeaveGroup.a"]]
    {
        let mut permissions = with(roles);
        permissions.revoke(JOIN, "a").unwrap();
        assert!(!permissions.allows(JOIN, "a"), "{roles:?}");
        assert!(permissions.allows(JOIN, "b"));
        permissions.revoke(JOIN, "a").unwrap();
        permissions.grant(JOIN, "a").unwrap();
        assert!(permissions.allows(JOIN, "a"), "a grant lifts the denial");
        permissions.revoke_all(JOIN);
        assert!(!permissions.allows(JOIN, "a") && !permissions.allows(JOIN, "b"));
    }
}

#[test]
fn denials_are_bounded_and_a_refused_one_changes_nothing() {
    let mut permissions = with(&["webpubsub.sendToGroup"]);
    for n in 0..MAX_LITERALS {
        permissions.revoke(SEND, &n.to_string()).unwrap();
    }
    assert_eq!(permissions.revoke(SEND, "more"), Err(RoleError::TooManyGroups));
    assert!(permissions.allows(SEND, "more"));
    assert_eq!(permissions.revoke(SEND, "1"), Ok(()), "denied already");
    assert_eq!(permissions.grant(SEND, "1"), Ok(()), "the denial makes room");
    permissions.grant_all(SEND);
    assert!(permissions.allows(SEND, "0"));
}

#[test]
fn no_pattern_takes_long() {
    // 2^40 steps for a matcher that tries every way.
    let stars = format!("{}b", "*a".repeat(5));
    let permissions = pattern(&stars).unwrap();
    assert!(!permissions.allows(SEND, &"a".repeat(1024)));
    let runs = format!("**{}**{}**x", "?".repeat(300), "?".repeat(300));
    assert!(!pattern(&runs).unwrap().allows(SEND, &"y".repeat(1024)));
}

/// The definition, word for word: every way is tried.
fn fits(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', '*', rest @ ..] => (0..=text.len()).any(|n| fits(rest, &text[n..])),
        ['*', rest @ ..] => {
            let run = text.iter().take_while(|c| **c != '.').count();
            (0..=run).any(|n| fits(rest, &text[n..]))
        }
        ['?', rest @ ..] => text.first().is_some_and(|c| *c != '.') && fits(rest, &text[1..]),
        [c, rest @ ..] => text.first() == Some(c) && fits(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn patterns_fit_what_their_definition_says(text in "[ab.*?]{1,8}", group in "[ab.]{1,8}") {
        let Ok(permissions) = pattern(&text) else { return Ok(()) };
        let (pattern, chars): (Vec<_>, Vec<_>) = (text.chars().collect(), group.chars().collect());
        prop_assert_eq!(permissions.allows(SEND, &group), fits(&pattern, &chars));
    }

    #[test]
    fn the_last_word_on_a_group_counts(steps: Vec<(bool, bool, u8)>, blanket: bool) {
        let mut permissions = with(if blanket { &["webpubsub.joinLeaveGroup"][..] } else { &[] });
        let mut last = [blanket; 4];
        for (grant, send, group) in steps {
            let group = usize::from(group % 4);
            // What is done about one action says nothing about the other.
            let action = if send { SEND } else { JOIN };
            if grant {
                permissions.grant(action, &group.to_string()).unwrap();
            } else {
                permissions.revoke(action, &group.to_string()).unwrap();
            }
            if !send {
                last[group] = grant;
            }
        }
        for (group, allowed) in last.iter().enumerate() {
            prop_assert_eq!(permissions.allows(JOIN, &group.to_string()), *allowed);
        }
    }
}
