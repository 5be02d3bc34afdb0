//! Who may know whom: `functions`, `events`, `worker` → `chat` → `ports` ← `adapters`; only `app` names both a port and an
//! adapter. And what comes from outside comes from the registries, as its lock file says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// Rust files under a path of `src`.
fn files(under: &str) -> Vec<PathBuf> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                walk(&entry.unwrap().path(), found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.to_owned());
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(under), &mut found);
    assert!(!found.is_empty(), "{under}");
    found
}

/// The code of a file without its tests, which may know more.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
}

fn nobody_names(under: &str, forbidden: &[&str]) {
    for file in files(under) {
        let is_test = file.components().any(|part| part.as_os_str().to_string_lossy().contains("test"));
        for line in code(&file).lines().filter(|line| !is_test && !line.trim_start().starts_with("//")) {
            for name in forbidden {
                assert!(!line.contains(name), "{}: {line}", file.display());
            }
        }
    }
}

#[test]
fn model_and_ports_know_nothing_above_them() {
    nobody_names(
        "model",
        &["crate::ports", "crate::chat", "crate::adapters", "crate::functions", "crate::config"],
    );
    nobody_names(
        "ports",
        &["crate::chat", "crate::adapters", "crate::functions", "crate::config", "axum", "hub::"],
    );
}

#[test]
fn the_chat_knows_no_http_no_azure_no_hub_and_no_clock_but_the_port() {
    let forbidden = [
        "crate::adapters",
        "crate::functions",
        "crate::config",
        "axum",
        "http::",
        "azure",
        "hub::",
        "SystemTime",
    ];
    nobody_names("chat", &forbidden);
    nobody_names("worker.rs", &forbidden);
}

#[test]
fn only_the_app_names_adapters() {
    for under in ["functions", "events.rs", "error.rs", "lifecycle", "logging.rs", "cli.rs", "main.rs"] {
        nobody_names(under, &["crate::adapters", "handler::adapters"]);
    }
}

#[test]
fn settings_are_made_for_adapters_and_know_no_port() {
    nobody_names("config", &["crate::ports", "crate::chat", "crate::functions", "crate::app"]);
}

#[test]
fn adapters_know_no_use_case() {
    nobody_names("adapters", &["crate::chat", "crate::functions", "crate::config", "crate::app"]);
}

#[test]
fn the_environment_is_read_in_one_place() {
    for file in files("").iter().filter(|file| !file.to_string_lossy().contains("test")) {
        let reads = code(file).contains("env::var");
        assert_eq!(reads, file.ends_with("config/vars.rs"), "{}", file.display());
    }
}

#[test]
fn every_dependency_is_the_registrys_and_has_its_checksum() {
    let read = |path: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
    };
    for path in [
        "Cargo.lock",
        "handler/fuzz/Cargo.lock",
        "crates/hub/fuzz/Cargo.lock",
        "crates/webpubsub/fuzz/Cargo.lock",
    ] {
        let lock = read(path);
        let foreign = lock.split("[[package]]").filter(|package| package.contains("\nsource = "));
        for package in foreign {
            let crates_io =
                "\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"";
            assert!(package.contains(crates_io), "{path}: {package}");
        }
    }
    for path in ["webclient", "tests/js", "tests/azurite", "bench/peers"] {
        let lock: serde_json::Value =
            serde_json::from_str(&read(&format!("{path}/package-lock.json"))).unwrap();
        for (name, package) in lock["packages"].as_object().unwrap() {
            let is_ours = name.is_empty() || package["link"] == true || !name.contains("node_modules/");
            assert!(is_ours || package["integrity"].is_string(), "{path}: {name} has no checksum");
            // It comes from wherever npm is told to look, and is what the checksum says.
            assert!(is_ours || package["resolved"].is_null(), "{path}: {name} names a place");
        }
    }
}

/// Whoever reads the audit looks there for what a record means.
#[test]
fn every_action_of_the_audit_is_in_the_document() {
    let document = include_str!("../../docs/API.md");
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let is_action = |text: &&str| text.split_once('.').is_some_and(|(on, what)| is_word(on) && is_word(what));
    let mut actions = vec!["sign_in".to_owned()];
    for file in files("chat").into_iter().filter(|file| !file.to_string_lossy().contains("/tests")) {
        actions.extend(code(&file).split('"').filter(is_action).map(str::to_owned));
    }
    assert!(actions.len() > 25 && actions.iter().any(|action| action == "room.read"), "{actions:?}");
    actions.retain(|action| !document.contains(&format!("`{action}`")));
    assert!(actions.is_empty(), "{actions:?}");
}
