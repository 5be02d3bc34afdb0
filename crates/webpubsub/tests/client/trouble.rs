//! A service in trouble: what is tried again, how often, and what the error says in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::time::Instant;
use webpubsub::client::{
    Audience, ClientAccess, ClientOptions, Credential, ErrorKind, RepeatSends, SCOPE, SendOptions,
    ServiceClient, TokenProvider, TokenUnavailable,
};
use webpubsub::payload::Payload;

use crate::server::{Server, answer, client, http};

fn status(code: u16) -> Response {
    answer(code, &[], "")
}

/// Pauses that no test feels.
fn quick() -> ClientOptions {
    let millisecond = Duration::from_millis(1);
    ClientOptions { first_pause: millisecond, longest_pause: millisecond, ..ClientOptions::default() }
}

fn hello() -> Payload {
    Payload::Text("hello".into())
}

#[tokio::test]
async fn a_passing_failure_is_tried_again() {
    for passing in [408, 429, 500, 502, 503, 504] {
        let server = Server::in_turn([status(passing), status(passing), status(passing), status(200)]).await;
        assert!(server.client(quick()).exists(Audience::User("u")).await.unwrap());
        let seen = server.seen();
        assert_eq!(seen.len(), 4, "{passing}");
        let id = |at: usize| seen[at].header("x-ms-client-request-id").to_owned();
        assert!(id(0) == id(3) && id(0).len() == 36, "all tries are one call");
    }
}

#[tokio::test]
async fn the_last_try_is_the_answer() {
    let server = Server::in_turn([status(503)]).await;
    let error = server.client(quick()).add_user_to_group("u", "g").await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::ServerTrouble, 503));
    assert_eq!(server.seen().len(), 4);
    let once = ClientOptions { tries: 1, ..quick() };
    assert!(server.client(quick()).with_options(once).check().await.is_err());
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn a_send_is_repeated_where_that_is_right() {
    let always = ClientOptions { repeat_sends: RepeatSends::Always, ..quick() };
    for (code, options, tries) in
        [(429, quick(), 4), (503, quick(), 1), (408, quick(), 1), (503, always.clone(), 4), (413, always, 1)]
    {
        let server = Server::in_turn([status(code)]).await;
        let sent = server.client(options).send(Audience::All, &hello(), &SendOptions::default()).await;
        assert_eq!(sent.unwrap_err().status().unwrap().as_u16(), code);
        assert_eq!(server.seen().len(), tries, "{code}");
    }
}

#[tokio::test]
async fn a_send_that_found_nobody_is_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    // The first pause is as long as it takes to be there again.
    let back = Arc::new(AtomicU32::new(0));
    let counts = back.clone();
    let options = ClientOptions {
        tries: 200,
        random: Arc::new(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
        }),
        ..quick()
    };
    let client = client(address, options);
    let sending =
        tokio::spawn(async move { client.send(Audience::All, &hello(), &SendOptions::default()).await });
    // Chance is asked once for the request's id and once for each pause.
    while back.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    let listener = TcpListener::bind(address).await.unwrap();
    let router = axum::Router::new().fallback(|| async { http::StatusCode::ACCEPTED });
    tokio::spawn(async move { axum::serve(listener, router).await });
    sending.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn silence_is_given_up_within_the_budget() {
    // It takes connections, by its backlog, and never says a word.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap(), ClientOptions::default());
    let started = Instant::now();
    let error = client.exists(Audience::Group("g")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(
        started.elapsed() <= client.options().budget + Duration::from_millis(10),
        "{:?}",
        started.elapsed()
    );
    assert!(started.elapsed() > client.options().try_timeout * 2);
}

#[tokio::test]
async fn retry_after_is_kept_and_told() {
    let wait = Duration::from_secs(1);
    let server = Server::in_turn([answer(429, &[("retry-after", "1")], ""), status(202)]).await;
    let started = Instant::now();
    server.client(quick()).send(Audience::All, &hello(), &SendOptions::default()).await.unwrap();
    assert!(started.elapsed() >= wait);
    let server = Server::in_turn([answer(503, &[("retry-after", "300")], "")]).await;
    let error = server.client(quick()).check().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));
    assert_eq!(server.seen().len(), 1, "the budget does not last that long");
}

