//! What must hold of a log, and of whoever follows it.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::replay::Picture;
use crate::model::{Change, Entry, Head, SanctionKind, Timestamp, UserId};

/// Without what is at or below the floor: its messages are gone, and pins of them are ignored.
pub(super) fn cut(mut picture: Picture, floor: u64) -> Picture {
    picture.messages.retain(|seq, _| *seq > floor);
    picture.pins.retain(|pin| *pin > floor);
    picture
}

pub(super) fn check_client(mut client: Picture, behind: &[Entry], now: &Picture, floor: u64, who: &str) {
    behind.iter().for_each(|entry| client.apply(entry));
    assert_eq!(&cut(client, floor), now, "{who}, {} entries behind", behind.len());
}

pub(super) fn check_numbers(entries: &[Entry], head: &Head) {
    let mut number = 0;
    for (index, entry) in entries.iter().enumerate() {
        number += u64::from(matches!(entry.change, Change::Message(_)));
        assert_eq!((entry.seq, entry.number), (index as u64 + 1, number));
    }
    assert_eq!((head.seq, head.count), (entries.len() as u64, number));
}

pub(super) fn check_once(entries: &[Entry]) {
    let mut ids = BTreeSet::new();
    for entry in entries {
        if let Change::Message(message) = &entry.change {
            assert!(ids.insert((&message.sender, &message.id)), "{message:?} twice");
        }
    }
}

/// Entries never change, but a deletion takes the words out of them.
pub(super) fn check_same(before: &Entry, after: &Entry) {
    let mut blanked = before.clone();
    match &mut blanked.change {
        Change::Message(message) => message.content.clear(),
        Change::Edit { content, .. } => content.clear(),
        _ => {}
    }
    assert!(after == before || *after == blanked, "{before:?} became {after:?}");
}

/// Whom the entries say to be banned or muted now, and until when.
pub(super) fn in_force(
    entries: &[Entry],
    wanted: SanctionKind,
    now: Timestamp,
) -> BTreeMap<UserId, Option<Timestamp>> {
    let mut told = BTreeMap::new();
    for entry in entries {
        match &entry.change {
            Change::Sanctioned { user, kind, on: true, until, .. } if *kind == wanted => {
                told.insert(user.clone(), *until);
            }
            Change::Sanctioned { user, kind, on: false, .. } if *kind == wanted => {
                told.remove(user);
            }
            _ => {}
        }
    }
    told.retain(|_, until| until.is_none_or(|until| now < until));
    told
}
