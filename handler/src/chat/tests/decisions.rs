//! Several decide the same at once, or a crash comes between a row and its entry: the last entry says what the row says.

use futures_util::future::join_all;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{NewSanction, Refused, RoomEdit};
use crate::contract::data::user;
use crate::contract::replay::Picture;
use crate::model::{Change, Entry, Role, RoomId, SanctionKind};

/// Others go first by chance, another one for each seed.
const ORDERS: u64 = 60;

fn chance(seed: u64) -> Mode {
    Mode::Random { seed, percent_before: 0, percent_after: 0 }
}

async fn tea_with(world: &World, members: &[&str]) -> RoomId {
    let tea = world.room("ann", "Tea").await;
    for member in members {
        world.chat.join_room(&caller(member), tea.as_str()).await.unwrap();
    }
    tea
}

async fn entries(world: &World, room: &RoomId) -> Vec<Entry> {
    world.truth.log.entries(&room.conversation(), 0, 10_000).await.unwrap().unwrap().entries
}

async fn role(world: &World, room: &RoomId, who: &str) -> Option<Role> {
    world.truth.members.get(room, &user(who)).await.unwrap().map(|member| member.role)
}

async fn give(world: &World, room: &RoomId, who: &str, role: Role) -> Result<(), Refused> {
    world.chat.change_role(&caller("ann"), room.as_str(), who, role).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn roles_given_at_once_end_as_the_last_entry_says() {
    for seed in 0..ORDERS {
        let world = World::open().await;
        let tea = tea_with(&world, &["bob"]).await;
        world.store.set(chance(seed));
        let all = [Role::Moderator, Role::Owner, Role::Moderator].map(|role| give(&world, &tea, "bob", role));
        join_all(all).await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        let told = Picture::of(&entries(&world, &tea).await).members.remove(&user("bob"));
        assert_eq!(role(&world, &tea, "bob").await, told, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_given_to_somebody_who_is_joining_is_told_behind_the_joining() {
    for seed in 0..ORDERS {
        let world = World::open().await;
        let tea = tea_with(&world, &[]).await;
        world.store.set(chance(seed));
        let (bob, given) = (caller("bob"), give(&world, &tea, "bob", Role::Moderator));
        let (joined, _) = tokio::join!(world.chat.join_room(&bob, tea.as_str()), given);
        joined.unwrap();
        let told = Picture::of(&entries(&world, &tea).await).members.remove(&user("bob"));
        assert_eq!(role(&world, &tea, "bob").await, told, "seed {seed}");
    }
}

#[tokio::test]
async fn a_role_that_a_crash_kept_from_its_row_is_ended_by_the_next() {
    let world = World::open().await;
    let tea = tea_with(&world, &["bob"]).await;
    let change = Change::RoleChanged { user: user("bob"), role: Role::Moderator, by: user("ann") };
    world.chat.append_change(&tea, &user("bob"), "role_changed", "crash", change).await.unwrap();
    for _ in 0..2 {
        give(&world, &tea, "bob", Role::Member).await.unwrap();
    }
    let log = entries(&world, &tea).await;
    assert_eq!(Picture::of(&log).members[&user("bob")], Role::Member);
    let told = log.iter().filter(|entry| matches!(entry.change, Change::RoleChanged { .. }));
    assert_eq!(told.count(), 2, "a repeat tells nothing");
}

#[tokio::test(start_paused = true)]
async fn a_room_changed_at_once_is_as_the_last_entry_says() {
    for seed in 0..ORDERS {
        let world = World::open().await;
        let tea = tea_with(&world, &[]).await;
        world.store.set(chance(seed));
        let (ann, id) = (caller("ann"), tea.as_str());
        let changes = ["Mate", "Milk", "Maté"].map(async |name| {
            let edit = RoomEdit { name: Some(name.to_owned()), ..RoomEdit::default() };
            world.chat.change_room(&ann, id, &edit).await.unwrap();
        });
        join_all(changes).await;
        let row = world.truth.rooms.get(&tea).await.unwrap().unwrap();
        let told = Picture::of(&entries(&world, &tea).await).room;
        assert_eq!(told, Some((row.name, row.description)), "seed {seed}");
    }
}

/// What is laid on bob by the row, and by the last entry.
async fn laid_on_bob(world: &World, room: &RoomId, kind: SanctionKind) -> [Option<Option<u64>>; 2] {
    let rows = world.truth.sanctions.of(room, &user("bob")).await.unwrap();
    let row = rows.into_iter().find(|row| row.kind == kind);
    let log = entries(world, room).await;
    let told = log.iter().rev().find_map(|entry| match &entry.change {
        Change::Sanctioned { on, until, kind: told, .. } if *told == kind => Some(on.then_some(*until)),
        _ => None,
    });
    let millis = |until: crate::model::Timestamp| until.millis();
    [row.map(|row| row.until.map(millis)), told.flatten().map(|until| until.map(millis))]
}

#[tokio::test(start_paused = true)]
async fn what_is_laid_on_and_lifted_at_once_is_as_the_last_entry_says() {
    for seed in 0..ORDERS {
        for kind in [SanctionKind::Ban, SanctionKind::Mute] {
            let world = World::open().await;
            let tea = tea_with(&world, &["bob"]).await;
            world.store.set(chance(seed));
            let (ann, id) = (caller("ann"), tea.as_str());
            let lay = async |duration_secs| {
                let new = NewSanction { user: "bob".to_owned(), duration_secs, reason: None };
                world.chat.sanction(&ann, id, kind, new).await.unwrap();
            };
            lay(Some(60)).await;
            let lift = async || world.chat.lift(&ann, id, kind, "bob").await.unwrap();
            tokio::join!(lay(None), lift(), lay(Some(90)), lift());
            world.store.set(Mode::Quiet);
            let [row, told] = laid_on_bob(&world, &tea, kind).await;
            assert_eq!(row, told, "{kind:?}, seed {seed}");
            assert_eq!(world.truth.sanctions.unapplied(None, 9).await.unwrap(), []);
        }
    }
}

#[tokio::test]
async fn a_lift_that_died_is_finished_by_the_repair_and_bars_nobody_meanwhile() {
    for seed in 0..ORDERS {
        let mut world = World::open().await;
        let tea = tea_with(&world, &["bob"]).await;
        let (ann, id) = (caller("ann"), tea.as_str());
        let ban = || NewSanction { user: "bob".to_owned(), ..NewSanction::default() };
        world.chat.sanction(&ann, id, SanctionKind::Ban, ban()).await.unwrap();
        world.store.set(Mode::Random { seed, percent_before: 20, percent_after: 20 });
        let lifted = world.chat.lift(&ann, id, SanctionKind::Ban, "bob").await;
        world.restart();
        world.store.set(Mode::Quiet);
        world.chat.repair().await.unwrap();
        let [row, told] = laid_on_bob(&world, &tea, SanctionKind::Ban).await;
        assert_eq!(row, told, "seed {seed}");
        assert!(lifted.is_err() || row.is_none(), "seed {seed}");
        // The same ban once more is told again where the first was lifted.
        world.chat.sanction(&ann, id, SanctionKind::Ban, ban()).await.unwrap();
        assert_eq!(laid_on_bob(&world, &tea, SanctionKind::Ban).await, [Some(None), Some(None)]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_joins_while_a_ban_is_laid_on_is_no_member_by_row_or_entry() {
    for seed in 0..4 * ORDERS {
        let mut world = World::open().await;
        let tea = tea_with(&world, &[]).await;
        let (ann, bob, id) = (caller("ann"), caller("bob"), tea.as_str().to_owned());
        world.store.set(Mode::Random { seed, percent_before: 5, percent_after: 5 });
        let new = NewSanction { user: "bob".to_owned(), ..NewSanction::default() };
        let _ = tokio::join!(
            world.chat.sanction(&ann, &id, SanctionKind::Ban, new.clone()),
            world.chat.join_room(&bob, &id)
        );
        world.restart();
        world.store.set(Mode::Quiet);
        world.chat.repair().await.unwrap();
        world.chat.sanction(&ann, &id, SanctionKind::Ban, new).await.unwrap();
        assert_eq!(world.chat.join_room(&bob, &id).await.unwrap_err().code, "banned");
        assert_eq!(role(&world, &tea, "bob").await, None, "seed {seed}");
        let told = Picture::of(&entries(&world, &tea).await).members;
        assert!(!told.contains_key(&user("bob")), "seed {seed}: {told:?}");
    }
}
