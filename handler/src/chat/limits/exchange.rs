use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::buckets::{Buckets, Key};
use crate::model::{UsageCount, UsageReport, bounds};
use crate::ports::{Clock, StoreError, Usage};

/// How often processes tell each other what they let through, while somebody is near a limit. With nobody near one they tell
/// and ask nothing.
pub const EXCHANGE_EVERY: Duration = Duration::from_secs(1);
/// How long a store may take for it. Until then and without it each process keeps the limits by itself.
const PATIENCE: Duration = Duration::from_millis(900);
/// A word this old says nothing of now.
const STALE_MILLIS: u64 = 10_000;
/// A process that said nothing for so long is gone, and its row with it.
const GONE_MILLIS: u64 = 300_000;

/// Tells and hears until it is stopped or dropped.
pub struct Exchange {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Exchange {
    /// Starts it, in a task of its own. `instance` is a name that no other process has.
    #[must_use]
    pub fn start(
        limits: Arc<Limits>,
        usage: Arc<dyn Usage>,
        clock: Arc<dyn Clock>,
        instance: String,
    ) -> Self {
        let stop = CancellationToken::new();
        let exchanging = Exchanging {
            limits,
            usage,
            clock,
            instance,
            heard: FxHashMap::default(),
            has_told: false,
            is_alone: false,
        };
        let task = Some(tokio::spawn(exchanging.run(stop.clone())));
        Self { stop, task }
    }

    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What another process last said of a key.
#[derive(Clone, Copy)]
struct Heard {
    epoch: u64,
    total: u64,
    /// By this process's clock.
    at: u64,
}

struct Exchanging {
    limits: Arc<Limits>,
    usage: Arc<dyn Usage>,
    clock: Arc<dyn Clock>,
    instance: String,
    heard: FxHashMap<(String, String), Heard>,
    has_told: bool,
    is_alone: bool,
}

impl Exchanging {
    async fn run(mut self, stop: CancellationToken) {
        let mut beats = interval(EXCHANGE_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(beats.tick()).await.is_some() {
            match stop.run_until_cancelled(timeout(PATIENCE, self.beat())).await {
                Some(Ok(Ok(()))) => self.is_alone = false,
                Some(Ok(Err(error))) => self.alone(&error),
                Some(Err(_)) => self.alone(&"it takes too long"),
                None => break,
            }
        }
        if self.has_told {
            let _ = timeout(PATIENCE, self.usage.forget(&self.instance)).await;
        }
    }

    fn alone(&mut self, why: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.is_alone, true) {
            tracing::warn!(%why, "the store does not tell what other processes let through; limits are kept alone");
        }
    }

    async fn beat(&mut self) -> Result<(), StoreError> {
        let counts = self.limits.told();
        if counts.is_empty() {
            self.heard.clear();
            if self.has_told {
                self.usage.forget(&self.instance).await?;
                self.has_told = false;
            }
            return Ok(());
        }
        let report = UsageReport { instance: self.instance.clone(), at: self.clock.now(), counts };
        self.has_told = true;
        let (told, all) = tokio::join!(self.usage.tell(&report), self.usage.all());
        self.hear(all?).await?;
        told
    }

    async fn hear(&mut self, reports: Vec<UsageReport>) -> Result<(), StoreError> {
        let (now, wall) = (self.limits.now(), self.clock.now());
        let before = std::mem::take(&mut self.heard);
        for report in reports.into_iter().filter(|report| report.instance != self.instance) {
            let age = wall.millis().saturating_sub(report.at.millis());
            if age > GONE_MILLIS {
                self.usage.forget(&report.instance).await?;
            }
            if age > STALE_MILLIS {
                continue;
            }
            for count in report.counts {
                let named = (report.instance.clone(), count.key);
                let heard = Heard { epoch: count.epoch, total: count.total, at: now };
                self.limits.hear(&named.1, before.get(&named).copied(), heard);
                self.heard.insert(named, heard);
            }
        }
        Ok(())
    }
}

impl Limits {
    fn lettered(&self) -> [(char, Option<&Buckets>); 3] {
        [('u', self.user.as_ref()), ('r', self.room.as_ref()), ('a', self.address.as_ref())]
    }

    /// What the other processes are to know: of the keys near their limits those that used most.
    fn told(&self) -> Vec<UsageCount> {
        let now = self.now();
        let mut counts: Vec<UsageCount> = Vec::new();
        for (letter, buckets) in self.lettered() {
            let told = buckets.map(|buckets| buckets.told(now)).unwrap_or_default();
            counts.extend(told.into_iter().map(|(key, told)| UsageCount {
                key: format!("{letter}{}", hex::encode(key.0)),
                epoch: told.epoch,
                total: told.total,
            }));
        }
        if counts.len() > bounds::USAGE_COUNTS {
            counts.sort_unstable_by_key(|count| std::cmp::Reverse(count.total));
            counts.truncate(bounds::USAGE_COUNTS);
        }
        counts
    }

    /// Takes from a bucket what another process let through since it last told. No more than it can have been: what one says
    /// for the first time counts as a burst at most, and nobody's mistake empties a bucket for long.
    fn hear(&self, name: &str, before: Option<Heard>, heard: Heard) {
        let mut letters = name.chars();
        let letter = letters.next();
        let buckets = self.lettered().into_iter().find(|(of, _)| Some(*of) == letter).and_then(|(_, it)| it);
        let mut key = Key([0; 16]);
        if hex::decode_to_slice(letters.as_str(), &mut key.0).is_err() {
            return;
        }
        let Some(buckets) = buckets else { return };
        let (new, since) = match before {
            Some(before) if before.epoch == heard.epoch => {
                (heard.total.saturating_sub(before.total), heard.at.saturating_sub(before.at))
            }
            _ => (heard.total, 0),
        };
        // They told it before we heard it.
        let slack = if since == 0 { 0 } else { 2 * u64::try_from(EXCHANGE_EVERY.as_nanos()).unwrap_or(0) };
        let tokens = new.min(buckets.rule.most_in(since + slack));
        if tokens > 0 {
            buckets.drain(&key, heard.at, tokens);
        }
    }

