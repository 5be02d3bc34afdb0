//! What the transcripts do not say: which token, query and subprotocols each client came with, and in which order the
//! clients acted. Inferred from the clients' names, the `connect` bodies in `handler-connect.json` and the outcomes.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::client::Knock;
use crate::player::Step::{Act, ActAll, Open, Rest as Calls, Sees};
use crate::player::{Ids, Scenario, Step};
use crate::rest::Rest;
use crate::tokens::{client_audience, client_claims, now, sign, sign_with, unsigned};

const JSON: &str = "json.webpubsub.azure.v1";
const RELIABLE: &str = "json.reliable.webpubsub.azure.v1";
const ALL_ROLES: [&str; 2] = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];

/// The usual way in: `/client/hubs/{hub}?access_token=…`.
fn knock(hub: &str, claims: &Value, subprotocols: &[&str]) -> Knock {
    Knock {
        target: format!("/client/hubs/{hub}?access_token={}", sign(claims)),
        subprotocols: subprotocols.iter().map(|&name| name.to_owned()).collect(),
        headers: Vec::new(),
    }
}

fn with(mut claims: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().expect("claims").remove(name);
    claims
}

fn user_claims(hub: &str, client: &str) -> Value {
    with(client_claims(hub), &json!({"sub": format!("user-{client}")}))
}

pub(crate) struct ConnectKinds;

impl Scenario for ConnectKinds {
    const NAME: &'static str = "connect-kinds";

    fn knock(&self, client: &str, _: &Ids) -> Knock {
        let offers: &[&str] = match client {
            "simple" => &[],
            "reliable" => &[RELIABLE],
            "both offered" => &[JSON, RELIABLE],
            "both, reliable first" => &[RELIABLE, JSON],
            "unknown then json" => &["unknown", JSON],
            "only unknown" => &["unknown"],
            _ => &[JSON],
        };
        let claims = match client {
            "no user" => client_claims("plain"),
            "empty user" => with(client_claims("plain"), &json!({"sub": ""})),
            "odd user" => with(client_claims("plain"), &json!({"sub": "a/b \"ü\" \u{1}"})),
            _ => user_claims("plain", client),
        };
        let mut knock = knock("plain", &claims, offers);
        match client {
            "hub as query" => {
                knock.target = knock.target.replace("/client/hubs/plain?", "/client/?hub=plain&");
            }
            "hub in capitals" => knock.target = knock.target.replace("/hubs/plain?", "/hubs/PLAIN?"),
            _ => {}
        }
        knock
    }

    fn steps(&self) -> Vec<Step> {
        let clients = [
            "simple",
            "json",
            "reliable",
            "both offered",
            "both, reliable first",
            "unknown then json",
            "only unknown",
            "no user",
            "empty user",
            "odd user",
            "hub as query",
            "hub in capitals",
        ];
        clients.map(Open).into()
    }
}

pub(crate) struct ConnectRefusals;

impl ConnectRefusals {
    fn token(client: &str) -> String {
        let claims = client_claims("plain");
        sign(&match client {
            "junk token" => return "junk".to_owned(),
            "wrong key" => {
                return sign_with(&claims, Algorithm::HS256, "another key of at least thirty-two bytes");
            }
            "HS512" => return sign_with(&claims, Algorithm::HS512, crate::tokens::ACCESS_KEY),
            "alg none" => return unsigned(&claims),
            "expired" => with(claims, &json!({"exp": now() - 3600})),
            "expired within skew" => with(claims, &json!({"exp": now() - 60})),
            "no exp" => without(claims, "exp"),
            "not yet" => with(claims, &json!({"nbf": now() + 3600})),
            "other hub" => client_claims("other"),
            "no audience" => without(claims, "aud"),
            "audience with query" => {
                with(claims, &json!({"aud": format!("{}?a=b", client_audience("plain"))}))
            }
            "audience in capitals" => with(claims, &json!({"aud": client_audience("plain").to_uppercase()})),
            "ws audience" => {
                with(claims, &json!({"aud": client_audience("plain").replacen("http", "ws", 1)}))
            }
            "token in header" => with(claims, &json!({"sub": "h"})),
            "ACCESS_TOKEN" => with(claims, &json!({"sub": "c"})),
            "bad group claim" => with(claims, &json!({"webpubsub.group": ["g", " "]})),
            "groups by claim" => with(user_claims("plain", client), &json!({"webpubsub.group": ["g", "h"]})),
            "one group by claim" => with(user_claims("plain", client), &json!({"webpubsub.group": "g"})),
            _ => claims,
        })
    }
}

