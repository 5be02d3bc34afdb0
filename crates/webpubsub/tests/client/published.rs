//! Every request of the client against the table of published operations.

use std::collections::BTreeSet;

use serde_json::Value;
use webpubsub::client::{API_VERSION, Audience, ClientAccess, ClientOptions, SendOptions};
use webpubsub::metadata::Metadata;
use webpubsub::payload::{JsonText, Payload};
use webpubsub::roles::Action;
use webpubsub::token::verify_rest_token;

use crate::server::{KEY, Seen, Server, answer};

struct Row {
    line: &'static str,
    method: &'static str,
    path: &'static str,
    parameters: Vec<&'static str>,
    success: u16,
    /// Whether 404 is an answer too.
    may_be_missing: bool,
}

fn table() -> Vec<Row> {
    let lines = include_str!("published-operations.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let [method, path, parameters, success, other] =
                line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
            let parameters = parameters.split(',').filter(|name| *name != "-").collect();
            let may_be_missing = other == "404";
            Row { line, method, path, parameters, success: success.parse().unwrap(), may_be_missing }
        })
        .collect()
}

impl Row {
    fn fits(&self, seen: &Seen) -> bool {
        let (wanted, found) = (self.path.split('/'), seen.uri.path().split('/'));
        let fits = |(wanted, found): (&str, &str)| {
            wanted == found || (wanted.starts_with('{') && !found.starts_with(':'))
        };
        self.method == seen.method.as_str()
            && wanted.clone().count() == found.clone().count()
            && wanted.zip(found).all(fits)
    }
}

fn row(seen: &Seen) -> Row {
    let mut rows = table().into_iter().filter(|row| row.fits(seen));
    let row = rows.next().unwrap_or_else(|| panic!("{} {} is not published", seen.method, seen.uri));
    assert!(rows.next().is_none(), "{} fits twice", seen.uri);
    row
}

fn publish(seen: &Seen) -> axum::response::Response {
    let row = row(seen);
    let body = match (row.path.rsplit('/').next().unwrap(), row.method) {
        (":generateToken", _) => r#"{"token":"made.by.service"}"#.to_owned(),
        ("connections", "GET") if seen.uri.query().unwrap().contains("continuationToken") => {
            r#"{"value":[{"connectionId":"c3","userId":null}]}"#.to_owned()
        }
        ("connections", "GET") => {
            let link = "https://elsewhere.example/api/hubs/chat/groups/g/connections?api-version=x&continuationToken=a%2Bb";
            format!(
                r#"{{"value":[{{"connectionId":"c1","userId":"ann"}},{{"connectionId":"c2"}}],"nextLink":"{link}"}}"#
            )
        }
        _ => String::new(),
    };
    answer(row.success, &[], &body)
}

fn json(text: &str) -> Payload {
    Payload::Json(JsonText::new(text).unwrap())
}

