//! The contract of [`Profiles`].

use std::sync::Arc;

use super::data::{at, odd_texts, user};
use crate::model::{Profile, UserId};
use crate::ports::Profiles;

fn named(id: &str, name: &str) -> Profile {
    Profile { display_name: Some(name.to_owned()), ..Profile::of(user(id)) }
}

async fn get(profiles: &impl Profiles, id: &str) -> Option<Profile> {
    profiles.get(&[user(id)]).await.unwrap().pop()
}

pub async fn profiles_come_in_the_order_asked<P: Profiles>(make: impl AsyncFn() -> P) {
    let profiles = make().await;
    assert_eq!(get(&profiles, "ann").await, None);
    let ann = Profile { avatar_url: Some("https://files/a?b=%20c".into()), ..named("ann", "Ann 🦀") };
    let bob = named("bob", "Bob");
    for profile in [&ann, &bob] {
        profiles.put(profile).await.unwrap();
    }
    let ask = async |names: &[&str]| {
        let users: Vec<UserId> = names.iter().map(|name| user(name)).collect();
        profiles.get(&users).await.unwrap()
    };
    assert_eq!(ask(&["bob", "nobody", "ann", "an"]).await, [bob.clone(), ann.clone()], "others are left out");
    assert_eq!(ask(&["ann", "bob"]).await, [ann.clone(), bob]);
    assert_eq!(ask(&["ann"]).await, [ann]);
    assert_eq!(ask(&["Ann"]).await, []);
    assert_eq!(ask(&[]).await, []);
}

pub async fn a_profile_replaces_the_former_but_for_last_seen<P: Profiles>(make: impl AsyncFn() -> P) {
    let profiles = make().await;
    let told = Profile { last_seen: Some(at(99)), ..named("ann", "Ann") };
    profiles.put(&told).await.unwrap();
    assert_eq!(get(&profiles, "ann").await, Some(named("ann", "Ann")), "a put tells of no time");
    profiles.seen(&user("ann"), at(5)).await.unwrap();
    let other = Profile { avatar_url: Some("https://files/a".into()), ..Profile::of(user("ann")) };
    for _ in 0..2 {
        profiles.put(&other).await.unwrap();
        let expected = Profile { last_seen: Some(at(5)), ..other.clone() };
        assert_eq!(get(&profiles, "ann").await, Some(expected), "what is not named is gone");
    }
}

pub async fn last_seen_is_only_raised<P: Profiles>(make: impl AsyncFn() -> P) {
    let profiles = make().await;
    profiles.put(&named("bob", "Bob")).await.unwrap();
    for (seen, expected) in [(5, 5), (4, 5), (5, 5), (9, 9)] {
        for name in ["ann", "bob"] {
            profiles.seen(&user(name), at(seen)).await.unwrap();
        }
        let last_seen = Some(at(expected));
        let ann = Profile { last_seen, ..Profile::of(user("ann")) };
        assert_eq!(get(&profiles, "ann").await, Some(ann), "a row is made");
        assert_eq!(get(&profiles, "bob").await, Some(Profile { last_seen, ..named("bob", "Bob") }));
    }
}

pub async fn a_sign_out_is_only_raised_and_stays<P: Profiles>(make: impl AsyncFn() -> P) {
    let profiles = make().await;
    for (out, expected) in [(5, 5), (4, 5), (9, 9)] {
        profiles.sign_out(&user("ann"), at(out)).await.unwrap();
        profiles.seen(&user("ann"), at(2)).await.unwrap();
        profiles.put(&Profile { signed_out_at: Some(at(99)), ..named("ann", "Ann") }).await.unwrap();
        let ann =
            Profile { last_seen: Some(at(2)), signed_out_at: Some(at(expected)), ..named("ann", "Ann") };
        assert_eq!(get(&profiles, "ann").await, Some(ann));
    }
}

pub async fn concurrent_changes_lose_nothing<P: Profiles + 'static>(make: impl AsyncFn() -> P) {
    let profiles = Arc::new(make().await);
    let seen: Vec<_> = (1..=24)
        .map(|n| {
            let profiles = Arc::clone(&profiles);
            tokio::spawn(async move { profiles.seen(&user("ann"), at(n * 7 % 25)).await.unwrap() })
        })
        .collect();
    profiles.put(&named("ann", "Ann")).await.unwrap();
    for seen in seen {
        seen.await.unwrap();
    }
    let expected = Profile { last_seen: Some(at(24)), ..named("ann", "Ann") };
    assert_eq!(get(&*profiles, "ann").await, Some(expected));
}

pub async fn odd_user_ids_are_kept_apart<P: Profiles>(make: impl AsyncFn() -> P) {
    let profiles = make().await;
    let texts = odd_texts();
    let expected: Vec<Profile> = texts.iter().map(|text| named(text, text)).collect();
    for profile in &expected {
        profiles.put(profile).await.unwrap();
    }
    let users: Vec<UserId> = texts.iter().map(|text| user(text)).collect();
    assert_eq!(profiles.get(&users).await.unwrap(), expected);
    for profile in expected {
        assert_eq!(get(&profiles, profile.user.as_str()).await, Some(profile));
    }
}

pub async fn everything_is_there_again<P: Profiles>(make: impl AsyncFn() -> P) {
    let profiles = make().await;
    profiles.put(&named("ann", "Ann")).await.unwrap();
    profiles.seen(&user("ann"), at(5)).await.unwrap();
    profiles.seen(&user("bob"), at(6)).await.unwrap();
    drop(profiles);

    let profiles = make().await;
    let ann = Profile { last_seen: Some(at(5)), ..named("ann", "Ann") };
    let bob = Profile { last_seen: Some(at(6)), ..Profile::of(user("bob")) };
    assert_eq!(profiles.get(&[user("ann"), user("bob")]).await.unwrap(), [ann, bob]);
    profiles.seen(&user("ann"), at(4)).await.unwrap();
    assert_eq!(get(&profiles, "ann").await.unwrap().last_seen, Some(at(5)));
}

pub async fn a_blanked_profile_keeps_the_sign_out_alone<P: Profiles>(make: impl AsyncFn() -> P) {
    let profiles = make().await;
    profiles.put(&named("bob", "Bob")).await.unwrap();
    profiles.put(&named("ann", "Ann")).await.unwrap();
    profiles.seen(&user("ann"), at(5)).await.unwrap();
    for _ in 0..2 {
        profiles.blank(&user("ann")).await.unwrap();
        assert_eq!(get(&profiles, "ann").await, None);
    }
    profiles.seen(&user("ann"), at(3)).await.unwrap();
    let anew = Profile { last_seen: Some(at(3)), ..Profile::of(user("ann")) };
    assert_eq!(get(&profiles, "ann").await, Some(anew), "nothing of before");
    assert_eq!(get(&profiles, "bob").await, Some(named("bob", "Bob")));
    profiles.sign_out(&user("bob"), at(7)).await.unwrap();
    profiles.seen(&user("bob"), at(8)).await.unwrap();
    for _ in 0..2 {
        profiles.blank(&user("bob")).await.unwrap();
        let blank = Profile { signed_out_at: Some(at(7)), ..Profile::of(user("bob")) };
        assert_eq!(get(&profiles, "bob").await, Some(blank));
    }
}