impl Scenario for ConnectRefusals {
    const NAME: &'static str = "connect-refusals";

    fn knock(&self, client: &str, _: &Ids) -> Knock {
        let token = Self::token(client);
        let (target, headers) = match client {
            "no token" => ("/client/hubs/plain".to_owned(), vec![]),
            "token in header" => (
                "/client/hubs/plain".to_owned(),
                vec![("Authorization".to_owned(), format!("Bearer {token}"))],
            ),
            "ACCESS_TOKEN" => (format!("/client/hubs/plain?ACCESS_TOKEN={token}"), vec![]),
            "bad hub name" => (format!("/client/hubs/1bad?access_token={token}"), vec![]),
            "no hub" => (format!("/client/hubs?access_token={token}"), vec![]),
            "other path" => (format!("/other/hubs/plain?access_token={token}"), vec![]),
            _ => (format!("/client/hubs/plain?access_token={token}"), vec![]),
        };
        Knock { target, subprotocols: vec![JSON.to_owned()], headers }
    }

    fn steps(&self) -> Vec<Step> {
        let clients = [
            "no token",
            "junk token",
            "wrong key",
            "expired",
            "expired within skew",
            "no exp",
            "not yet",
            "other hub",
            "no audience",
            "audience with query",
            "audience in capitals",
            "ws audience",
            "alg none",
            "HS512",
            "token in header",
            "ACCESS_TOKEN",
            "bad hub name",
            "no hub",
            "other path",
            "bad group claim",
            "groups by claim",
            "one group by claim",
        ];
        clients.into_iter().map(Open).chain([Calls(1)]).collect()
    }
}

pub(crate) struct BadAndOddFrames;

impl Scenario for BadAndOddFrames {
    const NAME: &'static str = "frames-bad-and-odd-webpubsub";

    fn knock(&self, client: &str, _: &Ids) -> Knock {
        knock("plain", &with(user_claims("plain", client), &json!({"role": ALL_ROLES})), &[JSON])
    }

    /// One client after the other: each says its frame, then `ping`, and goes.
    fn steps(&self) -> Vec<Step> {
        let recorded = crate::player::recording(Self::NAME);
        let names = recorded["clients"].as_object().expect("clients").keys();
        names
            .flat_map(|name| {
                let name: &'static str = Box::leak(name.clone().into_boxed_str());
                [Open(name), ActAll(name)]
            })
            .collect()
    }
}

pub(crate) struct Groups;

impl Scenario for Groups {
    const NAME: &'static str = "groups-join-leave-send";

    fn knock(&self, client: &str, _: &Ids) -> Knock {
        knock("plain", &with(user_claims("plain", client), &json!({"role": ALL_ROLES})), &[JSON])
    }

    fn steps(&self) -> Vec<Step> {
        vec![Open("a"), Open("b"), Act("a", 1), Act("b", 1), Sees("b", 1), ActAll("a")]
    }
}

pub(crate) struct Reliable;

impl Scenario for Reliable {
    const NAME: &'static str = "reliable-sequence-and-recovery";

    fn knock(&self, client: &str, ids: &Ids) -> Knock {
        let claims = with(user_claims("plain", client), &json!({"role": ALL_ROLES}));
        match client {
            "a" => knock("plain", &claims, &[RELIABLE]),
            "b" => knock("plain", &claims, &[JSON]),
            // Official clients append the two parameters to the URL of the first connect.
            _ => {
                let mut knock = knock("plain", &claims, &[RELIABLE]);
                let (id, token) = (ids.get("<id of a>"), ids.get("<reconnection token of a>"));
                knock.target += &format!("&awps_connection_id={id}&awps_reconnection_token={token}");
                knock
            }
        }
    }

    fn steps(&self) -> Vec<Step> {
        vec![
            Open("a"),
            Open("b"),
            Act("a", 1), // joins
            Sees("a", 1),
            Act("b", 3), // m1, m2, m3
            Act("a", 2), // acknowledges 2, is cut off
            Act("b", 1), // m4 while away
            Sees("b", 1),
            Calls(1), // m5 by REST
            Open("a again"),
            Act("a again", 2), // an ackId that was used, a new one
            Sees("a again", 1),
            Act("b", 1),       // m6
            Act("a again", 1), // is cut off
            Open("a third, old token"),
            Sees("a third, old token", 4),
            Open("takeover while connected"),
            ActAll("takeover while connected"),
            Sees("takeover while connected", 1),
            Open("after close 1000"),
        ]
    }
}

