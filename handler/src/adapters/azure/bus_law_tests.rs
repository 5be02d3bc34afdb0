//! The law against a namespace of our own, which answers as the service's management side does.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::net::TcpListener;

use super::*;
use crate::adapters::azure::wire::Proof;
use crate::adapters::azure::{Http, Identity};

type Entities = BTreeMap<&'static str, String>;

const SUBSCRIPTION: &str = "/chat-topic/subscriptions/chat-subscription";
const RULES: &str = "/chat-topic/subscriptions/chat-subscription/rules";

fn described(root: &str, elements: &[(&str, &str)]) -> String {
    let elements: String = elements.iter().map(|(name, text)| format!("<{name}>{text}</{name}>")).collect();
    format!(
        r#"<entry xmlns="http://www.w3.org/2005/Atom"><content type="application/xml"><{root} xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">{elements}</{root}></content></entry>"#
    )
}

const FOREVER: (&str, &str) = ("DefaultMessageTimeToLive", "P10675199DT2H48M5.4775807S");
const LOCKED: [(&str, &str); 5] = [
    ("LockDuration", "PT30S"),
    ("RequiresSession", "true"),
    FOREVER,
    ("DeadLetteringOnMessageExpiration", "true"),
    ("MaxDeliveryCount", "2000"),
];

fn rules(expressions: &[&str]) -> String {
    let rule = |rule: &&str| {
        format!(
            r#"<entry><content type="application/xml"><RuleDescription><Filter i:type="TrueFilter"><SqlExpression>{rule}</SqlExpression></Filter><Name>$Default</Name></RuleDescription></content></entry>"#
        )
    };
    let entries: String = expressions.iter().map(rule).collect();
    format!(r#"<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Rules</title>{entries}</feed>"#)
}

fn lawful() -> Entities {
    let detecting = ("RequiresDuplicateDetection", "true");
    BTreeMap::from([
        ("/chat-queue", described("QueueDescription", &[&LOCKED[..], &[detecting]].concat())),
        ("/chat-topic", described("TopicDescription", &[detecting, FOREVER])),
        (SUBSCRIPTION, described("SubscriptionDescription", &LOCKED)),
        (RULES, rules(&["1=1"])),
    ])
}

async fn answer(State(entities): State<Arc<Entities>>, request: Request) -> Response {
    assert_eq!(
        request.headers()["authorization"],
        "Bearer a token for https://servicebus.azure.net/.default"
    );
    assert_eq!(request.uri().query(), Some("api-version=2021-05"));
    match entities.get(request.uri().path()) {
        Some(xml) => xml.clone().into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn told(entities: Entities) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let app = Router::new().fallback(answer).with_state(Arc::new(entities));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let proof = Proof::Identity(Identity::fixed(Ok("a token")));
    let wire = Wire::new(base, proof, &Http::new().unwrap());
    BusLaw::new(Arc::new(wire), "chat-queue", "chat-topic", "chat-subscription").breaches().await
}

#[tokio::test]
async fn entities_that_keep_the_law_are_no_news() {
    assert!(told(lawful()).await.is_empty());
}

#[tokio::test]
async fn what_may_not_be_read_is_told_once() {
    assert_eq!(told(Entities::new()).await, [UNREAD]);
    let strange = lawful().into_keys().map(|path| (path, "<html>a proxy</html>".to_owned()));
    assert_eq!(told(strange.collect()).await, [UNREAD]);
    for path in lawful().into_keys() {
        let mut entities = lawful();
        entities.remove(path);
        assert_eq!(told(entities).await, [UNREAD], "{path}");
    }
}

#[tokio::test]
async fn each_breach_is_a_sentence() {
    for (path, from, to, says) in [
        ("/chat-queue", ">PT30S<", ">PT5M<", "`chat-queue` locks for PT5M instead of PT30S"),
        ("/chat-queue", ">2000<", ">10<", "after 10 deliveries"),
        ("/chat-queue", "Session>true<", "Session>false<", "`chat-queue` has no sessions"),
        ("/chat-queue", "Detection>true<", "Detection>false<", "`chat-queue` has no duplicate detection"),
        ("/chat-topic", "Detection>true<", "Detection>false<", "topic `chat-topic` has no duplicate"),
        ("/chat-topic", FOREVER.1, "P14D", "`chat-topic` lets messages expire after P14D"),
        (SUBSCRIPTION, FOREVER.1, "PT1H", "`chat-subscription` lets messages expire after PT1H"),
        (SUBSCRIPTION, "Expiration>true<", "Expiration>false<", "does not keep what expires"),
        (RULES, "1=1", "room_id = '42'", "not exactly the rule `1=1`"),
    ] {
        let mut entities = lawful();
        let xml = entities[path].replace(from, to);
        assert_ne!(xml, entities[path], "{from}");
        entities.insert(path, xml);
        let told = told(entities).await;
        assert!(told.len() == 1 && told[0].contains(says), "{says}: {told:?}");
    }
    for some in [&["1=1", "1=1"][..], &[]] {
        let told = told(Entities::from_iter(lawful().into_iter().chain([(RULES, rules(some))]))).await;
        assert!(told.len() == 1 && told[0].contains("not exactly"), "{told:?}");
    }
    let nothing = r#"<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Publicly Listed Services</title></feed>"#;
    let told =
        told(Entities::from_iter(lawful().into_iter().chain([("/chat-queue", nothing.to_owned())]))).await;
    assert_eq!(told, ["There is no queue `chat-queue`."]);
}
