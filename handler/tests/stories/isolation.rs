//! Who is in a room hears it, all of it, in order and once; who is not hears nothing of it.

use futures_util::future::join_all;

use crate::people::{Person, history, make_room};
use crate::product::Product;

const PEOPLE: usize = 20;
const ROOMS: usize = 5;
const SAID: usize = 3;

/// Everybody is in one to four of the rooms, each in others.
fn is_in(person: usize, room: usize) -> bool {
    (person + room) % ROOMS <= person % 4
}

fn name(person: usize) -> String {
    format!("person-{person}")
}

#[tokio::test]
async fn twenty_people_hear_their_rooms_and_no_other() {
    let product = Product::alone(&[]);
    let rooms: Vec<String> =
        (0..ROOMS).map(|n| make_room(&product, "keeper", &format!("Room {n}"))).collect();
    let mut people = join_all((0..PEOPLE).map(async |n| Person::connect(&product, &name(n)).await)).await;
    join_all(people.iter_mut().enumerate().map(async |(n, person)| {
        for (_, room) in rooms.iter().enumerate().filter(|(room, _)| is_in(n, *room)) {
            person.joins(room).await;
        }
    }))
    .await;

    // All talk at once in all their rooms.
    join_all(people.iter_mut().enumerate().map(async |(n, person)| {
        for turn in 0..SAID {
            for (_, room) in rooms.iter().enumerate().filter(|(room, _)| is_in(n, *room)) {
                person.says(room, &format!("{} in {room}: {turn}", name(n))).await;
            }
        }
    }))
    .await;
    let told: Vec<Vec<String>> = rooms.iter().map(|room| history(&product, room, "keeper")).collect();
    for (room, texts) in told.iter().enumerate() {
        assert_eq!(texts.len(), SAID * (0..PEOPLE).filter(|n| is_in(*n, room)).count());
    }

    for (n, person) in people.iter_mut().enumerate() {
        person.catches_up(&product).await;
        let mut heard = person.messages();
        for (index, room) in rooms.iter().enumerate() {
            let live = heard.remove(room).unwrap_or_default();
            // One's own messages are answered and not sent back.
            let others = told[index].iter().filter(|text| !text.starts_with(&format!("{} in", name(n))));
            let expected: Vec<String> = if is_in(n, index) { others.cloned().collect() } else { Vec::new() };
            assert_eq!(live, expected, "{} in {room}", name(n));
        }
        assert!(heard.is_empty(), "{} hears {heard:?}", name(n));
    }
}

#[tokio::test]
async fn who_leaves_hears_no_more_and_who_comes_back_hears_again() {
    let product = Product::alone(&[]);
    let (left, kept) = (make_room(&product, "ann", "Left"), make_room(&product, "ann", "Kept"));
    let mut ann = Person::connect(&product, "ann").await;
    let mut bob = Person::connect(&product, "bob").await;
    for room in [&left, &kept] {
        bob.joins(room).await;
    }
    ann.says(&left, "first").await;
    bob.hears("first").await;
    bob.leaves(&left).await;
    ann.says(&left, "unheard").await;
    ann.says(&kept, "still here").await;
    bob.hears("still here").await;
    bob.catches_up(&product).await;
    assert_eq!(bob.messages()[&left], ["first"]);

    assert_eq!(bob.joins(&left).await["member_count"], 2);
    ann.says(&left, "again").await;
    bob.hears("again").await;
    assert_eq!(bob.messages()[&left], ["first", "again"]);
    // What was said meanwhile is in the room's history, and counted once.
    assert_eq!(history(&product, &left, "bob"), ["first", "unheard", "again"]);
}

#[tokio::test]
async fn all_connections_of_a_person_hear_and_leave_together() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Two screens");
    let mut desk = Person::connect(&product, "bob").await;
    let mut phone = Person::connect(&product, "bob").await;
    desk.joins(&room).await;
    let mut ann = Person::connect(&product, "ann").await;
    ann.says(&room, "to both").await;
    for screen in [&mut desk, &mut phone] {
        screen.hears("to both").await;
    }
    phone.says(&room, "from the phone").await;
    desk.hears("from the phone").await;
    phone.leaves(&room).await;
    ann.says(&room, "to nobody").await;
    for screen in [&mut desk, &mut phone] {
        screen.catches_up(&product).await;
        assert!(!screen.messages()[&room].contains(&"to nobody".to_owned()));
    }
}
