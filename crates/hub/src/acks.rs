//! Which ackIds of a connection succeeded.

use std::collections::VecDeque;

/// How many ackIds are remembered, as the service does: the latest, first in, first out.
const REMEMBERED: u64 = 1000;

/// Remembers ackIds as runs of successive numbers, since that is how clients count: one run is the usual case.
#[derive(Debug, Default)]
pub(crate) struct RecentAcks {
    /// First and last id of each run, in the order in which they succeeded.
    runs: VecDeque<(u64, u64)>,
    count: u64,
}

impl RecentAcks {
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.runs.iter().any(|(first, last)| (*first..=*last).contains(&id))
    }

    /// Remembers an id that is not there yet, and forgets the oldest if there are too many.
    pub(crate) fn insert(&mut self, id: u64) {
        match self.runs.back_mut() {
            Some((_, last)) if last.checked_add(1) == Some(id) => *last = id,
            _ => self.runs.push_back((id, id)),
        }
        self.count += 1;
        if self.count > REMEMBERED {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        self.count -= 1;
        match self.runs.front_mut() {
            Some((first, last)) if *first < *last => *first += 1,
            _ => {
                self.runs.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_counting_client_takes_one_run() {
        let mut acks = RecentAcks::default();
        (1..=5000).for_each(|id| acks.insert(id));
        assert_eq!(acks.runs.len(), 1);
        assert!(acks.contains(5000) && acks.contains(4001) && !acks.contains(4000));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn it_equals_a_plain_queue(ids in prop::collection::vec(prop_oneof![0..1500_u64, Just(u64::MAX)], 0..4000)) {
            let (mut acks, mut model) = (RecentAcks::default(), VecDeque::new());
            for id in ids {
                prop_assert_eq!(acks.contains(id), model.contains(&id));
                if !model.contains(&id) {
                    acks.insert(id);
                    model.push_back(id);
                    if model.len() > 1000 {
                        model.pop_front();
                    }
                }
            }
        }
    }
}
