//! Stores that can be taken away while the program runs.

use std::sync::Arc;

use super::stores::Stores;
use crate::adapters::faulty::{Faults, Faulty, Mode};
use crate::ports::Attachments;

/// The stores, and the switch: `true` makes every call of them fail until `false`.
pub(super) fn breakable(stores: Stores) -> (Stores, Box<dyn Fn(bool) + Send + Sync>) {
    let faults = Faults::default();
    let stores = Stores {
        log: Arc::new(Faulty::new(stores.log, faults.clone())),
        rooms: Arc::new(Faulty::new(stores.rooms, faults.clone())),
        members: Arc::new(Faulty::new(stores.members, faults.clone())),
        sanctions: Arc::new(Faulty::new(stores.sanctions, faults.clone())),
        invitations: Arc::new(Faulty::new(stores.invitations, faults.clone())),
        profiles: Arc::new(Faulty::new(stores.profiles, faults.clone())),
        inbox: Arc::new(Faulty::new(stores.inbox, faults.clone())),
        letters: Arc::new(Faulty::new(stores.letters, faults.clone())),
        uploads: Arc::new(Faulty::new(stores.uploads, faults.clone())),
        attachments: stores
            .attachments
            .map(|files| -> Arc<dyn Attachments> { Arc::new(Faulty::new(files, faults.clone())) }),
        local_files: stores.local_files,
        erasures: Arc::new(Faulty::new(stores.erasures, faults.clone())),
        audit: Arc::new(Faulty::new(stores.audit, faults.clone())),
        leases: Arc::new(Faulty::new(stores.leases, faults.clone())),
        handled: Arc::new(Faulty::new(stores.handled, faults.clone())),
        usage: Arc::new(Faulty::new(stores.usage, faults.clone())),
        engine: stores.engine,
        remote: stores.remote,
    };
    (stores, Box::new(move |away| faults.set(if away { Mode::FailAll } else { Mode::Quiet })))
}
