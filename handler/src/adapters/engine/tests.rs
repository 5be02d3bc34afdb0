use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc as blocking};

use futures_util::future::join_all;
use redb::backends::FileBackend;
use redb::{Database, ReadableTable, StorageBackend, TableDefinition};
use tempfile::TempDir;

use super::*;

const ROWS: TableDefinition<'_, u64, &str> = TableDefinition::new("rows");

type Act = Box<dyn Fn(&WriteTransaction) -> Result<(), StoreError> + Send>;

async fn engine() -> (TempDir, Engine) {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path().join("test.redb")).await.unwrap();
    (dir, engine)
}

fn put(key: u64) -> Act {
    Box::new(move |txn| {
        txn.open_table(ROWS)?.insert(key, "here")?;
        Ok(())
    })
}

fn keys(engine: &Engine) -> Vec<u64> {
    let all = |txn: &ReadTransaction| {
        txn.open_table(ROWS)?.iter()?.map(|row| Ok(row?.0.value())).collect::<Result<_, StoreError>>()
    };
    engine.read(all).unwrap()
}

/// Carries out the writes in this order while they are sure to be one group: the writer is held up until all wait.
async fn as_one_group(engine: &Engine, writes: Vec<Act>) -> Vec<Result<(), StoreError>> {
    let (release, held) = blocking::channel::<()>();
    let (started, running) = blocking::channel::<()>();
    let held = Mutex::new(held);
    let holding = engine.write(move |_| {
        let _ = started.send(());
        let _ = held.lock().unwrap().recv();
        Ok(())
    });
    let release = async {
        tokio::task::spawn_blocking(move || running.recv()).await.unwrap().unwrap();
        let mut answers: Vec<_> = writes.into_iter().map(|write| Box::pin(engine.write(write))).collect();
        for answer in &mut answers {
            // The first poll puts the write into the queue.
            assert!(futures_util::poll!(answer).is_pending());
        }
        release.send(()).unwrap();
        join_all(answers).await
    };
    let (held, answers) = tokio::join!(holding, release);
    held.unwrap();
    answers
}

#[tokio::test]
async fn writes_that_wait_share_a_commit() {
    let (_dir, engine) = engine().await;
    let before = engine.commits();
    let answers = as_one_group(&engine, (0..100).map(put).collect()).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(engine.commits() - before, 2, "the one that held the writer up, and the group");
    assert_eq!(keys(&engine), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_failing_write_leaves_nothing_and_takes_nobody_along() {
    let (_dir, engine) = engine().await;
    let fail = |key| -> Act {
        Box::new(move |txn| {
            put(key)(txn)?;
            Err(StoreError::corrupt("test", "no"))
        })
    };
    let writes = vec![put(1), fail(2), put(3), fail(4), fail(5), put(6)];
    let answers = as_one_group(&engine, writes).await;
    let ok: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, false, true, false, false, true]);
    assert!(matches!(answers[1], Err(StoreError::Corrupt { store: "test", .. })), "its own error");
    assert_eq!(keys(&engine), [1, 3, 6]);
}

#[tokio::test]
async fn a_panicking_write_leaves_nothing_and_takes_nobody_along() {
    let (_dir, engine) = engine().await;
    let panic: Act = Box::new(|txn| {
        let mut rows = txn.open_table(ROWS)?;
        rows.insert(2, "half")?;
        panic!("planted");
    });
    let answers = as_one_group(&engine, vec![put(1), panic, put(3)]).await;
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok());
    assert_eq!(keys(&engine), [1, 3]);
    let read: Result<(), _> = engine.read(|_| panic!("planted"));
    assert!(read.is_err());
    assert_eq!(keys(&engine), [1, 3]);
}

#[tokio::test]
async fn writes_are_serial_and_none_is_lost() {
    const COUNT: TableDefinition<'_, (), u64> = TableDefinition::new("count");
    let (_dir, engine) = engine().await;
    let raise = || {
        engine.write(|txn| {
            let mut count = txn.open_table(COUNT)?;
            let now = count.get(())?.map_or(0, |value| value.value());
            count.insert((), now + 1)?;
            Ok(now)
        })
    };
    let mut seen: Vec<u64> =
        join_all((0..3_000).map(|_| raise())).await.into_iter().map(Result::unwrap).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..3_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let (dir, engine) = engine().await;
    engine.write(put(1)).await.unwrap();
    let waiting = engine.clone();
    let mut last = Box::pin(async move { waiting.write(put(2)).await });
    assert!(futures_util::poll!(&mut last).is_pending());
    engine.close().await;
    last.await.unwrap();
    assert!(engine.write(put(3)).await.is_err());
    assert!(engine.read(|_| Ok(())).is_err());
    engine.close().await;

    let engine = Engine::open(dir.path().join("test.redb")).await.unwrap();
    assert_eq!(keys(&engine), [1, 2]);
    drop(engine);
    let engine = Engine::open(dir.path().join("test.redb")).await.unwrap();
    assert_eq!(keys(&engine), [1, 2]);
}

#[tokio::test]
async fn a_second_owner_waits_for_the_first_then_gives_up() {
    let (dir, engine) = engine().await;
    let path = dir.path().join("test.redb");
    let refused = Engine::open(&path).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })));

    let mut waiting = Box::pin(Engine::open(&path));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(early.is_err());
    engine.close().await;
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.redb");
    std::fs::write(&path, [7; 10_000]).unwrap();
    assert!(Engine::open(&path).await.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), [7; 10_000], "and left alone");
}

/// A file whose writes fail while the switch is on.
#[derive(Debug)]
struct Failing {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl StorageBackend for Failing {
    fn len(&self) -> Result<u64, io::Error> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(offset, data)
    }
}

#[tokio::test]
async fn a_full_disk_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.redb");
    let (full, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (switch, opens) = (full.clone(), opened.clone());
    let slot = Slot::new(Box::new(move || {
        opens.fetch_add(1, Ordering::Relaxed);
        let file =
            std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let file = FileBackend::new(file)?;
        Database::builder().create_with_backend(Failing { file, full: switch.clone() })
    }));
    let engine = Engine::start(slot).await.unwrap();
    engine.write(put(1)).await.unwrap();
    full.store(true, Ordering::Relaxed);
    assert!(engine.write(put(2)).await.is_err());
    assert!(engine.write(put(3)).await.is_err());
    full.store(false, Ordering::Relaxed);
    engine.write(put(4)).await.unwrap();
    assert_eq!(keys(&engine), [1, 4]);
    assert!(opened.load(Ordering::Relaxed) > 1);
}
