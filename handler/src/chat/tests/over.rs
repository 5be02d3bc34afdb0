//! Who may sanction whom: one rule for removing, banning, muting and lifting.

use super::world::*;
use crate::chat::{Caller, NewSanction, Refused};
use crate::contract::data::user;
use crate::model::{Role, RoomId, SanctionKind};

const DEEDS: [&str; 5] = ["remove", "ban", "mute", "unban", "unmute"];

async fn act(world: &World, by: &Caller, room: &RoomId, deed: &str, whom: &str) -> Result<(), Refused> {
    let (chat, room) = (&world.chat, room.as_str());
    let new = NewSanction { user: whom.to_owned(), ..NewSanction::default() };
    match deed {
        "remove" => chat.remove_member(by, room, whom, None).await,
        "ban" => chat.sanction(by, room, SanctionKind::Ban, new).await.map(drop),
        "mute" => chat.sanction(by, room, SanctionKind::Mute, new).await.map(drop),
        "unban" => chat.lift(by, room, SanctionKind::Ban, whom).await.map(drop),
        _ => chat.lift(by, room, SanctionKind::Mute, whom).await.map(drop),
    }
}

/// `ann` made the room; two owners, two moderators, two members, and the deployment's two admins, one of them in the room.
async fn tea() -> (World, RoomId) {
    let mut world = World::open().await;
    world.set_admins(&["root", "boss"]);
    let tea = world.room("ann", "Tea").await;
    for (who, role) in [
        ("owner", Role::Owner),
        ("owner2", Role::Owner),
        ("mod", Role::Moderator),
        ("mod2", Role::Moderator),
        ("member", Role::Member),
        ("member2", Role::Member),
        ("root", Role::Member),
    ] {
        world.chat.add_member(&caller("ann"), tea.as_str(), who, role).await.unwrap();
    }
    (world, tea)
}

#[tokio::test]
async fn one_rule_says_who_acts_against_whom() {
    let expected = |by: &str, whom: &str| -> Result<(), &'static str> {
        let rank = |who: &str| match who {
            "boss" => 5,
            "ann" => 4,
            "owner" | "owner2" => 3,
            "mod" | "mod2" => 2,
            "member" | "member2" => 1,
            _ => 0,
        };
        match (by, whom) {
            ("eve", _) => Err("not_a_member"),
            ("member", _) => Err("not_permitted"),
            _ if by == whom => Err("not_yourself"),
            (_, "ann") => Err("is_the_creator"),
            (_, "root" | "boss") => Err("not_permitted"),
            _ if rank(by) > rank(whom) => Ok(()),
            _ => Err("not_permitted"),
        }
    };
    for deed in DEEDS {
        for by in ["eve", "member", "mod", "owner", "ann", "boss"] {
            let (world, tea) = tea().await;
            let caller = if by == "boss" { admin(by) } else { caller(by) };
            for whom in ["stranger", "member2", "mod2", "owner2", "ann", "root", by] {
                let refused = act(&world, &caller, &tea, deed, whom).await;
                let lifts_as_admin = by == "boss" && deed.starts_with("un");
                let expected = if lifts_as_admin { Ok(()) } else { expected(by, whom) };
                let seen = refused.as_ref().copied().map_err(|refused| refused.code);
                assert_eq!(seen, expected, "{by}: {deed} {whom}");
                let names_user = refused.err().and_then(|refused| refused.field);
                let is_about_user = expected.is_err() && !matches!(by, "eve" | "member");
                assert_eq!(names_user, is_about_user.then_some("user"), "{by}: {deed} {whom}");
            }
        }
    }
}

#[tokio::test]
async fn who_is_muted_does_not_lift_it_and_ranks_are_not_taken_to_get_round_the_rule() {
    let (world, tea) = tea().await;
    act(&world, &caller("owner"), &tea, "mute", "mod").await.unwrap();
    for by in ["mod", "mod2", "member"] {
        assert!(act(&world, &caller(by), &tea, "unmute", "mod").await.is_err(), "{by}");
    }
    let send = async || world.chat.send_message(&caller("mod"), to_room(tea.as_str(), "m", "x"), None).await;
    assert_eq!(send().await.unwrap_err().code, "muted");
    // An owner who takes the other's role first would get at them after all.
    let demote = async |by: &str, whom: &str| {
        let changed = world.chat.change_role(&caller(by), tea.as_str(), whom, Role::Member).await;
        changed.map(|member| member.role).map_err(|refused| refused.code)
    };
    assert_eq!(demote("owner", "owner2").await, Err("not_permitted"));
    assert_eq!(demote("owner", "owner").await, Ok(Role::Member), "stepping down is free");
    assert_eq!(demote("ann", "owner2").await, Ok(Role::Member), "and it is the creator's room");
    act(&world, &caller("ann"), &tea, "unmute", "mod").await.unwrap();
    assert!(send().await.is_ok());
}

#[tokio::test]
async fn the_creator_who_left_stays_beyond_reach() {
    let (world, tea) = tea().await;
    world.chat.leave_room(&caller("ann"), tea.as_str()).await.unwrap();
    let refused = act(&world, &admin("boss"), &tea, "ban", "ann").await.unwrap_err();
    assert_eq!(refused.code, "is_the_creator");
    world.chat.join_room(&caller("ann"), tea.as_str()).await.unwrap();
    assert!(world.truth.members.get(&tea, &user("ann")).await.unwrap().is_some());
}
