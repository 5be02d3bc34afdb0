//! Tables on the Azurite of this binary, for adapters that are tested by themselves.

use std::path::Path;

use handler::adapters::azure::Http;
use handler::adapters::azure::table::{StorageAccount, Tables};

use crate::azurite::{azurite, prefix};

/// The tables with this prefix.
pub fn tables(prefix: &str) -> Tables {
    let account = StorageAccount::parse(&azurite().connection).unwrap();
    Tables::new(&account, None, prefix, &Http::new().unwrap()).unwrap()
}

/// For a contract's case: the tables that belong to its folder, the same for each adapter it opens there.
pub fn tables_in(dir: &Path) -> Tables {
    let file = dir.join("prefix");
    let prefix = std::fs::read_to_string(&file).unwrap_or_else(|_| {
        let fresh = prefix();
        std::fs::write(&file, &fresh).unwrap();
        fresh
    });
    tables(&prefix)
}
