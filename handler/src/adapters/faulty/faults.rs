use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::adapters::wrapped::Call;

/// A call waits for fewer turns than this.
const TURNS: u64 = 5;

/// What happens to calls from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing goes wrong.
    #[default]
    Quiet,
    /// The next calls, so many, fail before they do anything.
    FailNext(u32),
    /// Every call fails before it does anything, until another mode is set.
    FailAll,
    /// Every call of this method fails before it does anything, until another mode is set.
    FailCalls(&'static str),
    /// The same, and each asks to be left alone for so long.
    Throttle(&'static str, Duration),
    /// The next calls, so many, do all they should, and then their callers get an error.
    FailNextAfterEffect(u32),
    /// Every call of this method does all it should, and then its caller gets an error, until another mode is set.
    FailCallsAfterEffect(&'static str),
    /// Every call waits first.
    Delay(Duration),
    /// Chance decides for each call, the same way for the same seed: so many of a hundred fail before they do
    /// anything, so many after. Each lets others go first a few times, so that concurrent calls come in many orders.
    Random { seed: u64, percent_before: u8, percent_after: u8 },
    /// The same for calls alone that may be repeated; the others succeed.
    RandomWhereRepeated { seed: u64, percent_before: u8, percent_after: u8 },
}

/// The handle: sets the mode and counts the calls. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    calls: BTreeMap<&'static str, u64>,
}

/// What a single call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    FailBefore,
    /// The same, asking to be left alone for so long.
    Throttled(Duration),
    FailAfter,
}

/// What a call waits for first.
#[derive(Clone, Copy, Debug)]
enum Wait {
    None,
    For(Duration),
    /// So many turns of the other tasks.
    Others(u64),
}

impl Faults {
    pub fn set(&self, mode: Mode) {
        self.lock().mode = mode;
    }

    /// How often a method was called, failed calls included. Methods are named `port.method`, as in `log.append`.
    #[must_use]
    pub fn calls(&self, method: &str) -> u64 {
        self.lock().calls.get(method).copied().unwrap_or_default()
    }

    pub(super) async fn fate(&self, call: Call) -> Fate {
        let (fate, wait) = self.lock().next(call);
        match wait {
            Wait::None => {}
            Wait::For(delay) => tokio::time::sleep(delay).await,
            Wait::Others(turns) => {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
            }
        }
        fate
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self, call: Call) -> (Fate, Wait) {
        *self.calls.entry(call.name).or_default() += 1;
        let fate = match &mut self.mode {
            Mode::Quiet | Mode::FailNext(0) | Mode::FailNextAfterEffect(0) => Fate::Pass,
            Mode::FailAll => Fate::FailBefore,
            Mode::FailCalls(method) if *method == call.name => Fate::FailBefore,
            Mode::FailCallsAfterEffect(method) if *method == call.name => Fate::FailAfter,
            Mode::Throttle(method, asked) if *method == call.name => Fate::Throttled(*asked),
            Mode::FailCalls(_) | Mode::FailCallsAfterEffect(_) | Mode::Throttle(..) => Fate::Pass,
            Mode::FailNext(left) => {
                *left -= 1;
                Fate::FailBefore
            }
            Mode::FailNextAfterEffect(left) => {
                *left -= 1;
                Fate::FailAfter
            }
            Mode::Delay(delay) => return (Fate::Pass, Wait::For(*delay)),
            Mode::RandomWhereRepeated { .. } if !call.may_repeat => Fate::Pass,
            Mode::Random { seed, percent_before, percent_after }
            | Mode::RandomWhereRepeated { seed, percent_before, percent_after } => {
                match next_random(seed) % 100 {
                    roll if roll < u64::from(*percent_before) => Fate::FailBefore,
                    roll if roll < u64::from(*percent_before) + u64::from(*percent_after) => Fate::FailAfter,
                    _ => Fate::Pass,
                }
            }
        };
        let wait = match &mut self.mode {
            Mode::Random { seed, .. } | Mode::RandomWhereRepeated { seed, .. } => {
                Wait::Others(next_random(seed) % TURNS)
            }
            _ => Wait::None,
        };
        (fate, wait)
    }
}

/// SplitMix64: a full-period sequence from any seed.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Fate::{FailAfter, FailBefore, Pass};

    const APPEND: Call = Call { name: "log.append", may_repeat: false };

    fn fates(mode: Mode, count: usize) -> Vec<Fate> {
        let mut state = State { mode, ..State::default() };
        (0..count).map(|_| state.next(APPEND).0).collect()
    }

    #[test]
    fn each_mode_does_what_it_says() {
        assert_eq!(fates(Mode::Quiet, 2), [Pass, Pass]);
        assert_eq!(fates(Mode::FailNext(2), 3), [FailBefore, FailBefore, Pass]);
        assert_eq!(fates(Mode::FailAll, 2), [FailBefore, FailBefore]);
        assert_eq!(fates(Mode::FailNextAfterEffect(1), 2), [FailAfter, Pass]);
        assert_eq!(fates(Mode::FailCalls("log.append"), 2), [FailBefore, FailBefore]);
        assert_eq!(fates(Mode::FailCalls("log.head"), 2), [Pass, Pass]);
        assert_eq!(fates(Mode::FailCallsAfterEffect("log.append"), 2), [FailAfter, FailAfter]);
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed() {
        let random = |seed| Mode::Random { seed, percent_before: 20, percent_after: 30 };
        let thousand = fates(random(7), 1_000);
        assert_eq!(thousand, fates(random(7), 1_000));
        assert_ne!(thousand, fates(random(8), 1_000));
        let count = |fate| thousand.iter().filter(|other| **other == fate).count();
        assert!((150..250).contains(&count(FailBefore)), "{}", count(FailBefore));
        assert!((250..350).contains(&count(FailAfter)), "{}", count(FailAfter));
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_is_waited_and_calls_are_counted() {
        let faults = Faults::default();
        faults.set(Mode::Delay(Duration::from_secs(3)));
        let start = tokio::time::Instant::now();
        assert_eq!(faults.clone().fate(APPEND).await, Pass);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert_eq!((faults.calls("log.append"), faults.calls("log.head")), (1, 0));
    }
}