/// Calls everything there is, each with everything it takes.
async fn call_everything(server: &Server) {
    const G: &str = "room_a/b ü";
    let client = server.client(ClientOptions::default());
    let excluded = ["c8".to_owned(), "c9".to_owned()];
    let metadata = || Metadata::from_pairs([("trace", "7")]).unwrap();
    let ttl = SendOptions { ttl_secs: Some(30), metadata: metadata(), ..SendOptions::default() };
    let some = SendOptions { filter: Some("userId ne 'a&b'"), ..ttl.clone() };
    let all = SendOptions { excluded: &excluded, ..some.clone() };
    client.send(Audience::All, &json("{\"n\": 1}"), &all).await.unwrap();
    client.send(Audience::Group(G), &Payload::Text("é".into()), &all).await.unwrap();
    client.send(Audience::User("ann/b"), &Payload::Binary(vec![0, 255].into()), &some).await.unwrap();
    client.send(Audience::Connection("c1"), &json("null"), &ttl).await.unwrap();
    for whom in [Audience::All, Audience::Group(G), Audience::User("ann")] {
        client.close(whom, &excluded, Some("a reason")).await.unwrap();
    }
    client.close(Audience::Connection("c1"), &[], Some("a reason")).await.unwrap();
    for whom in [Audience::Connection("c1"), Audience::Group(G), Audience::User("ann")] {
        assert!(client.exists(whom).await.unwrap());
    }
    assert!(client.add_connection_to_group(G, "c1").await.unwrap());
    client.remove_connection_from_group(G, "c1").await.unwrap();
    client.remove_connection_from_all_groups("c1").await.unwrap();
    assert!(client.add_user_to_group("ann", G).await.unwrap());
    client.remove_user_from_group("ann", G).await.unwrap();
    client.remove_user_from_all_groups("ann").await.unwrap();
    client.add_to_groups(&["a".into(), "b".into()], Some("userId eq 'ann'")).await.unwrap();
    client.remove_from_groups(&["a".into()], None).await.unwrap();
    let found = client.connections_in("g", Some(2)).all().await.unwrap();
    let found: Vec<_> = found.iter().map(|c| (c.connection_id.as_str(), c.user_id.as_deref())).collect();
    assert_eq!(found, [("c1", Some("ann")), ("c2", None), ("c3", None)]);
    for action in [Action::JoinLeaveGroup, Action::SendToGroup] {
        assert!(client.grant("c1", action, G).await.unwrap());
        client.revoke("c1", action, G).await.unwrap();
        assert!(client.has_permission("c1", action, G).await.unwrap());
    }
    let access = ClientAccess {
        user_id: Some("ann & bob".into()),
        roles: vec!["webpubsub.joinLeaveGroup".into(), "webpubsub.sendToGroup.a b".into()],
        groups: vec![G.into()],
        minutes: 5,
    };
    assert_eq!(client.generate_client_token(&access).await.unwrap(), "made.by.service");
}

#[tokio::test]
async fn every_request_is_a_published_operation() {
    let server = Server::start(publish).await;
    call_everything(&server).await;
    let now = (ClientOptions::default().clock)();
    let mut called = BTreeSet::new();
    for seen in server.seen() {
        let row = row(&seen);
        called.insert(row.line);
        let query = seen.query();
        assert_eq!(query[0], ("api-version".to_owned(), API_VERSION.to_owned()), "{}", row.line);
        assert!(query.iter().filter(|(name, _)| name == "api-version").count() == 1);
        for (name, _) in &query[1..] {
            assert!(row.parameters.contains(&name.as_str()), "{name} is no parameter of {}", row.line);
        }
        assert!(seen.uri.path().starts_with("/api/hubs/chat/"), "{}", seen.uri);
        let length = seen.header("content-length");
        assert!(
            ["HEAD", "GET", "DELETE"].contains(&row.method) == length.is_empty(),
            "{}: {length}",
            row.line
        );
        assert!(seen.header("x-ms-client-request-id").len() == 36);
        let token = seen.header("authorization").strip_prefix("Bearer ").unwrap();
        assert_eq!(audience(token), format!("http://{}{}", server.address, seen.uri.path()));
        let key = webpubsub::key::AccessKey::new(KEY).unwrap();
        verify_rest_token(&[key], token, seen.uri.path(), now).unwrap();
    }
    // The one question without a hub; it needs no token, so it tells less than any other.
    let missing: Vec<_> =
        table().into_iter().filter(|row| !called.contains(row.line)).map(|row| row.path).collect();
    assert_eq!(missing, ["/api/health"]);
}

