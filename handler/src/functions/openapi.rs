use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

/// The API as a document for programs. A test compares it with the routes, both ways.
pub(super) async fn handle() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}
