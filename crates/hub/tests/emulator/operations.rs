//! What the transcripts do not show of the data plane: membership, permissions, listing, tokens, bad input.

use http::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Client, Knock, Opened, open};
use crate::rest::{Answer, Rest};
use crate::server::Server;
use crate::tokens::{client_claims, now, sign};

const JSON: &str = "json.webpubsub.azure.v1";

/// A json client of hub `plain`, and the id of its connection.
async fn enter(server: &Server, more: &Value) -> (Client, String) {
    let mut claims = client_claims("plain");
    for (name, value) in more.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    enter_with_token(server, &sign(&claims)).await
}

async fn enter_with_token(server: &Server, token: &str) -> (Client, String) {
    let knock = Knock {
        target: format!("/client/hubs/plain?access_token={token}"),
        subprotocols: vec![JSON.to_owned()],
        headers: Vec::new(),
    };
    let Opened::In(mut client) = open(server.address, &knock).await else {
        panic!("the client was not let in");
    };
    let connected = frame(&mut client).await;
    (client, connected["connectionId"].as_str().expect("an id").to_owned())
}

async fn frame(client: &mut Client) -> Value {
    let event = client.next().await.expect("still there");
    serde_json::from_str(event["got"].as_str().expect("a text frame")).expect("JSON")
}

fn signed(server: &Server, call: &str) -> Rest {
    let mut rest = Rest::new(server.address, call);
    rest.token = Some(sign(&json!({"aud": rest.url_without_query(), "exp": now() + 60})));
    rest
}

async fn call(server: &Server, call: &str) -> Answer {
    signed(server, call).send().await
}

async fn post_json(server: &Server, path: &str, body: &str) -> Answer {
    let mut rest = signed(server, &format!("POST {path}"));
    rest.content_type = Some("application/json".to_owned());
    rest.body = body.into();
    rest.send().await
}

/// Sends a text to a group and says which of the clients got it, by a second text to everybody.
async fn reached(server: &Server, group: &str, clients: &mut [&mut Client]) -> Vec<bool> {
    for (path, text) in [(format!("groups/{group}/"), "to the group"), (String::new(), "to all")] {
        let mut rest = signed(server, &format!("POST /api/hubs/plain/{path}:send"));
        rest.content_type = Some("text/plain".to_owned());
        rest.body = text.into();
        assert_eq!(rest.send().await.status, 202);
    }
    let mut reached = Vec::new();
    for client in clients {
        let first = frame(client).await;
        let got = first["data"] == "to the group";
        if got {
            assert_eq!(frame(client).await["data"], "to all");
        }
        reached.push(got);
    }
    reached
}

fn error_code(headers: &HeaderMap) -> &str {
    headers.get("x-ms-error-code").map_or("", |value| value.to_str().expect("ASCII"))
}

