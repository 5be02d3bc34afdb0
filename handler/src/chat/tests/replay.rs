//! Whatever is done at once, fails or dies: a client that was at any point of a log and gets the entries behind it shows
//! what a client shows that reads everything afresh, and the rows say what the entries tell.
//!
//! A failure names its seed; `REPLAY_SEED=<seed> cargo test -p handler --lib <test>` runs that case again. `REPLAY_CASES`
//! makes runs longer.

mod checks;
mod commands;
mod run;
mod stores;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use commands::{Step, all, mostly_decisions};
use run::Run;
use stores::Store;

/// Runs that look for shorter steps that fail.
const SHRINKS: u32 = 3_000;

fn follow(store: impl Store, steps: Vec<Step>) {
    let mut run = Run::new(store);
    for step in steps {
        run.take(step);
        run.check();
    }
    run.settle();
    run.check();
    run.check_rows();
}

#[expect(clippy::disallowed_methods, reason = "no setting of the program's")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Follows cases, each from a seed of its own. The shortest steps that fail are shown with the seed they were found by.
fn follow_many<S: Store>(cases: u64, steps: &impl Strategy<Value = Vec<Step>>) {
    let first = number("REPLAY_SEED");
    let cases = if first.is_some() { 1 } else { number("REPLAY_CASES").unwrap_or(cases) };
    let first = first.unwrap_or_else(|| TestRunner::default().rng().next_u64());
    for seed in (0..cases).map(|n| first.wrapping_add(n)) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config =
            Config { cases: 1, max_shrink_iters: SHRINKS, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new_with_rng(config, rng).run(steps, |steps| {
            follow(S::new(), steps);
            Ok(())
        });
        match outcome {
            Err(TestError::Fail(reason, steps)) => panic!("REPLAY_SEED={seed}: {reason}, by {steps:?}"),
            outcome => outcome.unwrap(),
        }
    }
}

/// A store joins by its line.
macro_rules! stores {
    ($($name:ident: $store:ty, $cases:literal;)+) => {$(
        mod $name {
            #[test]
            fn replay_equals_fresh_reading() {
                super::follow_many::<$store>($cases, &super::all());
            }

            #[test]
            fn rows_say_what_entries_tell() {
                super::follow_many::<$store>($cases, &super::mostly_decisions());
            }
        }
    )+};
}

stores! {
    memory: crate::chat::tests::replay::stores::Memory, 150;
    file: crate::chat::tests::replay::stores::File, 10;
    table: crate::chat::tests::replay::stores::Table, 2;
}
