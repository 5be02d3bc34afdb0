//! Who did what, on whom, when, why and from where.

use std::sync::Arc;
use std::time::Duration;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{
    AuditQuery, AuditView, Caller, Chat, Limits, MemberQuery, NewInvitation, NewRoom, NewSanction,
    RefusedSignIn, RoomEdit, SyncRequest, Venue,
};
use crate::contract::data::user;
use crate::model::{Desk, Origin, RateLimit, RateLimits, Role, RoomId, SanctionKind, Timestamp, bounds};
use crate::ports::{AuditOutcome, LetterKind};

fn from_the_network(who: &str) -> Caller {
    Caller { origin: Origin::address([203, 0, 113, 9].into()), ..caller(who) }
}

fn against(who: &str) -> NewSanction {
    NewSanction { user: who.to_owned(), duration_secs: None, reason: Some("spam".to_owned()) }
}

async fn find(world: &World, query: AuditQuery) -> Vec<AuditView> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page =
            world.chat.list_audit(&admin("root"), &AuditQuery { after, ..query.clone() }).await.unwrap();
        all.extend(page.records);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// Newest first.
async fn everything(world: &World) -> Vec<AuditView> {
    find(world, AuditQuery::default()).await
}

/// The actions there are, oldest first.
async fn actions(world: &World) -> Vec<String> {
    everything(world).await.into_iter().rev().map(|record| record.action).collect()
}

async fn tea(world: &World) -> RoomId {
    let room = world.room("ann", "Tea").await;
    for who in ["bob", "eve"] {
        world.chat.join_room(&caller(who), room.as_str()).await.unwrap();
    }
    // Records of one moment stand in no order of theirs.
    world.ticker.advance(Duration::from_secs(1));
    room
}

#[tokio::test]
async fn a_ban_tells_everything_about_itself() {
    let world = World::open().await;
    let room = tea(&world).await;
    world.ticker.advance(Duration::from_secs(5));
    let ann = from_the_network("ann");
    world.chat.sanction(&ann, room.as_str(), SanctionKind::Ban, against("bob")).await.unwrap();
    let record = everything(&world).await.remove(0);
    let expected = AuditView {
        id: record.id.clone(),
        at: Timestamp::from_millis(START + 6_000),
        action: "room.ban".to_owned(),
        by: Some(user("ann")),
        on: Some(user("bob")),
        room_id: Some(room),
        conversation: None,
        target: None,
        reason: Some("spam".to_owned()),
        origin: Origin::address([203, 0, 113, 9].into()),
        outcome: AuditOutcome::Done,
    };
    assert_eq!(record, expected);
}

