use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashSet;

use crate::model::Marker;

/// How long a message is remembered at least, in nanoseconds, unless there are too many.
const AGE: u64 = 300_000_000_000;
/// Markers of one generation; there are two.
const CAPACITY: usize = 50_000;

/// The messages that were accepted here lately: they may still be on their way, where the log cannot know them.
#[derive(Default)]
pub(super) struct Lately(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: FxHashSet<Marker>,
    old: FxHashSet<Marker>,
    since: u64,
}

impl Lately {
    pub(super) fn has(&self, marker: &Marker) -> bool {
        let both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        both.young.contains(marker) || both.old.contains(marker)
    }

    pub(super) fn add(&self, marker: Marker, now: u64) {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if both.young.len() >= CAPACITY || now >= both.since + AGE {
            both.old = std::mem::take(&mut both.young);
            both.since = now;
        }
        both.young.insert(marker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::data::{conversation, message_id, user};

    #[test]
    fn what_was_accepted_is_known_for_a_while() {
        let lately = Lately::default();
        let of = |n: usize| Marker::new(&conversation("tea"), &user("ann"), &message_id(&n.to_string()));
        lately.add(of(0), 0);
        lately.add(of(1), AGE);
        assert!(lately.has(&of(0)) && lately.has(&of(1)) && !lately.has(&of(2)));
        lately.add(of(3), 2 * AGE);
        assert!(!lately.has(&of(0)) && lately.has(&of(1)));
        for n in 10..10 + 3 * CAPACITY {
            lately.add(of(n), 2 * AGE);
        }
        let both = lately.0.lock().unwrap();
        assert!(both.young.len() + both.old.len() <= 2 * CAPACITY);
    }
}
