//! The real binary with its data in tables, under the names that the stories know.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{LazyLock, Mutex};

use tempfile::TempDir;

use crate::azurite::{azurite, prefix};
use crate::real_product;
pub use crate::real_product::{Answer, PATIENCE, call, listening};

pub struct Product {
    product: real_product::Product,
    /// What is no table, such as the embedded queue.
    _data: Option<TempDir>,
}

impl Product {
    /// As the settings say, but for the storage. Two with the same `DATA_DIR` share their tables, as they share its files.
    pub fn alone(settings: &[(&str, &str)]) -> Self {
        static PREFIXES: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);
        let own = tempfile::tempdir().unwrap();
        let given = settings.iter().find(|(name, _)| *name == "DATA_DIR").map(|(_, dir)| (*dir).to_owned());
        let dir = given.clone().unwrap_or_else(|| own.path().to_str().unwrap().to_owned());
        let prefix = PREFIXES.lock().unwrap().entry(dir.clone()).or_insert_with(prefix).clone();
        let mut all: Vec<(&str, &str)> = settings
            .iter()
            .copied()
            .filter(|(name, _)| !["STORAGE_MODE", "DATA_DIR"].contains(name))
            .collect();
        // Debug output of the program is what its own settings ask for.
        all.extend([
            ("STORAGE_MODE", "table"),
            ("DATA_DIR", &dir),
            ("AZURE_STORAGE_CONNECTION_STRING", &azurite().connection),
            ("CHAT_TABLE_NAME", &prefix),
        ]);
        Self { product: real_product::Product::alone(&all), _data: given.is_none().then_some(own) }
    }
}

impl Deref for Product {
    type Target = real_product::Product;
    fn deref(&self) -> &Self::Target {
        &self.product
    }
}

impl DerefMut for Product {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.product
    }
}
