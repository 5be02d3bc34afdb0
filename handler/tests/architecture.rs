//! The direction of knowledge, read off the `use` lines: `functions`, `worker`, events → `chat` → `ports` ← `adapters`, and
//! only `app` names both a port and an adapter.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Modules of this crate, and crates, that each part may not name. A part is a folder or a file under `src`.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "model",
        &[
            "ports",
            "chat",
            "adapters",
            "functions",
            "app",
            "config",
            "worker",
            "axum",
            "hub",
            "webpubsub",
            "tokio",
        ],
    ),
    (
        "ports",
        &[
            "chat",
            "adapters",
            "functions",
            "app",
            "config",
            "worker",
            "axum",
            "http",
            "hub",
            "webpubsub",
            "redb",
        ],
    ),
    (
        "chat",
        &[
            "adapters",
            "functions",
            "app",
            "config",
            "worker",
            "axum",
            "http",
            "hub",
            "webpubsub",
            "redb",
            "reqwest",
            "azure_core21",
        ],
    ),
    ("adapters", &["chat", "functions", "app", "worker", "axum"]),
    ("functions", &["adapters", "app", "lifecycle", "redb", "reqwest", "azure_core21"]),
    ("worker.rs", &["adapters", "functions", "app", "config", "axum", "hub"]),
    ("events.rs", &["adapters", "functions", "app", "axum"]),
    // Settings are parsed into what adapters are made of, such as a connection string.
    ("config", &["functions", "app", "chat"]),
];

fn sources(at: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if at.is_file() {
        found.push(at.to_owned());
        return Ok(());
    }
    fs::read_dir(at)?.try_for_each(|entry| sources(&entry?.path(), found))
}

/// Whether a line of code names `module` of this crate, or the crate `module`.
fn names(line: &str, module: &str) -> bool {
    let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let local = format!("crate::{module}");
    if let Some(at) = line.find(&local) {
        return is_end(&line[at + local.len()..]);
    }
    // A crate is named at the start of a path.
    let path = format!("{module}::");
    line.match_indices(&path).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            && !["model", "ports", "chat", "adapters", "functions", "app", "config", "worker"]
                .contains(&module)
    })
}

#[test]
fn every_part_knows_only_what_it_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (part, forbidden) in FORBIDDEN {
        let mut files = Vec::new();
        sources(&src.join(part), &mut files).unwrap();
        assert!(!files.is_empty(), "{part} is gone: this test must follow");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let is_test = file.components().any(|c| c.as_os_str() == "tests") || file.ends_with("tests.rs");
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let line = line.trim();
                if is_test || line.starts_with("//") || file.to_string_lossy().ends_with("_tests.rs") {
                    continue;
                }
                for module in forbidden.iter().filter(|module| names(line, module)) {
                    broken.push(format!("{}:{}: {part} names {module}: {line}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_check_sees_what_it_must() {
    assert!(names("use crate::adapters::memory::MemoryLog;", "adapters"));
    assert!(names("let x: crate::app::Running;", "app"));
    assert!(!names("use crate::application::X;", "app"));
    assert!(names("use axum::Json;", "axum"));
    assert!(names("fn f(request: http::Request<()>) {}", "http"));
    assert!(!names("use super::http::f;", "http"));
    assert!(!names("// plain words about hub::x", "redb"));
}
