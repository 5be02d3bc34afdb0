//! A child process writes and says what was answered; it is killed with SIGKILL at a random moment; everything it said
//! must be in the file. The child is this test executable, started again for one ignored test.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use redb::{ReadableTable, TableDefinition};

use super::Engine;

const ROWS: TableDefinition<'_, u64, u64> = TableDefinition::new("rows");
const ECHO: TableDefinition<'_, u64, u64> = TableDefinition::new("echo");
const PATH: &str = "ENGINE_CRASH_TEST_PATH";
const FIRST: &str = "ENGINE_CRASH_TEST_FIRST";
const KILLS: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of `answered_writes_survive_sigkill`"]
async fn child() {
    let (Some(path), Some(first)) = (std::env::var_os(PATH), std::env::var_os(FIRST)) else { return };
    let first: u64 = first.to_str().unwrap().parse().unwrap();
    let engine = Engine::open(path).await.unwrap();
    let writers = (0..8).map(|writer| {
        let engine = engine.clone();
        tokio::spawn(async move {
            for key in (first + writer..).step_by(8) {
                let both = move |txn: &redb::WriteTransaction| {
                    txn.open_table(ROWS)?.insert(key, key)?;
                    txn.open_table(ECHO)?.insert(key, key)?;
                    Ok(())
                };
                engine.write(both).await.unwrap();
                writeln!(std::io::stdout().lock(), "answered {key}").unwrap();
            }
        })
    });
    futures_util::future::join_all(writers.collect::<Vec<_>>()).await;
}

fn start_child(path: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["adapters::engine::crash_tests::child", "--exact", "--ignored", "--nocapture"])
        .env(PATH, path)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads answers until `kill_after` of them came, kills, and reads what was still under way.
fn killed_after(mut child: Child, kill_after: u64) -> Vec<u64> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answered = Vec::new();
    for line in lines {
        let line = line.unwrap();
        let Some((_, key)) = line.rsplit_once("answered ") else { continue };
        answered.push(key.parse().unwrap());
        if answered.len() as u64 == kill_after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    answered
}

#[tokio::test]
async fn answered_writes_survive_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.redb");
    let mut answered = BTreeSet::new();
    for round in 0..KILLS {
        let mut random = [0; 2];
        getrandom::fill(&mut random).unwrap();
        let kill_after = 1 + u64::from(u16::from_le_bytes(random) % 700);
        let child = start_child(&path, round * 1_000_000);
        let said = tokio::task::spawn_blocking(move || killed_after(child, kill_after)).await.unwrap();
        assert!(said.len() as u64 >= kill_after, "the child ended by itself");
        answered.extend(said);

        let engine = Engine::open(&path).await.unwrap();
        let rows = |table: TableDefinition<'static, u64, u64>| {
            let all = |txn: &redb::ReadTransaction| {
                txn.open_table(table)?
                    .iter()?
                    .map(|row| Ok(row?.0.value()))
                    .collect::<Result<BTreeSet<u64>, crate::ports::StoreError>>()
            };
            engine.read(all).unwrap()
        };
        let found = rows(ROWS);
        assert_eq!(found, rows(ECHO), "half a write");
        assert!(found.is_superset(&answered), "{:?} lost", answered.difference(&found));
        engine.close().await;
    }
}
