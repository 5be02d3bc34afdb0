use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest, Sha256};

use super::bucket::{Bucket, Rule, Told};
use crate::model::RateLimit;

/// Whose bucket: a hash that is the same in every process, and too long for anybody to find two of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(pub(super) [u8; 16]);

impl Key {
    pub(super) fn of(name: &[u8]) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(name)[..16]);
        Self(key)
    }
}

const SHARDS: usize = 16;
/// Buckets of a shard. All shards of all limits together stay within some 15 MB.
const CAPACITY: usize = 4_096;
/// Rest after looking for buckets to drop, in nanoseconds.
const SWEEP_REST: u64 = 100_000_000;

/// The buckets of one limit, in memory that is bounded whoever comes. Locks are held for some comparisons, or for one look at
/// all buckets of a shard.
pub(super) struct Buckets {
    pub(super) rule: Rule,
    shards: Vec<Mutex<Shard>>,
}

#[derive(Default)]
struct Shard {
    buckets: FxHashMap<Key, Bucket>,
    /// Those the others are told of.
    told: FxHashSet<Key>,
    /// Of all who come while there is no room: they share it.
    crowd: Bucket,
    swept_at: Option<u64>,
}

impl Buckets {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self { rule: Rule::new(limit), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[usize::from(key.0[0]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a token of the key's bucket; else the nanoseconds until there is one.
    pub(super) fn take(&self, key: &Key, now: u64) -> Result<(), u64> {
        let mut shard = self.shard(key);
        let bucket = shard.bucket(key, &self.rule, now);
        let (was_told, taken) = (bucket.told.is_some(), bucket.take(&self.rule, now));
        if bucket.told.is_some() && !was_told {
            shard.note_told(key);
        }
        taken
    }

    pub(super) fn give_back(&self, key: &Key) {
        if let Some(bucket) = self.shard(key).buckets.get_mut(key) {
            bucket.give_back(&self.rule);
        }
    }

    /// Other processes have let so many through.
    pub(super) fn drain(&self, key: &Key, now: u64, tokens: u64) {
        let mut shard = self.shard(key);
        if shard.buckets.len() < CAPACITY || shard.buckets.contains_key(key) {
            shard.buckets.entry(*key).or_default().drain(&self.rule, now, tokens);
        }
    }

    /// What the others are to be told.
    pub(super) fn told(&self, now: u64) -> Vec<(Key, Told)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let Shard { buckets, told, .. } = &mut *shard;
            told.retain(|key| buckets.get_mut(key).is_some_and(|bucket| bucket.cool(now)));
            all.extend(told.iter().filter_map(|key| Some((*key, buckets.get(key)?.told?))));
        }
        all
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().buckets.len()).sum()
    }
}

impl Shard {
    fn bucket(&mut self, key: &Key, rule: &Rule, now: u64) -> &mut Bucket {
        if self.buckets.len() >= CAPACITY && !self.buckets.contains_key(key) {
            self.sweep(rule, now);
            if self.buckets.len() >= CAPACITY {
                return &mut self.crowd;
            }
        }
        self.buckets.entry(*key).or_default()
    }

    /// Drops what says nothing, and where that is not enough, what says little: a flood of new names then makes room among
    /// itself, and whoever is near their limit stays there.
    fn sweep(&mut self, rule: &Rule, now: u64) {
        if self.swept_at.is_some_and(|at| now < at + SWEEP_REST) {
            return;
        }
        self.swept_at = Some(now);
        self.buckets.retain(|_, bucket| !bucket.is_idle(now));
        if self.buckets.len() > CAPACITY / 8 * 7 {
            self.buckets.retain(|_, bucket| !bucket.is_hardly_used(rule, now));
        }
    }

    fn note_told(&mut self, key: &Key) {
        // Not the crowd's.
        if self.buckets.contains_key(key) {
            self.told.insert(*key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn buckets() -> Buckets {
        Buckets::new(RateLimit { per_second: 10, burst: 20 })
    }

    fn key(n: usize) -> Key {
        Key::of(n.to_string().as_bytes())
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_frees_nobody() {
        let buckets = buckets();
        let ann = Key::of(b"ann");
        while buckets.take(&ann, 0).is_ok() {}
        for n in 0..4 * SHARDS * CAPACITY {
            let _ = buckets.take(&key(n), n as u64);
        }
        assert!(buckets.len() <= SHARDS * CAPACITY);
        assert!(buckets.take(&ann, 1).is_err(), "the flood washes no limit away");
        // All are idle by then, and a newcomer makes room.
        let later = 100 * SECOND;
        for n in 0..1_000 {
            assert!(buckets.take(&key(usize::MAX - n), later).is_ok());
        }
        assert!(buckets.take(&ann, later).is_ok());
    }

    #[test]
    fn where_all_are_near_their_limits_newcomers_share_one_bucket() {
        let buckets = buckets();
        for n in 0..2 * SHARDS * CAPACITY {
            for _ in 0..12 {
                let _ = buckets.take(&key(n), 0);
            }
        }
        assert!(buckets.len() <= SHARDS * CAPACITY);
        let let_in = (0..10_000).filter(|n| buckets.take(&key(usize::MAX - n), 1).is_ok()).count();
        assert!(let_in <= SHARDS * 20, "{let_in}");
    }

    #[test]
    fn only_what_is_near_its_limit_is_told() {
        let buckets = buckets();
        buckets.take(&key(1), 0).unwrap();
        for _ in 0..15 {
            buckets.take(&key(2), 0).unwrap();
        }
        assert_eq!(buckets.told(0), [(key(2), Told { epoch: 0, total: 15 })]);
        assert_eq!(buckets.told(100 * SECOND), []);
        buckets.drain(&key(3), 0, 20);
        assert!(buckets.take(&key(3), 0).is_err(), "also of whom nobody here has seen");
    }
}
