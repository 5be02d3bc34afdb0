//! Bans that meet what is under way, end by themselves, and are finished by the repair.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::world::*;
use crate::adapters::faulty::{Faults, Mode};
use crate::chat::{NewInvitation, NewSanction, PageRequest, Refused};
use crate::contract::data::user;
use crate::model::{Role, RoomId, Sanction, SanctionKind};

/// How long every call of a store or the transport takes, where two use cases meet.
const STEP: Duration = Duration::from_millis(10);
/// How much longer it takes in the process by which somebody comes in: a ban then overtakes what has seen none.
const PACES: [u32; 2] = [1, 4];
/// So many half steps earlier or later one of them starts.
const HALF_STEPS: u32 = 70;

fn against(who: &str, duration_secs: Option<u64>) -> NewSanction {
    NewSanction { user: who.to_owned(), duration_secs, reason: None }
}

async fn ban(world: &World, room: &RoomId, who: &str) -> Result<(), Refused> {
    let ann = caller("ann");
    let banned = world.chat.sanction(&ann, room.as_str(), SanctionKind::Ban, against(who, None));
    banned.await.map(drop)
}

/// A row as a process leaves it that dies at once.
async fn lay_by_hand(world: &World, room: &RoomId, who: &str, secs: Option<u64>) {
    let at = world.truth.clock.now();
    let until = secs.map(|secs| crate::model::Timestamp::from_millis(at.millis() + secs * 1000));
    let row = Sanction {
        user: user(who),
        kind: SanctionKind::Ban,
        by: user("ann"),
        at,
        until,
        reason: None,
        ends: None,
        applied: false,
    };
    world.truth.sanctions.put(room, &row).await.unwrap();
}

#[derive(Clone, Copy, Debug)]
enum WayIn {
    Join,
    Connect,
    Link,
    Added,
}

/// Bob comes in while ann bans him, in another process; one of them starts so much later.
async fn meet(way: WayIn, pace: u32, half_steps: u32, ban_is_later: bool) {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let (id, bob) = (tea.as_str(), user("bob"));
    let token =
        world.chat.create_invitation(&caller("ann"), id, NewInvitation::default()).await.unwrap().token;
    world.chat.add_member(&caller("ann"), id, "mod", Role::Moderator).await.unwrap();
    if matches!(way, WayIn::Connect) {
        world.chat.join_room(&caller("bob"), id).await.unwrap();
    } else {
        let welcome = world.chat.connecting(&bob, "c1").await.unwrap();
        world.wire.welcomes("c1", &welcome);
        world.chat.connected(&bob, "c1").await.unwrap();
    }
    world.ticker.advance(Duration::from_secs(1));
    let slow = Faults::default();
    slow.set(Mode::Delay(STEP * pace));
    let elsewhere = world.another_process(&slow);
    for faults in [&world.store, &world.live] {
        faults.set(Mode::Delay(STEP));
    }
    let offset = STEP / 2 * half_steps;
    let (ban_starts, way_starts) = if ban_is_later { (offset, STEP / 4) } else { (STEP / 4, offset) };
    let banning = async {
        sleep(ban_starts).await;
        ban(&world, &tea, "bob").await.unwrap();
    };
    let coming = async {
        sleep(way_starts).await;
        match way {
            WayIn::Join => drop(elsewhere.join_room(&caller("bob"), id).await),
            WayIn::Link => drop(elsewhere.accept_invitation(&caller("bob"), &token).await),
            WayIn::Added => drop(elsewhere.add_member(&caller("mod"), id, "bob", Role::Member).await),
            WayIn::Connect => {
                let welcome = elsewhere.connecting(&bob, "c1").await.unwrap();
                sleep(STEP).await;
                world.wire.welcomes("c1", &welcome);
                sleep(STEP).await;
                elsewhere.connected(&bob, "c1").await.unwrap();
            }
        }
    };
    tokio::join!(banning, coming);
    let context = format!("{way:?}, pace {pace}, {half_steps} half steps, ban later: {ban_is_later}");
    let group = format!("room_{tea}");
    assert!(!world.wire.is_in("c1", &group), "{context}: hears on");
    assert!(!world.wire.may_join("c1", &group), "{context}: may come back");
    assert!(world.truth.members.get(&tea, &bob).await.unwrap().is_none(), "{context}: is a member");
    assert!(world.truth.sanctions.unapplied(None, 9).await.unwrap().is_empty(), "{context}");
    let told = world.heard(&group).into_iter().filter(|frame| frame["user"] == "bob");
    let told: Vec<_> = told.filter(|frame| frame["type"] == "joined" || frame["type"] == "left").collect();
    // Two processes may send the same entry; it is one.
    let turns: BTreeMap<_, _> =
        told.iter().map(|frame| (frame["seq"].as_u64(), frame["type"].as_str().unwrap())).collect();
    let turns: Vec<_> = turns.into_values().collect();
    assert!(turns.is_empty() || turns == ["joined", "left"], "{context}: {turns:?}");
}

