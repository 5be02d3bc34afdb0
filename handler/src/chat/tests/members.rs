//! Members: the list, adding, roles, removal, and ways in by invitation.

use std::time::Duration;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{Caller, Issued, MemberQuery, NewInvitation, NewSanction};
use crate::contract::data::user;
use crate::model::{Lease, Profile, Role, RoomId, SanctionKind};

async fn list(
    world: &World,
    who: &str,
    room: &RoomId,
    query: MemberQuery,
) -> Result<Vec<String>, &'static str> {
    let page = world.chat.list_members(&caller(who), room.as_str(), &query).await;
    page.map(|page| page.members.into_iter().map(|member| member.user.to_string()).collect())
        .map_err(|refused| refused.code)
}

async fn tea_with(world: &World, members: &[&str]) -> RoomId {
    let tea = world.private_room("ann", "Tea").await;
    for member in members {
        world.chat.add_member(&caller("ann"), tea.as_str(), member, Role::Member).await.unwrap();
    }
    tea
}

#[tokio::test]
async fn members_are_listed_in_pages_with_what_is_known_of_them() {
    let world = World::open().await;
    let tea = tea_with(&world, &["bob", "cid", "dan"]).await;
    let profile = Profile { display_name: Some("Bob".to_owned()), ..Profile::of(user("bob")) };
    world.truth.profiles.put(&profile).await.unwrap();
    for (who, connection) in [("cid", "c1"), ("cid", "c2"), ("dan", "c3")] {
        let confirmed = who == "cid";
        let lease = Lease {
            user: user(who),
            connection: connection.to_owned(),
            since: world.truth.clock.now(),
            confirmed,
            rooms: Vec::new(),
        };
        world.truth.leases.put(&lease).await.unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let query = MemberQuery { after, limit: Some(2), only_online: false };
        let page = world.chat.list_members(&caller("bob"), tea.as_str(), &query).await.unwrap();
        assert!(page.members.len() <= 2);
        seen.extend(page.members);
        after = page.next.map(String::from);
        if after.is_none() {
            break;
        }
    }
    let told: Vec<_> =
        seen.iter().map(|m| (m.user.as_str(), m.role, m.online, m.display_name.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("ann", Role::Owner, false, None),
            ("bob", Role::Member, false, Some("Bob")),
            ("cid", Role::Member, true, None),
            ("dan", Role::Member, false, None),
        ]
    );
    let online = MemberQuery { only_online: true, ..MemberQuery::default() };
    assert_eq!(list(&world, "ann", &tea, online).await, Ok(vec!["cid".to_owned()]));
    assert_eq!(list(&world, "eve", &tea, MemberQuery::default()).await, Err("room_not_found"));
    assert_eq!(
        list(&world, "eve", &world.room("ann", "Open").await, MemberQuery::default()).await.unwrap(),
        ["ann"]
    );
}

#[tokio::test]
async fn roles_are_given_by_owners_and_the_creator_stays() {
    let world = World::open().await;
    let tea = tea_with(&world, &["bob", "cid"]).await;
    let give = async |by: &str, to: &str, role| {
        let given = world.chat.change_role(&caller(by), tea.as_str(), to, role).await;
        given.map(|member| member.role).map_err(|refused| refused.code)
    };
    assert_eq!(give("bob", "cid", Role::Moderator).await, Err("not_permitted"));
    for _ in 0..2 {
        assert_eq!(give("ann", "bob", Role::Moderator).await, Ok(Role::Moderator));
    }
    assert_eq!(give("bob", "bob", Role::Owner).await, Err("not_permitted"));
    assert_eq!(give("ann", "bob", Role::Owner).await, Ok(Role::Owner));
    assert_eq!(give("bob", "ann", Role::Member).await, Err("is_the_creator"));
    assert_eq!(give("ann", "eve", Role::Member).await, Err("member_not_found"));
    let told = world.heard(&format!("room_{tea}"));
    let roles: Vec<_> =
        told.iter().filter(|frame| frame["type"] == "role_changed").map(|f| f["role"].clone()).collect();
    assert_eq!(roles, ["moderator", "owner"], "a repeat says nothing");
}

