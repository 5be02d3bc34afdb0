use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashSet;
use tokio::time::Instant;

use crate::model::Marker;

/// How long a message is remembered at least, unless there are too many; and at most twice as long. A repeat comes sooner.
const AGE: Duration = Duration::from_secs(10 * 60);
/// Markers of one generation; there are two.
const CAPACITY: usize = 50_000;

/// The messages that were accepted here lately: they may still be on their way, where the log cannot know them. Their repeats cost
/// no rate token and are not judged anew.
#[derive(Default)]
pub(super) struct Lately(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: FxHashSet<Marker>,
    old: FxHashSet<Marker>,
    since: Option<Instant>,
}

impl Lately {
    pub(super) fn has(&self, marker: &Marker) -> bool {
        let both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = both.since.map_or(Duration::ZERO, |since| since.elapsed());
        (age < 2 * AGE && both.young.contains(marker)) || (age < AGE && both.old.contains(marker))
    }

    pub(super) fn add(&self, marker: Marker) {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if both.young.len() >= CAPACITY || both.since.is_none_or(|since| since.elapsed() >= AGE) {
            both.old = std::mem::take(&mut both.young);
            both.since = Some(Instant::now());
        }
        both.young.insert(marker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::data::{conversation, message_id, user};

    #[tokio::test(start_paused = true)]
    async fn what_was_accepted_is_known_for_a_while() {
        let lately = Lately::default();
        let of = |n: usize| Marker::new(&conversation("tea"), &user("ann"), &message_id(&n.to_string()));
        lately.add(of(0));
        tokio::time::advance(AGE).await;
        lately.add(of(1));
        assert!(lately.has(&of(0)) && lately.has(&of(1)) && !lately.has(&of(2)));
        tokio::time::advance(AGE).await;
        assert!(!lately.has(&of(0)) && lately.has(&of(1)), "also where nothing new comes");
        lately.add(of(3));
        assert!(!lately.has(&of(0)) && lately.has(&of(1)));
        tokio::time::advance(2 * AGE).await;
        assert!(!lately.has(&of(1)) && !lately.has(&of(3)));
        for n in 10..10 + 3 * CAPACITY {
            lately.add(of(n));
        }
        let both = lately.0.lock().unwrap();
        assert!(both.young.len() + both.old.len() <= 2 * CAPACITY);
    }
}