#[tokio::test]
async fn a_group_is_listed_page_by_page() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for user in 0..4 {
        clients.push(enter(&server, &json!({"sub": format!("u{user}"), "webpubsub.group": "a/b ü"})).await);
    }
    clients.push(enter(&server, &json!({"webpubsub.group": "a/b ü"})).await);
    enter(&server, &json!({"sub": "elsewhere"})).await;
    let mut members: Vec<Value> = clients
        .iter()
        .enumerate()
        .map(|(n, (_, id))| json!({"connectionId": id, "userId": (n < 4).then(|| format!("u{n}"))}))
        .collect();
    members.sort_by_key(|member| member["connectionId"].to_string());

    let first = format!("http://{}/api/hubs/Plain/groups/a%2Fb%20%C3%BC/connections", server.address);
    let pages = async |query: &str| {
        let (mut url, mut sizes, mut all) = (format!("{first}?{query}"), Vec::new(), Vec::new());
        loop {
            let target = url.strip_prefix(&format!("http://{}", server.address)).expect("our address");
            let answer = call(&server, &format!("GET {target}")).await;
            assert_eq!(
                (answer.status, answer.headers["content-type"].to_str().ok()),
                (200, Some("application/json; charset=utf-8"))
            );
            let page: Value = serde_json::from_str(&answer.body).expect("JSON");
            let value = page["value"].as_array().expect("a list").clone();
            sizes.push(value.len());
            all.extend(value);
            match page.get("nextLink") {
                Some(next) => url = next.as_str().expect("a link").to_owned(),
                None => return (sizes, all),
            }
        }
    };
    assert_eq!(pages("api-version=2024-12-01").await, (vec![5], members.clone()));
    assert_eq!(pages("api-version=2024-12-01&maxpagesize=2").await, (vec![2, 2, 1], members.clone()));
    assert_eq!(pages("maxpagesize=5").await, (vec![5], members.clone()));
    assert_eq!(pages("maxpagesize=2&top=3").await, (vec![2, 1], members[..3].to_vec()));
    assert_eq!(pages("top=2").await, (vec![2], members[..2].to_vec()));
    assert_eq!(pages("maxpagesize=2&top=4").await, (vec![2, 2], members[..4].to_vec()));

    let empty = call(&server, "GET /api/hubs/plain/groups/none/connections").await;
    assert_eq!((empty.status, empty.body.as_str()), (200, r#"{"value":[]}"#));
    for bad in
        ["maxpagesize=0", "maxpagesize=201", "maxpagesize=x", "top=0", "top=-1", "continuationToken=a%20b"]
    {
        let answer = call(&server, &format!("GET /api/hubs/plain/groups/g/connections?{bad}")).await;
        assert_eq!((answer.status, error_code(&answer.headers)), (400, "Error.BadRequest"), "{bad}");
    }
}

#[tokio::test]
async fn one_call_puts_many_connections_into_many_groups() {
    let server = Server::start().await;
    let (mut ann, _) = enter(&server, &json!({"sub": "ann"})).await;
    let (mut bob, _) = enter(&server, &json!({"sub": "bob", "webpubsub.group": "a"})).await;
    let add = "/api/hubs/plain/:addToGroups";
    let remove = "/api/hubs/plain/:removeFromGroups";

    // The filter speaks of a group that the call itself changes: it sees the connections as they were before.
    let body = r#"{"groups":["a","b"],"filter":"not ('a' in groups)"}"#;
    assert_eq!(post_json(&server, add, body).await.status, 200);
    assert_eq!(reached(&server, "a", &mut [&mut ann, &mut bob]).await, [true, true]);
    assert_eq!(reached(&server, "b", &mut [&mut ann, &mut bob]).await, [true, false]);

    let body = r#"{"groups":["a","b"],"filter":"'a' in groups and userId eq 'ann'"}"#;
    assert_eq!(post_json(&server, remove, body).await.status, 200);
    assert_eq!(reached(&server, "a", &mut [&mut ann, &mut bob]).await, [false, true]);
    assert_eq!(reached(&server, "b", &mut [&mut ann, &mut bob]).await, [false, false]);

    assert_eq!(post_json(&server, add, r#"{"groups":["c"]}"#).await.status, 200);
    assert_eq!(reached(&server, "c", &mut [&mut ann, &mut bob]).await, [true, true]);
}

#[tokio::test]
async fn users_and_connections_join_and_leave() {
    let server = Server::start().await;
    let (mut first, _) = enter(&server, &json!({"sub": "a/b ü"})).await;
    let (mut second, id) = enter(&server, &json!({"sub": "a/b ü"})).await;
    let user = "/api/hubs/plain/users/a%2Fb%20%C3%BC";
    let connection = format!("/api/hubs/plain/connections/{id}");
    let member = format!("/api/hubs/plain/groups/x%2Fy/connections/{id}");

    let status = async |text: &str| call(&server, text).await.status;
    assert_eq!(status("HEAD /api/hubs/plain/groups/x%2Fy").await, 404);
    assert_eq!(status(&format!("HEAD {user}")).await, 200);
    assert_eq!(status(&format!("HEAD {connection}")).await, 200);
    assert_eq!(status("HEAD /api/hubs/other/users/a%2Fb%20%C3%BC").await, 404);

    assert_eq!(status(&format!("PUT {user}/groups/x%2Fy")).await, 200);
    assert_eq!(status("HEAD /api/hubs/plain/groups/x%2Fy").await, 200);
    assert_eq!(reached(&server, "x%2Fy", &mut [&mut first, &mut second]).await, [true, true]);
    assert_eq!(status(&format!("DELETE {member}")).await, 204);
    assert_eq!(reached(&server, "x%2Fy", &mut [&mut first, &mut second]).await, [true, false]);
    assert_eq!(status(&format!("PUT {member}")).await, 200);
    assert_eq!(reached(&server, "x%2Fy", &mut [&mut first, &mut second]).await, [true, true]);
    assert_eq!(status(&format!("DELETE {connection}/groups")).await, 204);
    assert_eq!(reached(&server, "x%2Fy", &mut [&mut first, &mut second]).await, [true, false]);
    assert_eq!(status(&format!("DELETE {user}/groups")).await, 204);
    assert_eq!(status("HEAD /api/hubs/plain/groups/x%2Fy").await, 404);
    assert_eq!(status(&format!("PUT {user}/groups/x%2Fy")).await, 200);
    assert_eq!(status(&format!("DELETE {user}/groups/x%2Fy")).await, 204);
    assert_eq!(reached(&server, "x%2Fy", &mut [&mut first, &mut second]).await, [false, false]);

    // Removals of what is not there succeed, additions do not.
    for gone in
        ["groups/g/connections/none", "connections/none/groups", "users/none/groups/g", "users/none/groups"]
    {
        assert_eq!(status(&format!("DELETE /api/hubs/plain/{gone}")).await, 204, "{gone}");
    }
    let answer = call(&server, "PUT /api/hubs/plain/groups/g/connections/none").await;
    assert_eq!((answer.status, error_code(&answer.headers)), (404, "Error.Connection.NotExisted"));
    assert_eq!(
        answer.body,
        r#"{"code":"Error.Connection.NotExisted","message":"Connection `none` is not found.","target":"Connection"}"#
    );
    let answer = call(&server, "PUT /api/hubs/plain/users/none/groups/g").await;
    assert_eq!((answer.status, error_code(&answer.headers)), (404, "Warning.User.NotExisted"));
}

#[tokio::test]
async fn permissions_come_and_go() {
    let server = Server::start().await;
    let (mut client, id) = enter(&server, &json!({"sub": "ann"})).await;
    let permission =
        |word: &str| format!("/api/hubs/plain/permissions/{word}/connections/{id}?targetName=a%2Fb");
    let mut acks = 0;
    let mut joins = async || {
        acks += 1;
        client.text(&format!(r#"{{"type":"joinGroup","group":"a/b","ackId":{acks}}}"#)).await;
        frame(&mut client).await["success"] == true
    };
    let status = async |method: &str, target: &str| call(&server, &format!("{method} {target}")).await.status;

    assert_eq!(status("HEAD", &permission("joinLeaveGroup")).await, 404);
    assert!(!joins().await);
    assert_eq!(status("PUT", &permission("JOINLEAVEGROUP")).await, 200);
    assert_eq!(status("HEAD", &permission("joinLeaveGroup")).await, 200);
    assert_eq!(status("HEAD", &permission("sendToGroup")).await, 404);
    assert_eq!(status("HEAD", &permission("2")).await, 200);
    assert!(joins().await);
    assert_eq!(status("DELETE", &permission("joinLeaveGroup")).await, 204);
    assert_eq!(status("DELETE", &permission("joinLeaveGroup")).await, 204);
    assert_eq!(status("HEAD", &permission("joinLeaveGroup")).await, 404);
    assert!(!joins().await);

    let nobody = "/api/hubs/plain/permissions/sendToGroup/connections/none?targetName=g";
    assert_eq!(status("PUT", nobody).await, 404);
    assert_eq!(status("HEAD", nobody).await, 404);
    assert_eq!(status("DELETE", nobody).await, 204);
    for bad in [
        format!("/api/hubs/plain/permissions/sendToGroup/connections/{id}"),
        format!("/api/hubs/plain/permissions/sendToGroup/connections/{id}?targetName=%20"),
        format!("/api/hubs/plain/permissions/sendToGroup/connections/{id}?targetName={}", "g".repeat(1025)),
        format!("/api/hubs/plain/permissions/everything/connections/{id}?targetName=g"),
    ] {
        for method in ["PUT", "DELETE", "HEAD"] {
            assert_eq!(status(method, &bad).await, 400, "{method} {bad}");
        }
    }
}

#[tokio::test]
async fn a_generated_token_lets_a_client_in() {
    let server = Server::start().await;
    let answer = call(
        &server,
        "POST /api/hubs/plain/:generateToken?userId=a%20b&role=webpubsub.sendToGroup.g&role=webpubsub.joinLeaveGroup\
         &group=g&group=h&minutesToExpire=5&clientType=Default&api-version=2024-12-01",
    )
    .await;
    assert_eq!(answer.status, 200);
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    let (mut client, _) = enter_with_token(&server, body["token"].as_str().expect("a token")).await;
    assert_eq!(call(&server, "HEAD /api/hubs/plain/users/a%20b").await.status, 200);
    assert_eq!(reached(&server, "h", &mut [&mut client]).await, [true]);
    client.text(r#"{"type":"sendToGroup","group":"g","dataType":"text","data":"x","ackId":1}"#).await;
    assert_eq!(frame(&mut client).await["fromUserId"], "a b");
    assert_eq!(frame(&mut client).await["success"], true);

    for bad in ["minutesToExpire=0", "minutesToExpire=x", "clientType=MQTT", "group=%20"] {
        assert_eq!(
            call(&server, &format!("POST /api/hubs/plain/:generateToken?{bad}")).await.status,
            400,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn bad_calls_are_refused_with_a_code() {
    let server = Server::start().await;
    let hub = "/api/hubs/plain";
    let table: [(&str, &str, &str, u16); 24] = [
        (":send?api-version=2024-12-01&api-version=2024-12-01", "text/plain", "x", 400),
        (":send?api-version=", "text/plain", "x", 400),
        (":send?messageTtlSeconds=4294967296", "text/plain", "x", 400),
        (":send?filter=%ff", "text/plain", "x", 400),
        (":send", "text/html", "x", 415),
        (":send", "text/plain; charset=utf-7", "x", 415),
        (":send", "text/plain; charset=\"utf-8\"", "x", 202),
        (":SEND", "TEXT/PLAIN", "x", 202),
        (":send", "", "x", 202),
        (":send", "application/json", "[1", 400),
        (":send", "application/json", "1 2", 400),
        ("groups/%20/:send", "text/plain", "x", 400),
        ("groups/%ff/:send", "text/plain", "x", 404),
        ("groups//:send", "text/plain", "x", 404),
        ("users/%00/:send", "text/plain", "x", 202),
        (":addToGroups", "text/plain", "{}", 415),
        (":addToGroups", "", "{}", 415),
        (":addToGroups", "application/json", "", 400),
        (":addToGroups", "application/json", "[]", 400),
        (":addToGroups", "application/json", r#"{"groups":"a"}"#, 400),
        (":addToGroups", "application/json", r#"{"groups":[]}"#, 400),
        (":addToGroups", "application/json", r#"{"groups":[" "]}"#, 400),
        (":addToGroups", "application/json", r#"{"groups":["a"],"filter":"("}"#, 400),
        (":removeFromGroups", "application/json", r#"{"groups":["a"],"filter":null,"more":1}"#, 200),
    ];
    for (path, content_type, body, status) in table {
        let mut rest = signed(&server, &format!("POST {hub}/{path}"));
        rest.content_type = Some(content_type.to_owned());
        rest.body = body.into();
        let answer = rest.send().await;
        assert_eq!(answer.status, status, "{path} {content_type} {body}: {}", answer.body);
        if status == 400 {
            let said: Value = serde_json::from_str(&answer.body).expect("JSON");
            assert_eq!(said["code"], error_code(&answer.headers), "{path}");
        }
    }
    let mut rest = signed(&server, &format!("POST {hub}/:send"));
    rest.content_type = Some("text/plain".to_owned());
    rest.body = vec![0xFF];
    assert_eq!(rest.send().await.status, 400);
    for (header, value) in
        [("x-webpubsub-metadata-a", "\u{fc}"), ("x-webpubsub-metadata-a", &*"v".repeat(1025))]
    {
        let mut rest = signed(&server, &format!("POST {hub}/:send"));
        rest.headers.push((header.to_owned(), value.to_owned()));
        assert_eq!(rest.send().await.status, 400, "{value}");
    }
}

/// Requests that no HTTP library writes.
#[tokio::test]
async fn bodies_without_a_length_are_refused() {
    let server = Server::start().await;
    let url = format!("http://{}/api/hubs/plain/:send", server.address);
    let token = sign(&json!({"aud": url, "exp": now() + 60}));
    let request = format!(
        "POST /api/hubs/plain/:send HTTP/1.1\r\nHost: x\r\nAuthorization: bearer {token}\r\nContent-Type: text/plain\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    );
    let mut stream = TcpStream::connect(server.address).await.expect("the hub listens");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("Invalid Content-Length header."),
        "{answer}"
    );
}

#[tokio::test]
async fn words_of_paths_have_no_case() {
    let server = Server::start().await;
    for call in ["/API/HUBS/plain/:SEND", "/Api/Hubs/Plain/Groups/g/:send", "/api/hubs/plain/:send/"] {
        let mut rest = signed(&server, &format!("POST {call}"));
        rest.content_type = Some("text/plain".to_owned());
        assert_eq!(rest.send().await.status, 202, "{call}");
    }
    assert_eq!(Rest::new(server.address, "HEAD /API/Health/").send().await.status, 200);
    for call in ["POST /api", "POST /api/hubs", "POST /api/hubs/", "POST /api/hubs/plain", "GET /"] {
        assert_eq!(signed(&server, call).send().await.status, 404, "{call}");
    }
}
