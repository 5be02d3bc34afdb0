//! What must hold for every input of every parser of the hub. The fuzz targets call these; so does a test of the crate
//! that needs no nightly compiler.

use std::collections::HashSet;
use std::sync::Arc;

use hub::{Filter, Subject};

/// A filter ends in a decision or in a sentence of bounded length, and what it prints means the same.
pub fn filter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let filter = match Filter::parse(&text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.to_string().len() < 20_000);
            return;
        }
    };
    let groups: HashSet<Arc<str>> = [Arc::from("g")].into();
    let subject = Subject::new("0f9c", Some("ann"), None, &groups);
    match Filter::parse(&filter.to_string()) {
        Ok(again) => {
            assert_eq!(again, filter);
            assert_eq!(again.matches(&subject), filter.matches(&subject));
        }
        // Printing adds parentheses.
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("Nesting is deeper") || error.contains("Longer than"), "{error}");
        }
    }
}