pub(crate) struct ServerClose;

impl Scenario for ServerClose {
    const NAME: &'static str = "server-close";

    fn knock(&self, client: &str, ids: &Ids) -> Knock {
        let kind = client.split(' ').next().expect("a first word");
        let hub = match client {
            "excluded stays" | "other goes" => "ex".to_owned(),
            _ if client.ends_with("by all") => format!("all{kind}"),
            _ => "plain".to_owned(),
        };
        let offers: &[&str] = match kind {
            "simple" => &[],
            "reliable" | "recover" | "recovered?" => &[RELIABLE],
            _ => &[JSON],
        };
        let mut claims = user_claims(&hub, client);
        if client.ends_with("by group") {
            claims["webpubsub.group"] = json!([format!("x{kind}")]);
        }
        let mut knock = knock(&hub, &claims, offers);
        if client == "recovered?" {
            let first = "recover after server close";
            let (id, token) =
                (ids.get(&format!("<id of {first}>")), ids.get(&format!("<reconnection token of {first}>")));
            knock.target += &format!("&awps_connection_id={id}&awps_reconnection_token={token}");
        }
        knock
    }

    fn steps(&self) -> Vec<Step> {
        vec![
            Open("simple by connection"),
            Open("simple by user"),
            Open("simple by group"),
            Open("simple by all"),
            Calls(3), // a simple client's connection id is not known
            Open("webpubsub by connection"),
            Open("webpubsub by user"),
            Open("webpubsub by group"),
            Open("webpubsub by all"),
            Calls(5),
            Open("reliable by connection"),
            Open("reliable by user"),
            Open("reliable by group"),
            Open("reliable by all"),
            Calls(5),
            Open("excluded stays"),
            Open("other goes"),
            Calls(1),
            Open("long reason"),
            Calls(1),
            Open("recover after server close"),
            Calls(1),
            Sees("recover after server close", 2),
            Open("recovered?"),
        ]
    }
}

pub(crate) struct RestSend;

impl Scenario for RestSend {
    const NAME: &'static str = "rest-send";

    fn knock(&self, client: &str, _: &Ids) -> Knock {
        let claims = with(user_claims("r1", client), &json!({"role": ALL_ROLES}));
        match client {
            "a" => knock("r1", &claims, &[JSON]),
            "b" => knock("r1", &claims, &[RELIABLE]),
            _ => knock("r1", &with(claims, &json!({"webpubsub.group": ["g"]})), &[]),
        }
    }

    fn rest(&self, _: usize, call: &mut Rest) {
        call.token = Some(sign(&json!({"aud": call.url_without_query(), "exp": now() + 60})));
        if call.content_type.as_deref() == Some("application/octet-stream") {
            // Bytes are not shown as they were.
            call.body = vec![1, 2, 255];
        } else if call.body == b"with metadata" {
            // Neither are headers.
            call.headers = vec![
                ("X-WebPubSub-Metadata-Trace".to_owned(), "7".to_owned()),
                ("X-WebPubSub-Metadata-other".to_owned(), "o".to_owned()),
            ];
        } else if call.body.starts_with(b"xxx") {
            // Nor is the whole of a long body.
            call.body = vec![b'x'; 1024 * 1024 + 1];
        }
    }

    fn steps(&self) -> Vec<Step> {
        let calls = crate::player::recording(Self::NAME)["rest"].as_array().expect("calls").len();
        vec![
            Open("a"),
            Open("b"),
            Open("c simple"),
            Act("a", 1),
            Sees("a", 1),
            Act("b", 1),
            Sees("b", 1),
            Calls(calls),
        ]
    }
}

pub(crate) struct RestAuthentication;

impl Scenario for RestAuthentication {
    const NAME: &'static str = "rest-authentication-and-odd-calls";

    fn knock(&self, client: &str, _: &Ids) -> Knock {
        panic!("there is no client {client}")
    }

    /// The first eleven calls are the same but for the token; only the sixth got in.
    fn rest(&self, index: usize, call: &mut Rest) {
        let url = call.url_without_query().to_owned();
        let good = json!({"aud": url, "exp": now() + 60});
        call.token = match index {
            0 => None,
            1 => Some("junk".to_owned()),
            2 => Some(sign_with(&good, Algorithm::HS256, "another key of at least thirty-two bytes")),
            3 => Some(sign(&with(good, &json!({"exp": now() - 3600})))),
            4 => Some(sign(&without(good, "exp"))),
            6 => Some(sign(&with(good, &json!({"aud": url.replace("/plain/", "/other/")})))),
            7 => Some(sign(&without(good, "aud"))),
            8 => Some(unsigned(&good)),
            9 => Some(sign_with(&good, Algorithm::HS512, crate::tokens::ACCESS_KEY)),
            _ => Some(sign(&good)),
        };
    }