async fn meet_at_every_point(way: WayIn) {
    for (pace, half_steps) in PACES.iter().flat_map(|pace| (0..HALF_STEPS).map(|steps| (*pace, steps))) {
        meet(way, pace, half_steps, true).await;
        meet(way, pace, half_steps, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_that_a_ban_meets_does_not_slip_through() {
    meet_at_every_point(WayIn::Join).await;
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_a_ban_meets_does_not_slip_through() {
    meet_at_every_point(WayIn::Connect).await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_a_ban_meets_does_not_let_in() {
    meet_at_every_point(WayIn::Link).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_added_while_a_ban_is_laid_is_not_in() {
    meet_at_every_point(WayIn::Added).await;
}

#[tokio::test]
async fn a_ban_ends_by_itself_and_the_repair_forgets_it() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let (id, bob) = (tea.as_str(), caller("bob"));
    world.chat.join_room(&bob, id).await.unwrap();
    let hour = against("bob", Some(3600));
    let laid = world.chat.sanction(&caller("ann"), id, SanctionKind::Ban, hour).await.unwrap();
    assert_eq!(laid.until.unwrap().millis() - laid.at.millis(), 3_600_000);
    world.ticker.advance(Duration::from_secs(3599));
    world.chat.repair().await.unwrap();
    assert_eq!(world.chat.join_room(&bob, id).await.unwrap_err().code, "banned");
    world.ticker.advance(Duration::from_secs(1));
    let list = async || {
        world.chat.list_sanctions(&caller("ann"), id, SanctionKind::Ban, None, None).await.unwrap().sanctions
    };
    assert!(list().await.is_empty(), "the row is there still, and counts no more");
    world.chat.join_room(&bob, id).await.unwrap();
    world.chat.send_message(&bob, to_room(id, "m1", "back"), None).await.unwrap();
    assert!(world.chat.room_history(&bob, id, PageRequest::default()).await.is_ok());
    assert_eq!(world.truth.sanctions.of(&tea, &bob.user).await.unwrap().len(), 1);
    world.chat.repair().await.unwrap();
    assert!(world.truth.sanctions.of(&tea, &bob.user).await.unwrap().is_empty());
    assert!(world.truth.members.get(&tea, &bob.user).await.unwrap().is_some(), "who is back stays");
}

#[tokio::test]
async fn the_repair_finishes_what_is_over_too_and_leaves_alone_who_is_back() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    for who in ["bob", "cid"] {
        world.chat.join_room(&caller(who), tea.as_str()).await.unwrap();
        world.ticker.advance(Duration::from_secs(1));
        lay_by_hand(&world, &tea, who, Some(60)).await;
    }
    world.ticker.advance(Duration::from_secs(60));
    // Of bob the crash left all to do; cid was out already, and came back when it was over.
    let cid = world.truth.members.get(&tea, &user("cid")).await.unwrap().unwrap();
    world.truth.members.remove(&tea, &cid).await.unwrap();
    world.chat.join_room(&caller("cid"), tea.as_str()).await.unwrap();
    world.chat.repair().await.unwrap();
    assert!(world.truth.members.get(&tea, &user("bob")).await.unwrap().is_none());
    assert!(world.truth.members.get(&tea, &user("cid")).await.unwrap().is_some());
    for who in ["bob", "cid"] {
        assert!(world.truth.sanctions.of(&tea, &user(who)).await.unwrap().is_empty(), "{who}");
    }
}

#[tokio::test]
async fn sanctions_that_cannot_be_finished_do_not_keep_others_waiting() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let stuck: Vec<_> = (0..250).map(|n| format!("a{n:03}")).collect();
    for who in &stuck {
        lay_by_hand(&world, &tea, who, None).await;
        world.wire.set_stuck(&user(who), true);
    }
    world.chat.join_room(&caller("zoe"), tea.as_str()).await.unwrap();
    lay_by_hand(&world, &tea, "zoe", None).await;
    let is_in = async || world.truth.members.get(&tea, &user("zoe")).await.unwrap().is_some();
    for _ in 0..2 {
        assert_eq!(world.chat.repair().await.unwrap_err().code, "transport_unavailable");
        assert!(is_in().await, "a run does so much and no more");
    }
    world.chat.repair().await.unwrap_err();
    assert!(!is_in().await);
    for who in &stuck {
        world.wire.set_stuck(&user(who), false);
    }
    for _ in 0..3 {
        assert!(!world.truth.sanctions.unapplied(None, 999).await.unwrap().is_empty());
        world.chat.repair().await.unwrap();
    }
    assert!(
        world.truth.sanctions.unapplied(None, 999).await.unwrap().is_empty(),
        "it begins anew at the end"
    );
}

#[tokio::test]
async fn a_repair_whose_sanctions_fail_sees_to_leases_and_ends_too() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    world.chat.connecting(&user("cat"), "c1").await.unwrap();
    world
        .chat
        .sanction(&caller("ann"), tea.as_str(), SanctionKind::Mute, against("dan", Some(9)))
        .await
        .unwrap();
    lay_by_hand(&world, &tea, "bob", None).await;
    world.wire.set_stuck(&user("bob"), true);
    world.ticker.advance(Duration::from_secs(60));
    world.chat.repair().await.unwrap_err();
    assert!(world.truth.leases.of(&user("cat")).await.unwrap().is_empty());
    assert!(world.truth.sanctions.of(&tea, &user("dan")).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_last_one_banned_takes_a_room_made_by_joining_along() {
    let mut world = World::with_rooms_on_join().await;
    world.set_admins(&["root"]);
    let pop = RoomId::new("pop").unwrap();
    for who in ["bob", "cat", "dan"] {
        world.chat.join_room(&caller(who), "pop").await.unwrap();
    }
    world.chat.leave_room(&caller("bob"), "pop").await.unwrap();
    for (who, is_last) in [("cat", false), ("dan", true)] {
        world.chat.sanction(&admin("root"), "pop", SanctionKind::Ban, against(who, None)).await.unwrap();
        assert_eq!(world.truth.rooms.get(&pop).await.unwrap().is_none(), is_last, "{who}");
    }
    assert_eq!(world.heard("room_pop").last().unwrap()["type"], "room_deleted");
    assert!(world.truth.sanctions.unapplied(None, 9).await.unwrap().is_empty());
    // What was decided in it went with it: the next room of this id is another.
    world.chat.join_room(&caller("dan"), "pop").await.unwrap();
    let room = world.truth.rooms.get(&pop).await.unwrap().unwrap();
    assert_eq!(room.created_by, user("dan"));
}

#[tokio::test]
async fn a_ban_of_a_room_that_goes_meanwhile_leaves_no_row() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    world.chat.delete_room(&caller("ann"), tea.as_str(), None).await.unwrap();
    lay_by_hand(&world, &tea, "bob", None).await;
    world.chat.repair().await.unwrap();
    assert!(world.truth.sanctions.of(&tea, &user("bob")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_link_is_not_used_up_by_who_is_banned() {
    let world = World::open().await;
    let tea = world.private_room("ann", "Tea").await;
    let link = NewInvitation { max_uses: Some(1), ..NewInvitation::default() };
    let token = world.chat.create_invitation(&caller("ann"), tea.as_str(), link).await.unwrap().token;
    ban(&world, &tea, "bob").await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.chat.accept_invitation(&caller("bob"), &token).await.unwrap_err().code, "banned");
    }
    let links = world.chat.list_invitations(&caller("ann"), tea.as_str(), None, None).await.unwrap();
    assert_eq!(links.invitations[0].uses, 0);
    world.chat.accept_invitation(&caller("eve"), &token).await.unwrap();
    world.chat.lift(&caller("ann"), tea.as_str(), SanctionKind::Ban, "bob").await.unwrap();
    let refused = world.chat.accept_invitation(&caller("bob"), &token).await.unwrap_err();
    assert_eq!(refused.code, "invitation_used_up");
}

#[tokio::test]
async fn each_of_many_sanctions_in_one_moment_is_told() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    for _ in 0..3 {
        ban(&world, &tea, "bob").await.unwrap();
        assert!(world.chat.lift(&caller("ann"), tea.as_str(), SanctionKind::Ban, "bob").await.unwrap());
        assert!(!world.chat.lift(&caller("ann"), tea.as_str(), SanctionKind::Ban, "bob").await.unwrap());
    }
    let told = world.heard(&format!("room_{tea}"));
    let told: Vec<_> = told.iter().filter_map(|frame| frame["on"].as_bool()).collect();
    assert_eq!(told, [true, false, true, false, true, false]);
}

#[tokio::test]
async fn what_a_ban_is_laid_on_with_is_judged() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let lay = async |new: NewSanction| {
        let laid = world.chat.sanction(&caller("ann"), tea.as_str(), SanctionKind::Mute, new).await;
        laid.map(drop).map_err(|refused| (refused.code, refused.field))
    };
    for secs in [0, 316_224_001, u64::MAX] {
        assert_eq!(lay(against("bob", Some(secs))).await, Err(("invalid_field", Some("duration"))));
    }
    for secs in [1, 316_224_000] {
        assert_eq!(lay(against("bob", Some(secs))).await, Ok(()));
    }
    let because = |text: String| NewSanction { reason: Some(text), ..against("bob", None) };
    assert_eq!(lay(because("é".repeat(501))).await, Err(("too_long", Some("reason"))));
    assert_eq!(lay(because("é".repeat(500))).await, Ok(()));
    assert_eq!(lay(because(" ".to_owned())).await, Ok(()));
    let stands = world.truth.sanctions.of(&tea, &user("bob")).await.unwrap();
    assert_eq!((stands.len(), &stands[0].reason), (1, &None), "one of white space is none");
    assert_eq!(lay(against("", None)).await, Err(("missing_field", Some("user"))));
    assert_eq!(lay(against(&"x".repeat(129), None)).await, Err(("too_long", Some("user"))));
}