#[tokio::test]
async fn an_error_says_what_to_do() {
    let body = r#"{"code":"Error.BadRequest","message":"Invalid filter.\u0000","target":"Request"}"#;
    for (code, kind, says) in [
        (400, ErrorKind::Refused, "a repeat would not help"),
        (401, ErrorKind::Unauthorized, "clock is wrong"),
        (
            403,
            ErrorKind::Forbidden,
            "the role `Web PubSub Service Owner` on the Web PubSub resource; an assignment takes minutes",
        ),
        (404, ErrorKind::NotFound, "not there"),
        (409, ErrorKind::Conflict, "all the grants"),
        (413, ErrorKind::TooLarge, "1 MiB"),
        (415, ErrorKind::Refused, "finds a mistake"),
        (429, ErrorKind::Throttled, "more units"),
    ] {
        let server = Server::in_turn([answer(code, &[("x-ms-request-id", "r-7")], body)]).await;
        let client = server.client(ClientOptions { tries: 1, ..quick() });
        let error = client.send(Audience::Group("g"), &hello(), &SendOptions::default()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code(), error.request_id()),
            (kind, Some("Error.BadRequest"), Some("r-7"))
        );
        let text = error.to_string();
        let start =
            format!("Web PubSub, send to a group: answered {code} Error.BadRequest: Invalid filter. ");
        assert!(text.starts_with(&start) && text.contains(says) && text.ends_with("(request r-7)"), "{text}");
        assert!(!text.contains("eyJ"), "no token in {text}");
    }
    let problem = r#"{"type":"x","title":"Unauthorized","status":401}"#;
    let server = Server::in_turn([answer(401, &[], problem)]).await;
    let error = server.client(quick()).add_to_groups(&["g".into()], None).await.unwrap_err();
    assert!(error.to_string().contains("answered 401: Unauthorized. "), "{error}");
    assert_eq!(error.request_id().unwrap().len(), 36, "ours, where the service names none");
}

#[tokio::test]
async fn an_answer_that_is_none_of_the_api_is_an_error() {
    let server = Server::in_turn([answer(200, &[], "<html>")]).await;
    let client = server.client(quick());
    let listed = client.connections_in("g", None).all().await.unwrap_err();
    let token = client.generate_client_token(&ClientAccess::default()).await.unwrap_err();
    assert_eq!((listed.kind(), token.kind()), (ErrorKind::BadAnswer, ErrorKind::BadAnswer));
    let server = Server::in_turn([answer(200, &[], &" ".repeat(2 * 1024 * 1024))]).await;
    assert!(server.client(quick()).connections_in("g", None).next().await.is_err());
}

struct Identity(Result<&'static str, &'static str>);

#[async_trait]
impl TokenProvider for Identity {
    async fn token(&self, scope: &str) -> Result<String, TokenUnavailable> {
        assert_eq!(scope, SCOPE);
        self.0.map(str::to_owned).map_err(|why| TokenUnavailable(why.into()))
    }
}

fn with_identity(server: &Server, identity: Identity) -> ServiceClient {
    let endpoint = format!("http://{}/", server.address);
    let credential = Credential::Tokens(Arc::new(identity));
    assert_eq!(format!("{credential:?}"), "Tokens(…)");
    ServiceClient::new(&endpoint, "chat".parse().unwrap(), credential, http(), quick())
}

#[tokio::test]
async fn an_identitys_token_is_shown_and_tokens_of_clients_are_the_services() {
    let server = Server::in_turn([answer(200, &[], r#"{"token":"a.b.c"}"#)]).await;
    let client = with_identity(&server, Identity(Ok("entra")));
    let url = client.client_url(&ClientAccess { minutes: 5, ..ClientAccess::default() }).await.unwrap();
    assert_eq!(url, format!("ws://{}/client/hubs/chat?access_token=a.b.c", server.address));
    let seen = &server.seen()[0];
    assert_eq!(seen.header("authorization"), "Bearer entra");
    assert_eq!(seen.uri, "/api/hubs/chat/:generateToken?api-version=2024-12-01&minutesToExpire=5");
    let refused = Server::in_turn([status(403)]).await;
    let error = with_identity(&refused, Identity(Ok("entra"))).check().await.unwrap_err();
    assert!(error.to_string().contains("Web PubSub Service Owner"), "{error}");
    assert_eq!(refused.seen().len(), 1, "a role does not come by asking again");
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let server = Server::in_turn([status(200)]).await;
    let error = with_identity(&server, Identity(Err("no identity is assigned"))).check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoToken);
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.source().unwrap().to_string(), "no identity is assigned");
    assert!(server.seen().is_empty());
}
