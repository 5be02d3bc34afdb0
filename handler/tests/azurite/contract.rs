//! Every port's contract on tables of its own.

macro_rules! suites {
    ($($port:ident: $store:ident),* $(,)?) => {
        $(
            mod $port {
                use handler::adapters::azure::table::$store;

                use crate::tables::tables_in;

                handler::contract_suite!($port, |dir| $store::new(&tables_in(dir)));
            }
        )*
    };
}

suites! {
    log: TableLog,
    rooms: TableRooms,
    members: TableMembers,
    sanctions: TableSanctions,
    invitations: TableInvitations,
    profiles: TableProfiles,
    erasures: TableErasures,
    inbox: TableInbox,
    dead_letters: TableDeadLetters,
    handled: TableHandled,
    uploads: TableUploads,
    audit: TableAudit,
}

/// Leases end with their connections, so theirs is the suite without a second adapter; each case has tables of its own.
mod leases {
    use handler::adapters::azure::table::TableLeases;

    use crate::tables::tables_in;

    handler::contract_suite!(leases, |dir| TableLeases::new(&tables_in(dir)));
}

/// As short-lived as what it counts.
mod usage {
    use handler::adapters::azure::table::TableUsage;

    use crate::tables::tables_in;

    handler::contract_suite!(usage, |dir| TableUsage::new(&tables_in(dir)));
}
