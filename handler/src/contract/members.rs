//! The contract of [`Members`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::data::{at, member, odd_texts, room_id, user};
use crate::model::{Member, ReadMark, Role, RoomId};
use crate::ports::Members;

fn tea() -> RoomId {
    room_id("tea")
}

fn mark(seq: u64, number: u64) -> ReadMark {
    ReadMark { seq, number }
}

async fn names(members: &impl Members, room: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let after = after.map(user);
    let list = members.list(&room_id(room), after.as_ref(), limit).await.unwrap();
    list.iter().map(|member| member.user.to_string()).collect()
}

async fn rooms(members: &impl Members, who: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let after = after.map(room_id);
    let list = members.rooms_of(&user(who), after.as_ref(), limit).await.unwrap();
    assert!(list.iter().all(|(_, member)| member.user == user(who)));
    list.iter().map(|(room, _)| room.to_string()).collect()
}

pub async fn adding_keeps_the_row_that_is_there<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    assert_eq!(members.get(&tea(), &user("ann")).await.unwrap(), None);
    let ann = Member {
        role: Role::Owner,
        joined_seq: Some(4),
        read: mark(4, 2),
        joined_at: at(9),
        ..member("ann")
    };
    assert_eq!(members.add(&tea(), &ann).await.unwrap(), ann);
    assert_eq!(members.add(&tea(), &member("ann")).await.unwrap(), ann);
    assert_eq!(members.get(&tea(), &user("ann")).await.unwrap(), Some(ann.clone()));
    assert_eq!(members.list(&tea(), None, 9).await.unwrap(), vec![ann.clone()]);
    assert_eq!(members.rooms_of(&user("ann"), None, 9).await.unwrap(), [(tea(), ann)]);
    assert_eq!(members.get(&room_id("te"), &user("ann")).await.unwrap(), None);
}

pub async fn a_confirmation_notes_the_entry<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    members.confirm(&tea(), &member("ann"), 7).await.unwrap();
    assert_eq!(members.get(&tea(), &user("ann")).await.unwrap(), None);
    members.add(&tea(), &member("ann")).await.unwrap();
    for _ in 0..2 {
        members.confirm(&tea(), &member("ann"), 7).await.unwrap();
        let expected = Member { joined_seq: Some(7), ..member("ann") };
        assert_eq!(members.get(&tea(), &user("ann")).await.unwrap(), Some(expected.clone()));
        assert_eq!(members.rooms_of(&user("ann"), None, 9).await.unwrap(), [(tea(), expected)]);
    }
}

pub async fn a_later_membership_is_left_alone<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    for (n, later) in [Member { since: 9, ..member("ann") }, Member { joined_at: at(9), ..member("ann") }]
        .into_iter()
        .enumerate()
    {
        let room = room_id(&format!("tea-{n}"));
        members.add(&room, &member("ann")).await.unwrap();
        assert!(members.remove(&room, &member("ann")).await.unwrap());
        members.add(&room, &later).await.unwrap();
        members.confirm(&room, &member("ann"), 7).await.unwrap();
        assert!(!members.remove(&room, &member("ann")).await.unwrap());
        assert_eq!(members.get(&room, &user("ann")).await.unwrap(), Some(later.clone()));
        assert_eq!(members.count(&room).await.unwrap(), 1);
        let changed = Member { joined_seq: Some(4), role: Role::Owner, ..later };
        assert!(members.remove(&room, &changed).await.unwrap(), "however it changed");
    }
}

pub async fn removal_answers_whether_it_was_there<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    members.add(&tea(), &member("ann")).await.unwrap();
    members.add(&room_id("mate"), &member("ann")).await.unwrap();
    assert!(members.remove(&tea(), &member("ann")).await.unwrap());
    assert!(!members.remove(&tea(), &member("ann")).await.unwrap());
    assert_eq!(members.get(&tea(), &user("ann")).await.unwrap(), None);
    assert_eq!(names(&members, "tea", None, 9).await, [""; 0]);
    assert_eq!(rooms(&members, "ann", None, 9).await, ["mate"]);
    let again = Member { joined_at: at(1), ..member("ann") };
    assert_eq!(members.add(&tea(), &again).await.unwrap(), again, "nothing is left of the former row");
}

pub async fn counts_follow_joins_and_leaves<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    assert_eq!(members.count(&tea()).await.unwrap(), 0);
    for (name, expected) in [("ann", 1), ("bob", 2), ("ann", 2), ("cid", 3)] {
        members.add(&tea(), &member(name)).await.unwrap();
        assert_eq!(members.count(&tea()).await.unwrap(), expected);
    }
    members.add(&room_id("tea0"), &member("ann")).await.unwrap();
    for (name, expected) in [("dan", 3), ("ann", 2), ("ann", 2), ("bob", 1), ("cid", 0), ("cid", 0)] {
        members.remove(&tea(), &member(name)).await.unwrap();
        assert_eq!(members.count(&tea()).await.unwrap(), expected);
    }
    assert_eq!(members.count(&room_id("tea0")).await.unwrap(), 1);
}