    fn steps(&self) -> Vec<Step> {
        let calls = crate::player::recording(Self::NAME)["rest"].as_array().expect("calls").len();
        vec![Calls(calls)]
    }
}

pub(crate) struct HandlerConnect;

impl HandlerConnect {
    const CLIENTS: [&'static str; 24] = [
        "answers 204",
        "empty 200",
        "null",
        "user",
        "empty user",
        "roles",
        "no roles",
        "groups",
        "no groups",
        "bad group",
        "subprotocol",
        "subprotocol not offered",
        "not json",
        "array",
        "wrong types",
        "answers 400",
        "answers 401",
        "answers 403",
        "answers 404",
        "answers 302",
        "state",
        "simple",
        "custom subprotocol",
        "custom chosen",
    ];

    /// The event handler's answer to the `connect` of a client: status, headers, body.
    pub(crate) fn answer(client: &str) -> (u16, &'static [(&'static str, &'static str)], &'static str) {
        const JSON_TYPE: &[(&str, &str)] = &[("content-type", "application/json")];
        match client {
            "empty 200" => (200, &[], ""),
            "null" => (200, JSON_TYPE, "null"),
            "user" => (200, JSON_TYPE, r#"{"userId":"from handler"}"#),
            "empty user" => (200, JSON_TYPE, r#"{"userId":""}"#),
            "roles" => (200, JSON_TYPE, r#"{"roles":["webpubsub.joinLeaveGroup"]}"#),
            "no roles" => (200, JSON_TYPE, r#"{"roles":[]}"#),
            "groups" => (200, JSON_TYPE, r#"{"groups":["h"]}"#),
            "no groups" => (200, JSON_TYPE, r#"{"groups":[]}"#),
            "bad group" => (200, JSON_TYPE, r#"{"groups":[" "]}"#),
            "subprotocol" => (200, JSON_TYPE, r#"{"subprotocol":"json.webpubsub.azure.v1"}"#),
            "subprotocol not offered" => (200, JSON_TYPE, r#"{"subprotocol":"other"}"#),
            "not json" => (200, JSON_TYPE, "hello"),
            "array" => (200, JSON_TYPE, "[]"),
            "wrong types" => (200, JSON_TYPE, r#"{"userId":5}"#),
            "answers 400" => (400, &[], ""),
            "answers 401" => (401, &[], ""),
            "answers 403" => (403, &[], ""),
            "answers 404" => (404, &[], ""),
            "answers 302" => (302, &[("location", "/elsewhere")], ""),
            "state" => (204, &[("ce-connectionState", "eyJuIjoxfQ=="), ("set-cookie", "a=1; Path=/")], ""),
            "custom chosen" => (200, JSON_TYPE, r#"{"subprotocol":"two"}"#),
            _ => (204, &[], ""),
        }
    }
}

impl Scenario for HandlerConnect {
    const NAME: &'static str = "handler-connect";

    fn knock(&self, client: &str, _: &Ids) -> Knock {
        let offers: &[&str] = match client {
            "simple" => &[],
            "custom subprotocol" | "custom chosen" => &["chat.example", "two"],
            _ => {
                let claims = with(
                    user_claims("up", client),
                    &json!({"role": "webpubsub.sendToGroup", "webpubsub.group": ["t"], "extra": ["1", "2"]}),
                );
                let mut knock = knock("up", &claims, &[RELIABLE, JSON]);
                knock.target += "&room=r%201&room=r2&x=";
                knock.headers = [("Cookie", "mine=1"), ("Origin", "https://page.example"), ("x-own", "h")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into();
                return knock;
            }
        };
        knock("up", &user_claims("up", client), offers)
    }

    fn steps(&self) -> Vec<Step> {
        Self::CLIENTS.into_iter().flat_map(|client| [Open(client), ActAll(client)]).collect()
    }

    fn close_reason(&self, client: &str) -> &'static str {
        if client == "simple" { "" } else { "client says bye" }
    }

    fn id_name(&self, client: &str) -> String {
        format!("<connection of user-{client}>")
    }
}
