//! Sockets at a service elsewhere, data in tables.

use crate::azurite::{azurite, prefix};
use crate::service::{free_port, hub, program, story, with_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tables_it_does_the_same() {
    let (port, prefix, data) = (free_port(), prefix(), tempfile::tempdir().unwrap());
    let hub = hub(port, "");
    let settings = [
        ("WEBPUBSUB_CONNECTION_STRING", with_key(&hub)),
        ("STORAGE_MODE", "table".to_owned()),
        ("QUEUE_MODE", "embedded".to_owned()),
        ("AZURE_STORAGE_CONNECTION_STRING", azurite().connection.clone()),
        ("CHAT_TABLE_NAME", prefix),
        ("DATA_DIR", data.path().display().to_string()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let product = program(port, &settings);
    story(&product, &hub).await;
}
