use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A map in parts, each behind a lock of its own, so that different keys rarely wait for each other.
#[derive(Debug)]
pub(super) struct Shards<K, V> {
    hasher: RandomState,
    parts: [Mutex<HashMap<K, V>>; 16],
}

impl<K: Hash + Eq, V> Shards<K, V> {
    /// The part that holds the key, locked. Not to be kept across an `.await`.
    pub(super) fn lock(&self, key: &K) -> MutexGuard<'_, HashMap<K, V>> {
        // The remainder is below 16, so the cast is exact.
        let part = (self.hasher.hash_one(key) % 16) as usize;
        // No code under these locks can panic half-way through a change.
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone, V> Shards<K, V> {
    /// The keys of all parts, one part after the other.
    pub(super) fn keys(&self) -> Vec<K> {
        let keys = |part: &Mutex<HashMap<K, V>>| {
            part.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect::<Vec<_>>()
        };
        self.parts.iter().flat_map(keys).collect()
    }
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), parts: std::array::from_fn(|_| Mutex::default()) }
    }
}
