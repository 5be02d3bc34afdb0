//! A stand-in for fuzzing that runs with every test run: the checks of the fuzz targets, over real filters that are cut up
//! and put together again.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets share it")]
mod checks;

use proptest::prelude::*;

const SEEDS: [&str; 8] = [
    "userId eq 'a' or ('g' in groups and not contains(connectionId,'7'))",
    "length(groups) ge 1 and -1 lt indexof(userId,'n')",
    "substring(concat(tolower(userId),toupper('ß')),0,3) eq 'ann' eq true",
    "userId in ('a','it''s',null,5,true)",
    "not not not (protocol ne null)",
    "((((((((((true))))))))))",
    "trim(' x ') eq 'x' and startswith(userId,'☕') or endswith(userId,'😀')",
    "1 eq 1 eq 1 eq 1 and null eq null",
];

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let slice =
        (prop::sample::select(SEEDS.to_vec()), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let slice = slice.prop_map(|(seed, from, to)| {
        let (from, to) = (from.index(seed.len()), to.index(seed.len()));
        seed.as_bytes()[from.min(to)..from.max(to)].to_vec()
    });
    prop_oneof![4 => slice, 1 => prop::collection::vec(any::<u8>(), 0..4), 1 => Just(b"(".repeat(120)), 1 => Just(b"not ".repeat(60))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn filters_cut_up_and_put_together(pieces in prop::collection::vec(piece(), 1..6)) {
        checks::filter(&pieces.concat());
    }
}

#[test]
fn whole_filters() {
    for seed in SEEDS {
        checks::filter(seed.as_bytes());
        checks::filter(seed.repeat(20).as_bytes());
    }
}