fn audience(token: &str) -> String {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["aud"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_send_is_this_request() {
    let server = Server::start(publish).await;
    call_everything(&server).await;
    let seen = server.seen();
    let path = "/api/hubs/chat/groups/room_a%2Fb%20%C3%BC/:send";
    let group = seen.iter().find(|seen| seen.uri.path() == path).unwrap();
    let pairs = group.query();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let rest =
        [("excluded", "c8"), ("excluded", "c9"), ("filter", "userId ne 'a&b'"), ("messageTtlSeconds", "30")];
    assert_eq!(pairs[1..], rest);
    assert_eq!(group.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(group.header("x-webpubsub-metadata-trace"), "7");
    assert_eq!(group.body, "é".as_bytes());
    assert_eq!(seen[0].header("content-type"), "application/json");
    assert_eq!(seen[0].body, "{\"n\": 1}".as_bytes());
    assert_eq!(seen[2].header("content-type"), "application/octet-stream");
    assert_eq!(seen[2].body, [0, 255].as_slice());
}

#[tokio::test]
async fn what_is_missing_is_an_answer_where_that_is_published() {
    let server = Server::start(|_| answer(404, &[], "")).await;
    let client = server.client(ClientOptions::default());
    let action = Action::SendToGroup;
    for found in [
        client.exists(Audience::Connection("c")).await,
        client.exists(Audience::Group("g")).await,
        client.exists(Audience::User("u")).await,
        client.add_connection_to_group("g", "c").await,
        client.add_user_to_group("u", "g").await,
        client.grant("c", action, "g").await,
        client.has_permission("c", action, "g").await,
    ] {
        assert!(!found.unwrap());
    }
    let published = table().into_iter().filter(|row| row.may_be_missing).count();
    assert!(server.seen().len() == published && server.seen().iter().all(|seen| row(seen).may_be_missing));
    // Elsewhere it means that there is no such service or hub.
    let none = SendOptions::default();
    for failed in [
        client.send(Audience::Group("g"), &json("1"), &none).await,
        client.close(Audience::All, &[], None).await,
        client.add_to_groups(&["g".into()], None).await,
        client.connections_in("g", None).all().await.map(drop),
        client.generate_client_token(&ClientAccess::default()).await.map(drop),
    ] {
        assert_eq!(failed.unwrap_err().kind(), webpubsub::client::ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_listing_asks_the_endpoint_for_its_next_page() {
    let server = Server::start(publish).await;
    let found = server.client(ClientOptions::default()).connections_in("g", None).all().await.unwrap();
    assert_eq!(found.len(), 3);
    let asked: Vec<_> = server.seen().iter().map(|seen| seen.query()[1..].to_vec()).collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let size = pair("maxpagesize", "200");
    assert_eq!(asked, [vec![size.clone()], vec![size, pair("continuationToken", "a+b")]]);
}

#[tokio::test]
async fn what_the_api_does_not_have_is_not_sent() {
    let server = Server::start(publish).await;
    let client = server.client(ClientOptions::default());
    let excluded = ["c".to_owned()];
    let with = SendOptions { excluded: &excluded, ..SendOptions::default() };
    let filter = SendOptions { filter: Some("userId eq 'a'"), ..SendOptions::default() };
    let large = Payload::Binary(vec![0; webpubsub::client::MAX_MESSAGE + 1].into());
    let none = SendOptions::default();
    for sent in [
        client.send(Audience::User("u"), &json("1"), &with).await,
        client.send(Audience::Connection("c"), &json("1"), &with).await,
        client.send(Audience::Connection("c"), &json("1"), &filter).await,
        client.send(Audience::Group(".."), &json("1"), &none).await,
        client.send(Audience::All, &large, &none).await,
        client.close(Audience::Connection("c"), &excluded, None).await,
        client.exists(Audience::All).await.map(drop),
    ] {
        let error = sent.unwrap_err();
        assert!(error.status().is_none() && !error.kind().is_passing(), "{error}");
    }
    assert!(server.seen().is_empty());
}

/// The token goes nowhere else, and the answer is an error.
#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start(publish).await;
    let target = format!("http://{}/", elsewhere.address);
    let server = Server::in_turn([answer(307, &[("location", &target)], "")]).await;
    let error = server.client(ClientOptions::default()).check().await.unwrap_err();
    assert_eq!(error.status().unwrap(), 307);
    assert!(elsewhere.seen().is_empty());
}
