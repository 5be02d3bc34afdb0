//! Whatever is done at once, fails or dies: a client that was at any point of a log and gets the entries behind it shows
//! what a client shows that reads everything afresh.

mod checks;
mod commands;
mod run;
mod stores;

use proptest::prelude::*;

use commands::{Step, all, mostly_decisions};
use run::Run;
use stores::{File, Memory, Store};

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

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("REPLAY").map_or(150, |n| n.parse().unwrap()), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replay_equals_fresh_reading_in_memory(steps in all()) {
        follow(Memory::default(), steps);
    }

    #[test]
    fn rows_say_what_entries_tell(steps in mostly_decisions()) {
        follow(Memory::default(), steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replay_equals_fresh_reading_in_a_file(steps in all()) {
        follow(File::new(), steps);
    }
}