#[tokio::test]
async fn every_administrative_act_is_on_record_once_however_often_it_is_asked_for() {
    let world = World::open().await;
    let room = tea(&world).await;
    let (id, ann, chat) = (room.as_str(), from_the_network("ann"), &world.chat);
    world.say("bob", id, "m1", "rude").await;
    let seq = world.head(&room.conversation()).await.seq;
    let link = NewInvitation { role: Role::Moderator, ..NewInvitation::default() };
    let issued = chat.create_invitation(&ann, id, link).await.unwrap();
    chat.accept_invitation(&caller("dan"), &issued.token).await.unwrap();
    let socket = socket("ann", "c-1");
    for _ in 0..2 {
        let edit = RoomEdit { description: Some("hot".to_owned()), ..RoomEdit::default() };
        chat.change_room(&ann, id, &edit).await.unwrap();
        chat.invite_user(&ann, id, "kim").await.unwrap();
        chat.add_member(&ann, id, "kim", Role::Member).await.unwrap();
        chat.change_role(&ann, id, "eve", Role::Moderator).await.unwrap();
        chat.delete_message(&ann, &Venue::Room(id.to_owned()), seq, Some("rude")).await.unwrap();
        for kind in [SanctionKind::Mute, SanctionKind::Ban] {
            chat.sanction(&socket, id, kind, against("bob")).await.unwrap();
        }
        chat.revoke_invitation(&ann, id, &issued.id).await.unwrap();
    }
    for _ in 0..2 {
        chat.lift(&ann, id, SanctionKind::Ban, "bob").await.unwrap();
        chat.lift(&ann, id, SanctionKind::Mute, "bob").await.unwrap();
        chat.remove_member(&ann, id, "eve", Some("quiet")).await.unwrap();
    }
    chat.delete_room(&ann, id, None).await.unwrap();
    let _ = chat.delete_room(&ann, id, None).await.unwrap_err();
    let all = everything(&world).await;
    assert!(all.iter().all(|record| record.outcome == AuditOutcome::Done), "{all:#?}");
    let mut told: Vec<_> = all.iter().map(|record| record.action.as_str()).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "invitation.create",
            "invitation.revoke",
            "member.add",
            "member.invite",
            "member.remove",
            "member.role",
            "member.role",
            "message.delete",
            "room.ban",
            "room.change",
            "room.create",
            "room.delete",
            "room.mute",
            "room.unban",
            "room.unmute"
        ]
    );
    let ban = all.iter().find(|record| record.action == "room.ban").unwrap();
    assert_eq!(ban.origin.to_string(), "connection:c-1");
    let deleted = all.iter().find(|record| record.action == "message.delete").unwrap();
    let seq = seq.to_string();
    assert_eq!((deleted.target.as_deref(), deleted.on.clone()), (Some(&*seq), Some(user("bob"))));
}

#[tokio::test]
async fn what_people_do_with_their_own_is_nobodys_business() {
    let world = World::open().await;
    let room = tea(&world).await;
    let (id, bob) = (room.as_str(), caller("bob"));
    world.say("bob", id, "m1", "oops").await;
    let seq = world.head(&room.conversation()).await.seq;
    world.chat.delete_message(&bob, &Venue::Room(id.to_owned()), seq, None).await.unwrap();
    world.chat.leave_room(&bob, id).await.unwrap();
    assert_eq!(actions(&world).await, ["room.create"]);
    let refused = world.chat.sanction(&caller("eve"), id, SanctionKind::Ban, against("bob")).await;
    assert_eq!(refused.unwrap_err().code, "not_permitted");
    assert_eq!(actions(&world).await, ["room.create"]);
}

#[tokio::test]
async fn a_second_decision_is_a_second_record() {
    let world = World::open().await;
    let room = tea(&world).await;
    let (id, ann) = (room.as_str(), caller("ann"));
    for _ in 0..2 {
        world.chat.sanction(&ann, id, SanctionKind::Ban, against("bob")).await.unwrap();
        world.chat.lift(&ann, id, SanctionKind::Ban, "bob").await.unwrap();
    }
    let told = actions(&world).await;
    let count = |action| told.iter().filter(|told| *told == action).count();
    assert_eq!((count("room.ban"), count("room.unban")), (2, 2), "{told:?}");
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let world = World::open().await;
    let room = tea(&world).await;
    let (id, ann) = (room.as_str(), caller("ann"));
    world.store.set(Mode::FailCalls("audit.append"));
    let refused = world.chat.sanction(&ann, id, SanctionKind::Ban, against("bob")).await.unwrap_err();
    assert_eq!(refused.code, "audit_unavailable");
    assert!(refused.is_unavailable());
    assert!(world.truth.sanctions.of(&room, &user("bob")).await.unwrap().is_empty());
    assert!(world.truth.members.get(&room, &user("bob")).await.unwrap().is_some());
    let refused =
        world.chat.create_room(&ann, NewRoom { name: "New".into(), ..NewRoom::default() }, None).await;
    assert_eq!(refused.unwrap_err().code, "audit_unavailable");
    assert_eq!(world.chat.counters().audit_failures.get(), 2);
    world.store.set(Mode::Quiet);
    world.chat.sanction(&ann, id, SanctionKind::Ban, against("bob")).await.unwrap();
}