pub async fn concurrent_joins_are_all_counted<M: Members + 'static>(make: impl AsyncFn() -> M) {
    let members = Arc::new(make().await);
    let joins: Vec<_> = (0..32)
        .map(|n| {
            let members = Arc::clone(&members);
            // Everybody joins twice, every fourth leaves.
            tokio::spawn(async move {
                let who = member(&format!("user{}", n / 2));
                members.add(&tea(), &who).await.unwrap();
                if n / 2 % 4 == 0 {
                    members.remove(&tea(), &who).await.unwrap();
                }
            })
        })
        .collect();
    for join in joins {
        join.await.unwrap();
    }
    let listed = members.list(&tea(), None, 99).await.unwrap().len();
    assert_eq!(members.count(&tea()).await.unwrap(), listed);
    // Of a pair that joins and leaves, the join of one may follow the leave of the other; but both leave.
    assert_eq!(listed, 12);
}

pub async fn members_are_listed_by_user_behind_the_cursor<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    for name in ["bob", "ann", "cid", "Bob", "bo"] {
        members.add(&tea(), &member(name)).await.unwrap();
    }
    for room in ["te", "te-", "tea-", "tea0", "teaa"] {
        members.add(&room_id(room), &member("stranger")).await.unwrap();
    }
    assert_eq!(names(&members, "tea", None, 9).await, ["Bob", "ann", "bo", "bob", "cid"]);
    assert_eq!(names(&members, "tea", None, 2).await, ["Bob", "ann"]);
    assert_eq!(names(&members, "tea", Some("ann"), 2).await, ["bo", "bob"]);
    assert_eq!(names(&members, "tea", Some("boa"), 9).await, ["bob", "cid"], "the cursor need not exist");
    assert_eq!(names(&members, "tea", Some("cid"), 9).await, [""; 0]);
    assert_eq!(names(&members, "tea", None, 0).await, [""; 0]);
    assert_eq!(names(&members, "nowhere", None, 9).await, [""; 0]);
}

pub async fn rooms_are_listed_by_id_behind_the_cursor<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    for room in ["b", "a", "c", "B"] {
        members.add(&room_id(room), &member("ann")).await.unwrap();
    }
    for name in ["an", "ann ", "annb", "ann\0"] {
        members.add(&room_id("elsewhere"), &member(name)).await.unwrap();
    }
    assert_eq!(rooms(&members, "ann", None, 9).await, ["B", "a", "b", "c"]);
    assert_eq!(rooms(&members, "ann", None, 2).await, ["B", "a"]);
    assert_eq!(rooms(&members, "ann", Some("a"), 1).await, ["b"]);
    assert_eq!(rooms(&members, "ann", Some("aa"), 9).await, ["b", "c"], "the cursor need not exist");
    assert_eq!(rooms(&members, "ann", Some("c"), 9).await, [""; 0]);
    assert_eq!(rooms(&members, "nobody", None, 9).await, [""; 0]);
    assert_eq!(rooms(&members, "ann\0", None, 9).await, ["elsewhere"]);
}

pub async fn a_role_is_set_and_nothing_else<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    assert_eq!(members.set_role(&tea(), &user("ann"), Role::Owner).await.unwrap(), None);
    assert_eq!(members.get(&tea(), &user("ann")).await.unwrap(), None, "a role makes no member");
    let ann = Member { joined_seq: Some(4), read: mark(4, 2), joined_at: at(9), ..member("ann") };
    members.add(&tea(), &ann).await.unwrap();
    members.add(&tea(), &member("bob")).await.unwrap();
    members.add(&room_id("mate"), &member("ann")).await.unwrap();
    for role in [Role::Owner, Role::Owner, Role::Member, Role::Moderator] {
        let expected = Member { role, ..ann.clone() };
        assert_eq!(
            members.set_role(&tea(), &user("ann"), role).await.unwrap().as_ref(),
            Some(&expected),
            "the row as it is then"
        );
        assert_eq!(members.list(&tea(), None, 9).await.unwrap(), [expected.clone(), member("bob")]);
        let rooms = members.rooms_of(&user("ann"), None, 9).await.unwrap();
        assert_eq!(rooms, [(room_id("mate"), member("ann")), (tea(), expected)]);
    }
    assert_eq!(members.count(&tea()).await.unwrap(), 2);
    members.remove(&tea(), &ann).await.unwrap();
    assert_eq!(members.set_role(&tea(), &user("ann"), Role::Owner).await.unwrap(), None);
    assert_eq!(members.add(&tea(), &member("ann")).await.unwrap().role, Role::Member);
}

