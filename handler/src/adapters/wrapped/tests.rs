//! The contracts hold for wrapped ports too, those that fail and are asked again included.

use std::sync::Arc;
use std::time::Duration;

use crate::adapters::faulty::{Faults, Faulty, Mode};
use crate::adapters::memory::{
    MemoryAudit, MemoryDeadLetters, MemoryErasures, MemoryHandled, MemoryInbox, MemoryInvitations,
    MemoryLeases, MemoryLog, MemoryMembers, MemoryProfiles, MemoryReviews, MemoryRooms, MemorySanctions,
    MemoryUploads, MemoryUsage,
};
use crate::adapters::queue::{Limits, MemoryQueue};
use crate::adapters::retrying::Retrying;
use crate::adapters::timed::Timed;
use crate::adapters::wrapped::Wrapped;
use crate::calls::Calls;
use crate::contract::data::{conversation, marked, message};
use crate::contract::queue::{Ends, LOCK};
use crate::ports::{Entity, Log, Outcome, Outgoing, Queue, QueueError};

pub(crate) fn timed() -> Timed {
    Timed::new(Calls::default(), Duration::from_secs(60))
}

/// So many tries that none of the cases meets as many faults in a row.
pub(crate) fn retrying<P: ?Sized>(inner: Arc<P>) -> Wrapped<Faulty<P>, Retrying> {
    retrying_where(inner, Mode::RandomWhereRepeated { seed: 7, percent_before: 15, percent_after: 15 })
}

fn retrying_where<P: ?Sized>(inner: Arc<P>, mode: Mode) -> Wrapped<Faulty<P>, Retrying> {
    let faults = Faults::default();
    faults.set(mode);
    let minute = Duration::from_secs(60);
    let patience = Retrying { tries: 30, first_pause: Duration::from_nanos(1), ..Retrying::within(minute) };
    Wrapped::new(Arc::new(Faulty::new(inner, faults)), patience)
}

macro_rules! suites {
    ($($port:ident: $memory:ident),*) => {$(
        mod $port {
            mod faulty {
                use super::super::*;
                crate::contract_suite!($port, || Faulty::new(Arc::new($memory::new()), Faults::default()));
            }
            mod timed {
                use super::super::*;
                crate::contract_suite!($port, || Wrapped::new(Arc::new($memory::new()), timed()));
            }
            mod retrying {
                use super::super::*;
                crate::contract_suite!($port, || retrying(Arc::new($memory::new())));
            }
        }
    )*};
}

suites! {
    log: MemoryLog, rooms: MemoryRooms, members: MemoryMembers, sanctions: MemorySanctions,
    invitations: MemoryInvitations, erasures: MemoryErasures, profiles: MemoryProfiles, inbox: MemoryInbox,
    leases: MemoryLeases, dead_letters: MemoryDeadLetters, audit: MemoryAudit, usage: MemoryUsage,
    handled: MemoryHandled, uploads: MemoryUploads,
    reviews: MemoryReviews
}

/// The wrappers are around the sending end, which is the one that is elsewhere.
fn ends<Q: Queue + 'static>(wrap: impl FnOnce(Arc<MemoryQueue>) -> Q) -> Ends {
    let queue = Arc::new(MemoryQueue::new(Limits { lock: LOCK, ..Limits::MEMORY }));
    Ends { queue: Arc::new(wrap(Arc::clone(&queue))), deliveries: queue }
}

mod queue {
    mod timed {
        use super::super::*;
        crate::contract_suite!(queue, || ends(|queue| Wrapped::new(queue, timed())));
    }
    mod retrying {
        use super::super::*;

        /// A send that had its effect and is repeated is there twice: who receives drops it by its id.
        const BEFORE: Mode = Mode::RandomWhereRepeated { seed: 7, percent_before: 30, percent_after: 0 };

        crate::contract_suite!(queue, || ends(|queue| retrying_where(queue, BEFORE)));
    }
}

#[tokio::test]
async fn a_call_fails_before_or_after_its_effect() {
    let (tea, faults) = (conversation("tea"), Faults::default());
    let inner: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let log = Faulty::new(Arc::clone(&inner), faults.clone());
    log.open(&tea).await.unwrap();
    let count = async || inner.head(&tea).await.unwrap().unwrap().count;
    let append = async || log.append(&tea, vec![marked(&tea, "1", message("1", "a"))]).await;

    faults.set(Mode::FailNext(1));
    assert!(append().await.is_err());
    assert_eq!(count().await, 0);
    faults.set(Mode::FailNextAfterEffect(1));
    assert!(append().await.is_err());
    assert_eq!(count().await, 1);
    assert!(matches!(append().await.unwrap()[..], [Outcome::Duplicate { .. }]));
    assert_eq!(faults.calls("log.append"), 3);
}

#[tokio::test]
async fn an_outage_lasts_until_it_is_lifted() {
    let (inner, faults) = (Arc::new(MemoryQueue::new(Limits::MEMORY)), Faults::default());
    let queue = Faulty::new(Arc::clone(&inner), faults.clone());
    let message = || Outgoing {
        entity: Entity::Queue,
        message_id: "1".into(),
        session_id: "tea".into(),
        body: bytes::Bytes::from_static(b"{}"),
        properties: Default::default(),
    };
    faults.set(Mode::FailAll);
    for _ in 0..3 {
        assert!(matches!(queue.send(message()).await, Err(QueueError::Unavailable { .. })));
        assert!(queue.check().await.is_err());
    }
    assert_eq!(inner.counts().depth, 0);
    faults.set(Mode::Quiet);
    queue.check().await.unwrap();
    queue.send(message()).await.unwrap();
    assert_eq!((inner.counts().depth, faults.calls("queue.send")), (1, 4));
}
