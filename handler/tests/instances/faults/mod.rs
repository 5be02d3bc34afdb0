//! Every call that a use case makes of another machine goes wrong in every way, and what was promised holds: nothing is
//! dropped, doubled or put into another order, callers are told to come again or that it is done, and their repeat gets
//! the first answer.
//!
//! Which calls there are is what the proxies see on a day without faults; so a new one is tried without being named here.
//! Each meets one of the faults, once or twice; a kind of call meets another one in each use case. `FAULTS=all` lets every
//! call meet all of them, once, twice and three times, for a quarter of an hour:
//! `FAULTS=all cargo test -p handler --test instances faults -- --nocapture`; `FAULTS=Ban` does so for one use case.

mod cases;
mod ear;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use self::cases::UseCase;
use self::stage::{Plan, Stage};
use crate::azurite::{azurite, prefix};
use crate::deployed::Deployed;
use crate::proxy::Fault;

/// Apps that use cases are played in at once.
const APPS: usize = 4;
/// How long a call waits for a service that is silent.
const SERVICE_TIMEOUT_MS: &str = "600";
/// A use case takes less than a second; pauses and patience of the program come on top.
const TURN: Duration = Duration::from_secs(30);
/// Calls without which nothing was tried.
const CERTAIN: [&str; 4] = [
    "bus POST /chat-queue/messages",
    "bus POST /chat-topic/messages",
    "tables POST $batch log",
    "hub POST groups/room_*/:send",
];

/// What the apps share.
#[derive(Default)]
struct Matrix {
    left: Mutex<Vec<UseCase>>,
    /// Which faults each kind of call met.
    met: Mutex<BTreeMap<String, BTreeSet<Fault>>>,
    failures: Mutex<Vec<String>>,
    turns: Mutex<usize>,
    /// The fault whose turn it is, by kind of call.
    next: Mutex<BTreeMap<String, usize>>,
}

/// `all`, or the use case whose calls alone are to meet all faults.
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says how long")]
fn asked_for() -> Option<String> {
    std::env::var("FAULTS").ok()
}

fn use_cases() -> Vec<UseCase> {
    let named = |case: &UseCase| asked_for().is_none_or(|name| name == "all" || name == format!("{case:?}"));
    UseCase::ALL.into_iter().filter(named).rev().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_every_use_case_fails_in_every_way() {
    let began = Instant::now();
    let matrix = Arc::new(Matrix { left: Mutex::new(use_cases()), ..Matrix::default() });
    join_all((0..APPS).map(|app| {
        let matrix = Arc::clone(&matrix);
        async move {
            let settings = [("AZURE_TIMEOUT_MS", SERVICE_TIMEOUT_MS), ("ATTACHMENTS", "on")];
            // Each has a hub of its own, so each has tables of its own.
            let at = Rc::new(Deployed::start(azurite(), &prefix(), &settings).await);
            while let Some(case) = { matrix.left.lock().unwrap().pop() } {
                matrix.play(case, &at, app).await;
            }
        }
    }))
    .await;
    let (met, failures) = (matrix.met.lock().unwrap().clone(), matrix.failures.lock().unwrap().clone());
    println!("{} turns in {:?}; faults that calls met:", matrix.turns.lock().unwrap(), began.elapsed());
    for (kind, faults) in &met {
        println!("  {kind:50} {faults:?}");
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    let everything = asked_for().is_none_or(|name| name == "all");
    let fewest = if asked_for().is_some() { Fault::ALL.len() } else { 2 };
    for kind in CERTAIN.into_iter().filter(|_| everything) {
        assert!(met.get(kind).is_some_and(|faults| faults.len() >= fewest), "{kind}: {:?}", met.get(kind));
    }
}

impl Matrix {
    async fn play(&self, case: UseCase, at: &Rc<Deployed>, app: usize) {
        let mut tries = 0;
        let mut stage = Stage::set(Rc::clone(at), tag(case, app, tries)).await;
        // The first time tables are made and copies are taken.
        case_without_faults(case, &mut stage).await;
        let usual = case_without_faults(case, &mut stage).await;
        let mut calls: Vec<(usize, String)> = Vec::new();
        for (behind, (_, proxy)) in at.proxies().into_iter().enumerate() {
            calls.extend(proxy.take_seen().into_iter().map(|kind| (behind, kind)));
        }
        for (behind, kind) in calls {
            for (fault, times) in self.faults(&kind) {
                let plan = Plan { behind, kind: kind.clone(), fault, times };
                let began = Instant::now();
                let outcome = self.turn(case, &mut stage, &plan, &usual).await;
                *self.turns.lock().unwrap() += 1;
                if let Err(why) = outcome {
                    let (name, _) = at.proxies()[behind];
                    let log = at
                        .world
                        .host
                        .handler_log()
                        .into_iter()
                        .rev()
                        .take(6)
                        .collect::<Vec<_>>()
                        .join("\n  ");
                    let text = format!(
                        "{case:?}, {name} {kind}, {times} x {fault:?} after {:?}: {why}\n  {log}",
                        began.elapsed()
                    );
                    println!("FAILED {text}");
                    self.failures.lock().unwrap().push(text);
                    tries += 1;
                    stage = Stage::set(Rc::clone(at), tag(case, app, tries)).await;
                }
            }
        }
    }

    /// Of all, in turn, so that together a kind's calls meet all.
    fn faults(&self, kind: &str) -> Vec<(Fault, usize)> {
        let all = Fault::ALL;
        if asked_for().is_some() {
            return all.into_iter().flat_map(|fault| (1..=3).map(move |times| (fault, times))).collect();
        }
        let mut next = self.next.lock().unwrap();
        // Kinds of which there is one call do not all meet the same.
        let next = next.entry(kind.to_owned()).or_insert_with(|| kind.bytes().map(usize::from).sum());
        *next += 1;
        vec![(all[*next % all.len()], 1 + *next / all.len() % 2)]
    }

    async fn turn(
        &self,
        case: UseCase,
        stage: &mut Stage,
        plan: &Plan,
        usual: &[String],
    ) -> Result<(), String> {
        stage.next(Some(plan.clone()));
        let playing = AssertUnwindSafe(timeout(TURN, case.play(stage))).catch_unwind().await;
        let (name, proxy) = stage.at.proxies()[plan.behind];
        if proxy.disarm() > 0 {
            let mut met = self.met.lock().unwrap();
            met.entry(format!("{name} {}", plan.kind)).or_default().insert(plan.fault);
        }
        match playing {
            Ok(Ok(trace)) if trace == usual => Ok(()),
            Ok(Ok(trace)) => Err(format!("{trace:#?} instead of {usual:#?}")),
            Ok(Err(_)) => Err(format!("it does not end: {}", stage.progress())),
            Err(panic) => Err(match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => {
                    panic.downcast::<&str>().map_or("a panic".to_owned(), |text| (*text).to_owned())
                }
            }),
        }
    }
}

async fn case_without_faults(case: UseCase, stage: &mut Stage) -> Vec<String> {
    stage.next(None);
    timeout(TURN, case.play(stage)).await.unwrap_or_else(|_| panic!("{case:?} does not end"))
}

fn tag(case: UseCase, app: usize, tries: usize) -> String {
    format!("{case:?}{app}{tries}").to_lowercase()
}
