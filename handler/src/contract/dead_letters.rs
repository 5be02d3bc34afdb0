//! The contract of [`DeadLetters`].

use super::data::{at, letter, odd_texts, user};
use crate::ports::LetterKind::{Dead, Rejected, Waiting};
use crate::ports::{DeadLetters, Letter, LetterKind, NewLetter, Replays};

async fn keys(
    letters: &impl DeadLetters,
    kind: LetterKind,
    after: Option<&str>,
    limit: usize,
) -> Vec<String> {
    let page = letters.list(kind, after, limit).await.unwrap();
    page.into_iter().map(|letter| letter.letter.key).collect()
}

pub async fn letters_are_listed_oldest_first_behind_the_cursor<D: DeadLetters>(make: impl AsyncFn() -> D) {
    let letters = make().await;
    assert_eq!(keys(&letters, Dead, None, 9).await, [""; 0]);
    for (key, at) in [("late", 9), ("early", 1), ("b", 5), ("a", 5)] {
        letters.put(&letter(Dead, key, at)).await.unwrap();
    }
    let all = letters.list(Dead, None, 9).await.unwrap();
    let order: Vec<_> = all.iter().map(|letter| letter.letter.key.as_str()).collect();
    assert_eq!(order, ["early", "a", "b", "late"]);
    assert_eq!(all[0].letter, letter(Dead, "early", 1));
    assert_eq!(keys(&letters, Dead, None, 2).await, ["early", "a"]);
    assert_eq!(keys(&letters, Dead, Some(&all[1].id), 2).await, ["b", "late"]);
    assert_eq!(keys(&letters, Dead, Some(&all[3].id), 2).await, [""; 0]);
    assert_eq!(keys(&letters, Dead, None, 0).await, [""; 0]);
    letters.remove(Dead, &all[1].id).await.unwrap();
    assert_eq!(keys(&letters, Dead, Some(&all[1].id), 9).await, ["b", "late"], "the cursor need not exist");
}

pub async fn a_letter_is_stored_once<D: DeadLetters>(make: impl AsyncFn() -> D) {
    let letters = make().await;
    let first = letter(Dead, "same", 1);
    letters.put(&first).await.unwrap();
    letters.put(&NewLetter { reason: "another".into(), delivery_count: 9, ..first.clone() }).await.unwrap();
    let all = letters.list(Dead, None, 9).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].letter, first);
}

pub async fn kinds_are_apart<D: DeadLetters>(make: impl AsyncFn() -> D) {
    let letters = make().await;
    letters.put(&letter(Dead, "same", 1)).await.unwrap();
    letters.put(&letter(Rejected, "same", 1)).await.unwrap();
    letters.put(&letter(Rejected, "other", 0)).await.unwrap();
    assert_eq!(keys(&letters, Dead, None, 9).await, ["same"]);
    assert_eq!(keys(&letters, Rejected, None, 9).await, ["other", "same"]);
    let id = letters.list(Dead, None, 1).await.unwrap().remove(0).id;
    assert!(letters.remove(Dead, &id).await.unwrap().is_some());
    assert_eq!(keys(&letters, Rejected, None, 9).await, ["other", "same"]);
}

pub async fn removal_answers_the_letter_once<D: DeadLetters>(make: impl AsyncFn() -> D) {
    let letters = make().await;
    assert_eq!(letters.remove(Rejected, "unknown").await.unwrap(), None);
    letters.put(&letter(Rejected, "a", 1)).await.unwrap();
    let there = letters.list(Rejected, None, 1).await.unwrap().remove(0);
    assert_eq!(letters.remove(Rejected, &there.id).await.unwrap(), Some(there.clone()));
    assert_eq!(letters.remove(Rejected, &there.id).await.unwrap(), None);
    assert_eq!(keys(&letters, Rejected, None, 9).await, [""; 0]);
}

pub async fn one_letter_is_found<D: DeadLetters>(make: impl AsyncFn() -> D) {
    let letters = make().await;
    assert_eq!(letters.get(Waiting, "unknown").await.unwrap(), None);
    letters.put(&letter(Waiting, "a", 1)).await.unwrap();
    letters.put(&letter(Waiting, "b", 1)).await.unwrap();
    let stored = Letter::new(letter(Waiting, "a", 1));
    assert_eq!(letters.get(Waiting, &stored.id).await.unwrap().as_ref(), Some(&stored));
    assert_eq!(letters.get(Dead, &stored.id).await.unwrap(), None, "kinds are apart");
    letters.remove(Waiting, &stored.id).await.unwrap();
    assert_eq!(letters.get(Waiting, &stored.id).await.unwrap(), None);
}

pub async fn replays_are_noted_and_bring_nothing_back<D: DeadLetters>(make: impl AsyncFn() -> D) {
    let letters = make().await;
    letters.put(&letter(Waiting, "a", 1)).await.unwrap();
    let stored = letters.list(Waiting, None, 1).await.unwrap().remove(0);
    let replays = Replays::default().failed(at(5), &user("root"), "not_delivered");
    letters.note_replays(Waiting, &stored.id, &replays).await.unwrap();
    let noted = Letter { replays: replays.clone(), ..stored.clone() };
    assert_eq!(letters.get(Waiting, &stored.id).await.unwrap().as_ref(), Some(&noted));
    letters.put(&letter(Waiting, "a", 1)).await.unwrap();
    let all = letters.list(Waiting, None, 9).await.unwrap();
    assert_eq!(all.first(), Some(&noted), "a repeat forgets nothing");
    assert_eq!(all.len(), 1);
    assert_eq!(letters.remove(Waiting, &stored.id).await.unwrap(), Some(noted));
    letters.note_replays(Waiting, &stored.id, &replays).await.unwrap();
    assert_eq!(letters.list(Waiting, None, 9).await.unwrap(), []);
}

pub async fn odd_keys_and_bodies_come_back_as_they_were<D: DeadLetters>(make: impl AsyncFn() -> D) {
    let letters = make().await;
    let mut texts = odd_texts();
    texts.extend([String::new(), "y".repeat(100_000)]);
    for text in &texts {
        let odd = NewLetter {
            reason: text.clone(),
            body: text.clone(),
            body_is_base64: true,
            session: None,
            ..letter(Rejected, text, 1)
        };
        letters.put(&odd).await.unwrap();
        let all = letters.list(Rejected, None, 999).await.unwrap();
        let stored = all.into_iter().find(|stored| stored.letter.key == *text).unwrap();
        assert_eq!(stored.letter, odd);
        assert_eq!(letters.remove(Rejected, &stored.id).await.unwrap(), Some(stored));
    }
}

pub async fn everything_is_there_again<D: DeadLetters>(make: impl AsyncFn() -> D) {
    let letters = make().await;
    letters.put(&letter(Dead, "a", 1)).await.unwrap();
    letters.put(&letter(Dead, "b", 2)).await.unwrap();
    let first = letters.list(Dead, None, 1).await.unwrap().remove(0);
    letters.remove(Dead, &first.id).await.unwrap();
    drop(letters);

    let letters = make().await;
    assert_eq!(keys(&letters, Dead, None, 9).await, ["b"]);
    assert_eq!(letters.remove(Dead, &first.id).await.unwrap(), None);
}
