use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::Outcome;

/// What a handler could answer at best: axum, a parsed body, a small answer.
pub(crate) fn serve(port: u16) -> Outcome {
    // The peer runs on all cores, as the handler does; the runtime of `main` is the load generator's.
    std::thread::spawn(move || -> Outcome {
        tokio::runtime::Runtime::new()?.block_on(async {
            let app =
                Router::new().route("/", get(|| async { "ok" })).route("/api/sendMessage", post(accept));
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
            Ok(axum::serve(listener, app).await?)
        })
    })
    .join()
    .map_err(|_| "the server panicked")?
}

async fn accept(Json(body): Json<Value>) -> Json<Value> {
    Json(json!({ "status": "accepted", "MessageID": body["MessageID"] }))
}
