use axum::response::{Html, IntoResponse};

/// What runs here, for people. Static: the Functions host polls this path.
pub(super) async fn handle() -> impl IntoResponse {
    Html(include_str!("page.html"))
}