#[tokio::test]
async fn moderators_remove_members_and_nobody_above_them() {
    let world = World::open().await;
    let tea = tea_with(&world, &["bob", "cid", "dan"]).await;
    for (who, role) in [("bob", Role::Moderator), ("cid", Role::Moderator)] {
        world.chat.change_role(&caller("ann"), tea.as_str(), who, role).await.unwrap();
    }
    let remove = async |by: &str, who: &str| {
        let removed = world.chat.remove_member(&caller(by), tea.as_str(), who, Some("spam")).await;
        removed.map_err(|refused| refused.code)
    };
    assert_eq!(remove("dan", "cid").await, Err("not_permitted"));
    assert_eq!(remove("bob", "cid").await, Err("not_permitted"));
    assert_eq!(remove("bob", "ann").await, Err("is_the_creator"));
    assert!(world.is_live_in("dan", &format!("room_{tea}")));
    for _ in 0..2 {
        assert_eq!(remove("bob", "dan").await, Ok(()));
    }
    assert_eq!(remove("ann", "cid").await, Ok(()));
    assert!(!world.is_live_in("dan", &format!("room_{tea}")));
    let told = world.heard(&format!("room_{tea}"));
    let left: Vec<_> =
        told.iter().filter(|frame| frame["type"] == "left").map(|f| (&f["user"], &f["by"])).collect();
    assert_eq!(left, [(&"dan".into(), &"bob".into()), (&"cid".into(), &"ann".into())]);
    let notice = &world.heard("user_dan")[0];
    assert_eq!((&notice["type"], &notice["reason"]), (&"removed".into(), &"spam".into()));
    assert!(
        world.truth.sanctions.of(&tea, &user("dan")).await.unwrap().is_empty(),
        "the note goes when it is done"
    );
    assert_eq!(world.chat.join_room(&caller("dan"), tea.as_str()).await.unwrap_err().code, "room_not_found");
}

#[tokio::test]
async fn a_removal_that_a_crash_left_is_finished_and_a_newcomer_stays() {
    for seed in 0..20 {
        let mut world = World::open().await;
        let tea = tea_with(&world, &["bob"]).await;
        world.store.set(Mode::Random { seed, percent_before: 30, percent_after: 30 });
        let first = world.chat.remove_member(&caller("ann"), tea.as_str(), "bob", None).await;
        world.store.set(Mode::Quiet);
        world.restart();
        let left = world.truth.sanctions.of(&tea, &user("bob")).await.unwrap();
        for removal in &left {
            assert_eq!(removal.kind, SanctionKind::Removal);
            world.chat.finish_removal(&tea, removal).await.unwrap();
        }
        let is_member = world.truth.members.get(&tea, &user("bob")).await.unwrap().is_some();
        if first.is_ok() || !left.is_empty() {
            assert!(!is_member && !world.is_live_in("bob", &format!("room_{tea}")), "seed {seed}");
        }
        let told = world.heard(&format!("room_{tea}"));
        assert!(told.iter().filter(|frame| frame["type"] == "left").count() <= 1, "seed {seed}");
        if let Some(removal) = left.first() {
            world.ticker.advance(Duration::from_secs(1));
            world.chat.add_member(&caller("ann"), tea.as_str(), "bob", Role::Member).await.unwrap();
            world.chat.finish_removal(&tea, removal).await.unwrap();
            assert!(world.is_live_in("bob", &format!("room_{tea}")), "who came back stays");
        }
    }
}

#[tokio::test]
async fn a_link_lets_in_as_many_as_it_says_and_until_it_ends() {
    let world = World::open().await;
    let tea = world.private_room("ann", "Tea").await;
    let link =
        async |new: NewInvitation| world.chat.create_invitation(&caller("ann"), tea.as_str(), new).await;
    let accept = async |who: &str, token: &str| {
        let joined = world.chat.accept_invitation(&caller(who), token).await;
        joined.map(|room| room.id).map_err(|refused| refused.code)
    };
    let two = link(NewInvitation { max_uses: Some(2), ..NewInvitation::default() }).await.unwrap();
    for who in ["bob", "bob", "cid"] {
        assert_eq!(accept(who, &two.token).await, Ok(tea.clone()));
    }
    assert!(world.is_live_in("bob", &format!("room_{tea}")));
    assert_eq!(accept("dan", &two.token).await, Err("invitation_used_up"));
    assert_eq!(accept("dan", "nonsense").await, Err("invitation_unknown"));
    let stored = world.truth.invitations.list(&tea, None, 9).await.unwrap();
    assert!(!format!("{stored:?}").contains(&two.token), "the token is stored nowhere");

    let brief = link(NewInvitation { expires_in: Some(60), ..NewInvitation::default() }).await.unwrap();
    world.ticker.advance(Duration::from_secs(60));
    assert_eq!(accept("dan", &brief.token).await, Err("invitation_expired"));
    let revoked = link(NewInvitation::default()).await.unwrap();
    world.chat.revoke_invitation(&caller("ann"), tea.as_str(), &revoked.id).await.unwrap();
    assert_eq!(accept("dan", &revoked.token).await, Err("invitation_unknown"));
    let page = world.chat.list_invitations(&caller("ann"), tea.as_str(), None, Some(1)).await.unwrap();
    assert_eq!((page.invitations.len(), page.next.is_some()), (1, true));
    let plain = world.chat.create_invitation(&caller("bob"), tea.as_str(), NewInvitation::default()).await;
    assert_eq!(plain.unwrap_err().code, "not_permitted");
    for (new, field) in [
        (NewInvitation { expires_in: Some(0), ..NewInvitation::default() }, "expires_in"),
        (NewInvitation { max_uses: Some(1_001), ..NewInvitation::default() }, "max_uses"),
    ] {
        assert_eq!(link(new).await.unwrap_err().field, Some(field));
    }
}

