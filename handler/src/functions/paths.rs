use std::sync::LazyLock;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::Uri;
use http::uri::PathAndQuery;

use super::routes;

/// The host matches routes ignoring case and passes the path on as it was written; so we match as it does. A slash at
/// the end changes nothing either.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    if let Some(uri) = canonical(request.uri()) {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

/// The routes' own spelling of the path; `None` where there is nothing to change.
fn canonical(uri: &Uri) -> Option<Uri> {
    static PATHS: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| routes::table().into_iter().map(|route| route.path).collect());
    let path = uri.path();
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let (prefix, rest) = match trimmed.split_at_checked(4) {
        Some((api, rest)) if api.eq_ignore_ascii_case("/api") && rest.starts_with('/') => ("/api", rest),
        _ => ("", trimmed),
    };
    // A word of its own counts before a placeholder, as it does for the router.
    let fitting = PATHS.iter().filter(|template| matches(template, rest));
    let template = fitting.min_by_key(|template| template.matches('{').count())?;
    let spelled = spell(template, rest);
    if path.strip_prefix(prefix) == Some(spelled.as_str()) {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path_and_query = PathAndQuery::try_from(format!("{prefix}{spelled}{query}")).ok()?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query);
    Uri::from_parts(parts).ok()
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(word), Some(value)) if word.starts_with('{') && !value.is_empty() => {}
            (Some(word), Some(value)) if word.eq_ignore_ascii_case(value) => {}
            _ => return false,
        }
    }
}

/// A path that matches, as the template spells it, with its own values for the placeholders.
fn spell(template: &str, path: &str) -> String {
    let pick = |(word, value): (_, _)| if str::starts_with(word, '{') { value } else { word };
    template.split('/').zip(path.split('/')).map(pick).collect::<Vec<&str>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn becomes(path: &str) -> String {
        let uri: Uri = path.parse().unwrap();
        canonical(&uri).unwrap_or(uri).to_string()
    }

    #[test]
    fn words_take_the_routes_spelling_and_values_keep_theirs() {
        assert_eq!(becomes("/API/Negotiate"), "/api/negotiate");
        assert_eq!(becomes("/api/sendmessage"), "/api/sendMessage");
        assert_eq!(becomes("/Sendmessage?A=B"), "/sendMessage?A=B");
        assert_eq!(becomes("/api/Rooms/TeaRoom/Messages?after=3"), "/api/rooms/TeaRoom/messages?after=3");
        assert_eq!(becomes("/api/Messages/Read?with=B"), "/api/messages/read?with=B");
        assert_eq!(becomes("/api/rooms/"), "/api/rooms");
        assert_eq!(becomes("/api/rooms/a"), "/api/rooms/a");
        for other in ["/", "/Nothing", "/api/", "/api/Rooms/a/b/c", "//rooms/", "/client/hubs/Demo"] {
            assert_eq!(becomes(other), other);
        }
    }
}