pub async fn a_role_and_a_mark_at_once_are_both_kept<M: Members + 'static>(make: impl AsyncFn() -> M) {
    let members = Arc::new(make().await);
    for n in 0..12 {
        let who = member(&format!("user{n}"));
        members.add(&tea(), &who).await.unwrap();
        let raise = {
            let (members, name) = (Arc::clone(&members), who.user.clone());
            tokio::spawn(async move { members.raise_mark(&tea(), &name, mark(5, 3)).await.unwrap() })
        };
        members.set_role(&tea(), &who.user, Role::Moderator).await.unwrap();
        raise.await.unwrap();
        let expected = Member { role: Role::Moderator, read: mark(5, 3), ..who };
        assert_eq!(members.get(&tea(), &expected.user).await.unwrap(), Some(expected));
    }
}

pub async fn marks_are_only_raised<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    assert_eq!(members.raise_mark(&tea(), &user("ann"), mark(3, 1)).await.unwrap(), None);
    assert_eq!(members.get(&tea(), &user("ann")).await.unwrap(), None, "a mark makes no member");
    members.add(&tea(), &member("ann")).await.unwrap();
    for (raise, expected) in [((5, 3), (5, 3)), ((4, 2), (5, 3)), ((5, 3), (5, 3)), ((9, 6), (9, 6))] {
        let answer = members.raise_mark(&tea(), &user("ann"), mark(raise.0, raise.1)).await.unwrap();
        assert_eq!(answer, Some(mark(expected.0, expected.1)));
        let row = members.get(&tea(), &user("ann")).await.unwrap().unwrap();
        assert_eq!(row, Member { read: mark(expected.0, expected.1), ..member("ann") });
    }
}

pub async fn concurrent_marks_end_at_the_farthest<M: Members + 'static>(make: impl AsyncFn() -> M) {
    let members = Arc::new(make().await);
    members.add(&tea(), &member("ann")).await.unwrap();
    let raises: Vec<_> = (1..=24)
        .map(|n| {
            let members = Arc::clone(&members);
            let mark = mark((n * 7) % 25 * 2, (n * 7) % 25);
            tokio::spawn(
                async move { members.raise_mark(&tea(), &user("ann"), mark).await.unwrap().unwrap() },
            )
        })
        .collect();
    for raise in raises {
        raise.await.unwrap();
    }
    assert_eq!(members.get(&tea(), &user("ann")).await.unwrap().unwrap().read, mark(48, 24));
}

pub async fn odd_user_ids_are_kept_apart<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    let texts: BTreeSet<String> = odd_texts().into_iter().collect();
    for text in &texts {
        members.add(&tea(), &member(text)).await.unwrap();
        members.add(&room_id("mate"), &member(text)).await.unwrap();
    }
    assert_eq!(members.count(&tea()).await.unwrap(), texts.len());
    let sorted: Vec<String> = texts.iter().cloned().collect();
    assert_eq!(names(&members, "tea", None, 999).await, sorted);
    for (n, text) in sorted.iter().enumerate() {
        assert_eq!(rooms(&members, text, None, 9).await, ["mate", "tea"], "{text:?}");
        assert_eq!(names(&members, "tea", Some(text), 999).await, sorted[n + 1..], "{text:?}");
        assert!(members.remove(&tea(), &member(text)).await.unwrap());
    }
    assert_eq!(members.count(&tea()).await.unwrap(), 0);
    assert_eq!(members.count(&room_id("mate")).await.unwrap(), texts.len());
}

pub async fn everything_is_there_again<M: Members>(make: impl AsyncFn() -> M) {
    let members = make().await;
    for name in ["ann", "bob", "cid"] {
        members.add(&tea(), &member(name)).await.unwrap();
    }
    members.raise_mark(&tea(), &user("ann"), mark(5, 3)).await.unwrap();
    members.confirm(&tea(), &member("ann"), 2).await.unwrap();
    members.set_role(&tea(), &user("ann"), Role::Moderator).await.unwrap();
    members.remove(&tea(), &member("bob")).await.unwrap();
    drop(members);

    let members = make().await;
    let ann = Member { role: Role::Moderator, joined_seq: Some(2), read: mark(5, 3), ..member("ann") };
    assert_eq!(members.list(&tea(), None, 9).await.unwrap(), [ann.clone(), member("cid")]);
    assert_eq!(members.rooms_of(&user("ann"), None, 9).await.unwrap(), [(tea(), ann)]);
    assert_eq!(rooms(&members, "bob", None, 9).await, [""; 0]);
    assert_eq!(members.count(&tea()).await.unwrap(), 2);
}