    /// Whether nothing is limited, so that nobody has anything to tell.
    #[must_use]
    pub const fn are_off(&self) -> bool {
        self.user.is_none() && self.room.is_none() && self.address.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::clock::SystemClock;
    use crate::adapters::faulty::{Faults, Faulty, Mode};
    use crate::adapters::memory::MemoryUsage;
    use crate::contract::data::user;
    use crate::model::{RateLimit, RateLimits};

    const LIMIT: RateLimit = RateLimit { per_second: 10, burst: 20 };

    struct Process {
        limits: Arc<Limits>,
        let_through: u64,
        _exchange: Exchange,
    }

    impl Process {
        fn start(n: usize, usage: &Arc<dyn Usage>) -> Self {
            let limits = Arc::new(Limits::new(&RateLimits { user: Some(LIMIT), ..RateLimits::default() }));
            let exchange = Exchange::start(
                Arc::clone(&limits),
                Arc::clone(usage),
                Arc::new(SystemClock),
                format!("process-{n}"),
            );
            Self { limits, let_through: 0, _exchange: exchange }
        }
    }

    /// Each of the processes is asked three hundred times a second for so many seconds; how many acts they let through in all.
    async fn hammered(processes: &mut [Process], seconds: u64) -> u64 {
        for _ in 0..seconds * 100 {
            for process in processes.iter_mut() {
                let taken = (0..3).filter(|_| process.limits.act(&user("ann")).is_ok()).count();
                process.let_through += taken as u64;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        processes.iter().map(|process| process.let_through).sum()
    }

    /// The promise of decision 010, over any time.
    fn bound(processes: u64, seconds: u64) -> u64 {
        let (rate, burst) = (u64::from(LIMIT.per_second), u64::from(LIMIT.burst));
        let late = 2 * EXCHANGE_EVERY.as_secs() + 1;
        rate * seconds + processes * burst + (processes - 1) * rate * (late + seconds.div_ceil(16))
    }

    fn processes(count: usize, usage: &Arc<dyn Usage>) -> Vec<Process> {
        (0..count).map(|n| Process::start(n, usage)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_holds_across_processes_within_the_stated_error() {
        for count in [1_usize, 2, 3, 8] {
            let usage: Arc<dyn Usage> = Arc::new(MemoryUsage::new());
            let mut all = processes(count, &usage);
            for seconds in [3, 57] {
                let let_through = hammered(&mut all, seconds).await;
                println!("{count} processes: {let_through}, bound {}", bound(count as u64, 60));
                let so_far = if seconds == 3 { 3 } else { 60 };
                assert!(let_through <= bound(count as u64, so_far), "{count}: {let_through}");
            }
            let let_through: u64 = all.iter().map(|process| process.let_through).sum();
            assert!(let_through >= 20 + 10 * 59, "{count}: {let_through} is less than one process alone");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_far_from_a_limit_costs_no_call() {
        let faults = Faults::default();
        let usage: Arc<dyn Usage> = Arc::new(Faulty::new(Arc::new(MemoryUsage::new()), faults.clone()));
        let process = Process::start(0, &usage);
        for _ in 0..60 {
            process.limits.act(&user("ann")).unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        assert_eq!(faults.calls("usage.tell") + faults.calls("usage.all"), 0);
        for _ in 0..20 {
            process.limits.act(&user("ann")).unwrap();
        }
        tokio::time::sleep(Duration::from_secs(300)).await;
        let told = faults.calls("usage.tell");
        assert!((1..40).contains(&told), "{told}: for a while, and then no more");
        assert_eq!(usage.all().await.unwrap(), [], "its row is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_store_each_process_keeps_the_limit_alone() {
        let faults = Faults::default();
        let usage: Arc<dyn Usage> = Arc::new(Faulty::new(Arc::new(MemoryUsage::new()), faults.clone()));
        faults.set(Mode::FailAll);
        let mut all = processes(2, &usage);
        let alone = 2 * (20 + 10 * 10);
        let let_through = hammered(&mut all, 10).await;
        assert!((alone - 4..=alone).contains(&let_through), "{let_through}");
        faults.set(Mode::Quiet);
        let later = hammered(&mut all, 60).await - let_through;
        assert!(later <= bound(2, 60), "{later}: the store is back");
    }

    #[tokio::test(start_paused = true)]
    async fn nonsense_from_the_store_locks_nobody_out() {
        let memory = MemoryUsage::new();
        let now = SystemClock.now();
        let count = |key: String, total| UsageCount { key, epoch: 1, total };
        let ann = super::super::key(b'u', b"ann");
        for (instance, key) in
            [("a", format!("u{}", hex::encode(ann.0))), ("b", "x".into()), ("c", "u12".into())]
        {
            let report =
                UsageReport { instance: instance.into(), at: now, counts: vec![count(key, u64::MAX)] };
            memory.tell(&report).await.unwrap();
        }
        let usage: Arc<dyn Usage> = Arc::new(memory);
        let mut all = processes(1, &usage);
        let let_through = hammered(&mut all, 10).await;
        assert!(let_through >= 20 + 10 * 9 - 21, "{let_through}");
    }
}