#[tokio::test]
async fn an_outcome_that_cannot_be_stored_takes_nothing_back_and_a_repeat_stores_it() {
    let world = World::open().await;
    let room = tea(&world).await;
    let (id, ann) = (room.as_str(), caller("ann"));
    let outcomes = async || -> Vec<_> {
        everything(&world).await.into_iter().filter(|r| r.action == "room.ban").map(|r| r.outcome).collect()
    };
    world.store.set(Mode::FailCalls("audit.settle"));
    world.chat.sanction(&ann, id, SanctionKind::Ban, against("bob")).await.unwrap();
    assert_eq!(world.chat.counters().audit_failures.get(), 1);
    world.store.set(Mode::Quiet);
    assert_eq!(outcomes().await, [AuditOutcome::Begun]);
    world.chat.sanction(&ann, id, SanctionKind::Ban, against("bob")).await.unwrap();
    assert_eq!(outcomes().await, [AuditOutcome::Done]);
}

#[tokio::test]
async fn an_act_that_a_store_broke_off_stays_begun_until_a_repeat_ends_it() {
    let world = World::open().await;
    let room = tea(&world).await;
    let (id, ann) = (room.as_str(), caller("ann"));
    world.store.set(Mode::FailCalls("members.remove"));
    assert!(
        world.chat.sanction(&ann, id, SanctionKind::Ban, against("bob")).await.unwrap_err().is_unavailable()
    );
    world.store.set(Mode::Quiet);
    assert_eq!(everything(&world).await[0].outcome, AuditOutcome::Begun);
    world.chat.sanction(&ann, id, SanctionKind::Ban, against("bob")).await.unwrap();
    let all = everything(&world).await;
    assert_eq!((all[0].action.as_str(), &all[0].outcome), ("room.ban", &AuditOutcome::Done));
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn a_refusal_by_what_happened_meanwhile_is_on_record() {
    let world = World::open().await;
    tea(&world).await;
    let again = NewRoom { name: "tea".into(), ..NewRoom::default() };
    assert_eq!(
        world.chat.create_room(&caller("bob"), again, None).await.unwrap_err().code,
        "room_name_taken"
    );
    let refused = AuditOutcome::Refused { code: "room_name_taken".into() };
    assert_eq!(everything(&world).await[0].outcome, refused);
}

#[tokio::test]
async fn admins_find_records_by_who_whom_where_what_and_when() {
    let world = World::open().await;
    let room = tea(&world).await;
    let (id, ann) = (room.as_str(), caller("ann"));
    for n in 0..250 {
        let kind = if n % 2 == 0 { SanctionKind::Ban } else { SanctionKind::Mute };
        world.ticker.advance(Duration::from_secs(1));
        world.chat.sanction(&ann, id, kind, against(&format!("u{n}"))).await.unwrap();
    }
    let query =
        |action: Option<&str>| AuditQuery { action: action.map(str::to_owned), ..AuditQuery::default() };
    assert_eq!(find(&world, query(None)).await.len(), 251);
    assert_eq!(find(&world, query(Some("room.mute"))).await.len(), 125);
    let on = AuditQuery { on: Some("u7".into()), ..AuditQuery::default() };
    assert_eq!(find(&world, on).await[0].action, "room.mute");
    let by = |who: &str| AuditQuery { by: Some(who.to_owned()), ..AuditQuery::default() };
    assert_eq!((find(&world, by("ann")).await.len(), find(&world, by("bob")).await.len()), (251, 0));
    let room = |room: &str| AuditQuery { room: Some(room.to_owned()), ..AuditQuery::default() };
    assert_eq!((find(&world, room(id)).await.len(), find(&world, room("other")).await.len()), (251, 0));
    let at = |secs: u64| Some(Timestamp::from_millis(START + secs * 1_000));
    let span = AuditQuery { since: at(10), until: at(20), limit: Some(3), ..AuditQuery::default() };
    let found: Vec<_> = find(&world, span).await.into_iter().map(|record| record.at).collect();
    let expected: Vec<_> = (10..20).rev().map(|secs| at(secs).unwrap()).collect();
    assert_eq!(found, expected);
    let refused = world.chat.list_audit(&ann, &AuditQuery::default()).await;
    assert_eq!(refused.unwrap_err().code, "admins_only");
    let odd = AuditQuery { after: Some("nonsense".into()), ..AuditQuery::default() };
    assert_eq!(world.chat.list_audit(&admin("root"), &odd).await.unwrap_err().field, Some("after"));
}

#[tokio::test]
async fn a_search_looks_at_so_many_and_goes_on_where_it_stopped() {
    let world = World::open().await;
    let room = tea(&world).await;
    let ann = caller("ann");
    for n in 0..2_100 {
        let new = against(&format!("u{n}"));
        world.chat.sanction(&ann, room.as_str(), SanctionKind::Mute, new).await.unwrap();
    }
    let query = AuditQuery { on: Some("u0".into()), ..AuditQuery::default() };
    let first = world.chat.list_audit(&admin("root"), &query).await.unwrap();
    assert!(first.next.is_some(), "not everything was looked at");
    assert_eq!(find(&world, query).await.len(), 1);
}

#[tokio::test]
async fn records_go_when_their_time_is_over() {
    let world = World::open().await;
    tea(&world).await;
    world.ticker.advance(Duration::from_secs(90 * 24 * 60 * 60 - 1));
    world.room("ann", "Late").await;
    assert_eq!(world.chat.forget_audit().await.unwrap(), 0);
    world.ticker.advance(Duration::from_millis(1));
    assert_eq!(world.chat.forget_audit().await.unwrap(), 1);
    assert_eq!(actions(&world).await, ["room.create"]);
}

#[tokio::test]
async fn who_reads_letters_is_on_record() {
    let world = World::open().await;
    world.chat.list_letters(&admin("root"), LetterKind::Dead, None, None).await.unwrap();
    assert_eq!(actions(&world).await, [""; 0], "nothing was there to read");
    world.deliver(&[foreign(crate::ports::Entity::Queue, "no json")]).await;
    let refused = world.chat.list_letters(&caller("ann"), LetterKind::Dead, None, None).await;
    assert_eq!(refused.unwrap_err().code, "admins_only");
    world.store.set(Mode::FailCalls("audit.append"));
    let refused = world.chat.list_letters(&admin("root"), LetterKind::Dead, None, None).await;
    assert_eq!(refused.unwrap_err().code, "audit_unavailable", "nothing is shown off the record");
    world.store.set(Mode::Quiet);
    world.chat.list_letters(&admin("root"), LetterKind::Dead, None, None).await.unwrap();
    assert_eq!(everything(&world).await[0].target.as_deref(), Some("1 dead"));
}

/// Once for each room and ten minutes, whatever they ask for and how often.
#[tokio::test]
async fn what_an_admin_reads_of_a_room_they_are_not_in_is_on_record() {
    let world = World::members_only().await;
    let (room, other) = (world.private_room("ann", "Tea").await, world.private_room("ann", "Milk").await);
    let (id, root, chat) = (room.as_str(), admin("root"), &world.chat);
    world.say("ann", id, "m1", "secret").await;
    let seq = world.seqs(id).await[0];
    let venue = Venue::Room(id.to_owned());
    let reads = async |root: &Caller| {
        world.ticker.advance(Duration::from_secs(1));
        let read = async || everything(&world).await.iter().filter(|r| r.action == "room.read").count();
        let mut counts = Vec::new();
        chat.message(root, &venue, seq).await.unwrap();
        counts.push(read().await);
        chat.reactions(root, &venue, seq).await.unwrap();
        chat.pinned(root, id).await.unwrap();
        chat.list_members(root, id, &MemberQuery::default()).await.unwrap();
        chat.reviews(root, &Desk::Room(room.clone()), None, None).await.unwrap();
        let cursors = vec![(id.to_owned(), 0), (other.to_string(), 0)];
        chat.sync(root, SyncRequest { cursors, ..SyncRequest::default() }).await.unwrap();
        counts.push(read().await);
        counts
    };
    assert_eq!(reads(&caller("ann").clone()).await, [0, 0], "its members read what is theirs");
    assert_eq!(reads(&root).await, [1, 2]);
    assert_eq!(reads(&root).await, [2, 2]);
    assert_eq!(reads(&admin("toor")).await, [3, 4]);
    let record = everything(&world).await.into_iter().find(|r| r.room_id.as_ref() == Some(&room)).unwrap();
    assert_eq!((record.action.as_str(), record.outcome), ("room.read", AuditOutcome::Done));
    let another = world.another_process(&crate::adapters::faulty::Faults::default());
    another.message(&root, &venue, seq).await.unwrap();
    assert_eq!(reads(&root).await, [4, 4], "the same for all processes");
    world.ticker.advance(Duration::from_secs(10 * 60));
    world.store.set(Mode::FailCalls("audit.append"));
    assert_eq!(chat.message(&root, &venue, seq).await.unwrap_err().code, "audit_unavailable");
    world.store.set(Mode::Quiet);
    assert_eq!(reads(&root).await, [5, 6]);
}

#[tokio::test]
async fn an_admin_who_lets_themself_into_a_private_room_does_so_on_record() {
    let world = World::members_only().await;
    let room = world.private_room("ann", "Tea").await;
    let open = world.room("ann", "Open").await;
    world.ticker.advance(Duration::from_secs(1));
    let (id, root) = (room.as_str(), admin("root"));
    for room in [id, id, open.as_str()] {
        world.chat.join_room(&root, room).await.unwrap();
    }
    let seen = world.chat.pinned(&root, id).await.unwrap();
    assert!(seen.messages.is_empty());
    let all = everything(&world).await;
    assert_eq!(all.iter().filter(|record| record.room_id.as_ref() == Some(&room)).count(), 2, "{all:#?}");
    assert_eq!((all[0].action.as_str(), all[0].on.clone()), ("member.join", Some(user("root"))));
    world.chat.leave_room(&root, id).await.unwrap();
    world.store.set(Mode::FailCalls("audit.append"));
    assert_eq!(world.chat.join_room(&root, id).await.unwrap_err().code, "audit_unavailable");
    assert!(world.truth.members.get(&room, &user("root")).await.unwrap().is_none());
}

#[tokio::test]
async fn who_pins_and_unpins_is_on_record() {
    let world = World::open().await;
    let room = tea(&world).await;
    let (id, ann) = (room.as_str(), caller("ann"));
    world.say("bob", id, "m1", "hi").await;
    let seq = *world.seqs(id).await.last().unwrap();
    for on in [true, false, true] {
        for _ in 0..2 {
            world.ticker.advance(Duration::from_secs(1));
            world.chat.pin(&ann, id, seq, on).await.unwrap();
        }
    }
    let all = everything(&world).await;
    assert_eq!((all[0].on.clone(), all[0].target.clone()), (Some(user("bob")), Some(seq.to_string())));
    assert_eq!(actions(&world).await, ["room.create", "message.pin", "message.unpin", "message.pin"]);
}

/// The same act once more, later, is the one that is on record.
#[tokio::test(start_paused = true)]
async fn what_a_limit_put_off_is_done_where_the_record_says_so() {
    let mut world = World::open().await;
    let room = tea(&world).await;
    world.say("bob", room.as_str(), "m1", "hi").await;
    let seq = *world.seqs(room.as_str()).await.last().unwrap();
    let once = Some(RateLimit { per_second: 1, burst: 1 });
    let limits = Limits::new(&RateLimits { user: once, ..RateLimits::default() });
    world.chat = Arc::new(Chat::new(world.faulty.clone(), world.options).with_limits(Arc::new(limits)));
    let ann = caller("ann");
    let delete = async || {
        let venue = Venue::Room(room.to_string());
        world.chat.delete_message(&ann, &venue, seq, None).await.map_err(|refused| refused.code)
    };
    world.chat.pin(&ann, room.as_str(), seq, true).await.unwrap();
    assert_eq!(delete().await.unwrap_err(), "rate_limited");
    tokio::time::advance(Duration::from_secs(1)).await;
    delete().await.unwrap();
    let all = everything(&world).await;
    let deleted: Vec<_> = all.iter().filter(|record| record.action == "message.delete").collect();
    assert_eq!((deleted.len(), &deleted[0].outcome), (1, &AuditOutcome::Done), "{all:#?}");
}

/// Why somebody does something is one thing, wherever they say it.
#[tokio::test]
async fn a_reason_is_what_stands_between_white_space() {
    let world = World::open().await;
    let room = tea(&world).await;
    let (ann, id) = (caller("ann"), room.as_str());
    let wide = format!("  {}\n", "x".repeat(bounds::REASON_CHARS));
    let ban = NewSanction { user: "bob".into(), reason: Some(wide.clone()), ..NewSanction::default() };
    let laid = world.chat.sanction(&ann, id, SanctionKind::Ban, ban).await.unwrap();
    assert_eq!(laid.reason.as_deref(), Some(wide.trim()));
    world.ticker.advance(Duration::from_secs(1));
    world.chat.remove_member(&ann, id, "eve", Some(" loud ")).await.unwrap();
    assert_eq!(everything(&world).await[0].reason.as_deref(), Some("loud"));
    let too_long = "x".repeat(bounds::REASON_CHARS + 1);
    let refused = world.chat.remove_member(&ann, id, "bob", Some(&too_long)).await.unwrap_err();
    assert_eq!((refused.code, refused.field), ("too_long", Some("reason")));
}

/// Whoever makes up names has no more room for it than whoever makes up none.
#[tokio::test]
async fn claims_that_are_made_up_make_no_records_of_their_own() {
    let world = World::open().await;
    let refused =
        |who: &str, origin| RefusedSignIn { claimed: Some(user(who)), code: "token_invalid", origin };
    for n in 0..99 {
        let from = Origin::address([203, 0, 113, 1].into());
        world.chat.note_refused_sign_in(refused(&format!("made-up-{n}"), from)).await;
    }
    assert_eq!(everything(&world).await.len(), 1);
    // Their service has proven whose they are, and each connection has a name of its own.
    for n in 0..99 {
        let who = if n < 50 { "ann" } else { "bob" };
        world.chat.note_refused_sign_in(refused(who, Origin::connection(&format!("c{n}")))).await;
    }
    assert_eq!(everything(&world).await.len(), 3);
}

#[tokio::test]
async fn refused_sign_ins_are_on_record_within_bounds() {
    let world = World::open().await;
    let refused = |who: &str, host| RefusedSignIn {
        claimed: Some(user(who)),
        code: "token_expired",
        origin: Origin::address([203, 0, 113, host].into()),
    };
    for _ in 0..3 {
        world.chat.note_refused_sign_in(refused("ann", 1)).await;
    }
    let all = everything(&world).await;
    assert_eq!(all.len(), 1, "the same within a minute");
    assert_eq!((all[0].by.clone(), all[0].on.clone()), (None, Some(user("ann"))));
    assert_eq!(all[0].outcome, AuditOutcome::Refused { code: "token_expired".into() });
    for host in 2..100 {
        world.chat.note_refused_sign_in(refused("eve", host)).await;
    }
    assert_eq!(everything(&world).await.len(), 60);
    world.ticker.advance(Duration::from_secs(60));
    world.chat.note_refused_sign_in(refused("ann", 1)).await;
    let all = everything(&world).await;
    assert_eq!(all.len(), 62, "a new minute, and what was left out in the one before");
    assert!(all.iter().any(|record| record.target.as_deref() == Some("39 more in the minute before")));
    world.store.set(Mode::FailAll);
    world.chat.note_refused_sign_in(refused("bob", 2)).await;
    assert_eq!(world.chat.counters().audit_failures.get(), 1);
}