#[tokio::test]
async fn a_link_gives_its_role_once_and_nobody_in_the_room_uses_it_up() {
    let world = World::open().await;
    let tea = tea_with(&world, &["dan"]).await;
    let new = NewInvitation { role: Role::Moderator, max_uses: Some(2), expires_in: Some(60) };
    let link = world.chat.create_invitation(&caller("ann"), tea.as_str(), new).await.unwrap();
    let accept = async |who: &str| {
        let joined = world.chat.accept_invitation(&caller(who), &link.token).await;
        joined.map(drop).map_err(|refused| refused.code)
    };
    let role = async |who: &str| world.truth.members.get(&tea, &user(who)).await.unwrap().unwrap().role;
    assert_eq!(accept("dan").await, Ok(()), "a member");
    assert_eq!(role("dan").await, Role::Member);
    let (one, other) = tokio::join!(accept("bob"), accept("bob"));
    assert_eq!((one, other, role("bob").await), (Ok(()), Ok(()), Role::Moderator));
    assert_eq!(world.truth.invitations.get(&link.id).await.unwrap().unwrap().used_by, [user("bob")]);
    world.chat.remove_member(&caller("ann"), tea.as_str(), "bob", None).await.unwrap();
    assert_eq!((accept("bob").await, role("bob").await), (Ok(()), Role::Member));
    world.chat.leave_room(&caller("bob"), tea.as_str()).await.unwrap();
    world.ticker.advance(Duration::from_secs(60));
    assert_eq!(accept("bob").await, Err("invitation_expired"));
}

#[tokio::test]
async fn a_link_serves_no_longer_than_its_maker_may_make_it() {
    let mut world = World::open().await;
    world.set_admins(&["root"]);
    let tea = world.private_room("ann", "Tea").await;
    let tea = tea.as_str();
    let make = async |by: &Caller, role| {
        let new = NewInvitation { max_uses: Some(9), role, ..NewInvitation::default() };
        world.chat.create_invitation(by, tea, new).await.map_err(|refused| refused.code)
    };
    let accept = async |who: &str, link: &Issued| {
        let joined = world.chat.accept_invitation(&caller(who), &link.token).await;
        joined.map(drop).map_err(|refused| refused.code)
    };
    let plain = async |by: &str| make(&caller(by), Role::Member).await.unwrap();
    for (who, role) in [
        ("demoted", Role::Moderator),
        ("removed", Role::Moderator),
        ("banned", Role::Moderator),
        ("left", Role::Moderator),
        ("owner", Role::Owner),
    ] {
        world.chat.add_member(&caller("ann"), tea, who, role).await.unwrap();
    }
    let links = [plain("demoted").await, plain("removed").await, plain("banned").await, plain("left").await];
    let raising = make(&caller("owner"), Role::Moderator).await.unwrap();
    let of_owner = plain("owner").await;
    for (link, guest) in links.iter().chain([&raising, &of_owner]).zip(["1", "2", "3", "4", "5", "6"]) {
        assert_eq!(accept(guest, link).await, Ok(()), "{guest}");
    }

    let ann = caller("ann");
    world.chat.change_role(&ann, tea, "demoted", Role::Member).await.unwrap();
    world.chat.remove_member(&ann, tea, "removed", None).await.unwrap();
    let ban = NewSanction { user: "banned".to_owned(), ..NewSanction::default() };
    world.chat.sanction(&ann, tea, SanctionKind::Ban, ban).await.unwrap();
    world.chat.leave_room(&caller("left"), tea).await.unwrap();
    world.chat.change_role(&ann, tea, "owner", Role::Moderator).await.unwrap();
    for link in links.iter().chain([&raising]) {
        assert_eq!(accept("late", link).await, Err("invitation_withdrawn"), "{}", link.id);
        let row = world.truth.invitations.get(&link.id).await.unwrap().unwrap();
        assert_eq!(row.used_by.len(), 1, "it is not used up");
    }
    assert_eq!(accept("1", &links[0]).await, Ok(()), "who is in stays in");
    assert_eq!(accept("late", &of_owner).await, Ok(()), "a moderator's link for members");
    world.chat.change_role(&ann, tea, "demoted", Role::Moderator).await.unwrap();
    assert_eq!(accept("later", &links[0]).await, Ok(()), "it serves again");

    // An admin by setting is known to be one when others come; one by a claim is not.
    let of_admin = make(&admin("root"), Role::Moderator).await.unwrap();
    assert_eq!(accept("7", &of_admin).await, Ok(()));
    assert_eq!(make(&admin("claims"), Role::Member).await, Err("not_a_member"));
    world.set_admins(&[]);
    let refused = world.chat.accept_invitation(&caller("8"), &of_admin.token).await.unwrap_err();
    assert_eq!(refused.code, "invitation_withdrawn");
}
