//! Neither proxied nor forwarded: the request goes into the envelope, the answer comes out of `Outputs`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use serde_json::{Value, json};

use super::client::{Body, empty};
use super::headers::display_name;
use super::path::{self, grouped};
use super::{Front, Inbound, Reply, status};
use crate::config::{DataType, HttpTrigger, Trigger};
use crate::envelope::{Node, Object, envelope, promote, sys};
use crate::invoke::{Answer, trapped};
use crate::routes::Params;
use crate::world;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(super) async fn answer(front: &Front, inbound: Inbound) -> Reply {
    let Inbound { request, path, params, function, .. } = inbound;
    let Trigger::Http(trigger) = &function.trigger else { return status(StatusCode::NOT_FOUND) };
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, front.body_limit).collect().await else {
        return status(StatusCode::BAD_REQUEST);
    };
    let envelope =
        enveloped(&function.name, trigger, &Seen { head: &head, path, params, body: body.to_bytes() });
    match front.invoker.call(&function, envelope).await {
        Ok(answer) => reply(&answer, trigger, &head.method),
        Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The parts of a request that the envelope shows.
struct Seen<'a> {
    head: &'a Parts,
    path: String,
    params: Params,
    body: Bytes,
}

fn enveloped(function: &str, trigger: &HttpTrigger, seen: &Seen<'_>) -> String {
    let headers = &seen.head.headers;
    let query = path::parse_query(seen.head.uri.query().unwrap_or_default());
    let body = body_text(headers, &seen.body);

    let mut request = Object::default();
    request.set("Url", Node::text(&url(seen)));
    request.set("Method", Node::text(seen.head.method.as_str()));
    request.set("Query", texts(grouped(&query).into_iter().map(|(key, values)| (key, values.join(",")))));
    request.set("Headers", header_lists(headers));
    request.set(
        "Params",
        object(seen.params.iter().map(|(name, value)| (name.clone(), Node::Value(json!(value))))),
    );
    request.set("Identities", Node::Value(nobody()));
    if let Some(body) = &body {
        request.set("Body", Node::text(body));
    }

    let mut metadata = Object::default();
    if is_json(headers) {
        promote(&mut metadata, body.as_deref().unwrap_or_default());
    }
    for (name, value) in query.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("code")) {
        metadata.set(name, Node::double(&json!(value)));
    }
    for (name, value) in &seen.params {
        if let Some(value) = value {
            metadata.set(name, Node::double(&json!(value)));
        }
    }
    if !metadata.has("Query") {
        metadata.set("Query", texts(query.iter().cloned()));
    }
    if !metadata.has("Headers") {
        metadata.set("Headers", joined_headers(headers));
    }
    let name = if metadata.has("sys") { "$sys" } else { "sys" };
    metadata.set(name, sys(function, world::now(), &world::guid()));
    envelope(&trigger.binding, request.into(), metadata)
}

fn url(seen: &Seen<'_>) -> String {
    let host = seen.head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let query = seen.head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("http://{host}{}{query}", path::displayed(&seen.path))
}

/// Text, or base64 where the type says bytes. Nothing without a length that is not zero.
fn body_text(headers: &HeaderMap, body: &Bytes) -> Option<String> {
    let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    if length == 0 {
        return None;
    }
    let kind = content_type(headers);
    let is_bytes = kind.starts_with("application/octet-stream") || kind.starts_with("multipart/");
    Some(if is_bytes { STANDARD.encode(body) } else { String::from_utf8_lossy(body).into_owned() })
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

fn is_json(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("application/json")
}

fn object(members: impl Iterator<Item = (String, Node)>) -> Node {
    let mut object = Object::default();
    for (name, value) in members {
        object.set(&name, value);
    }
    object.into()
}

/// An object of texts; the last of equal names wins.
fn texts(members: impl Iterator<Item = (String, String)>) -> Node {
    object(members.map(|(name, value)| (name, Node::text(&value))))
}

fn values_of(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

fn header_lists(headers: &HeaderMap) -> Node {
    object(headers.keys().map(|name| (display_name(name), Node::Value(json!(values_of(headers, name))))))
}

fn joined_headers(headers: &HeaderMap) -> Node {
    texts(headers.keys().map(|name| (display_name(name), values_of(headers, name).join(","))))
}

/// The identity of a caller that the platform has not signed in.
fn nobody() -> Value {
    json!([{
        "AuthenticationType": null,
        "IsAuthenticated": false,
        "Actor": null,
        "BootstrapContext": null,
        "Claims": [],
        "Label": null,
        "Name": null,
        "NameClaimType": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
        "RoleClaimType": "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
    }])
}

fn reply(answer: &Answer, trigger: &HttpTrigger, method: &Method) -> Reply {
    let mut response = Response::new(empty());
    let (kind, body) = match answer.outputs.get(&trigger.output.to_ascii_lowercase()) {
        None | Some(Value::Null) => (TEXT, "{}".into()),
        Some(Value::Object(output)) => {
            let member = |name: &str| {
                output.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
            };
            if let Some(code) = member("statusCode").or_else(|| member("status")).and_then(status_code) {
                *response.status_mut() = code;
            }
            if let Some(Value::Object(headers)) = member("headers") {
                for (name, value) in headers {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(text)) {
                        response.headers_mut().insert(name, value);
                    }
                }
            }
            body_of(member("body"))
        }
        Some(Value::String(text)) => match trapped(text, DataType::Unset) {
            Some(bytes) => (BYTES, bytes.into()),
            None => (TEXT, text.clone().into()),
        },
        other => body_of(other),
    };
    response.headers_mut().entry(header::CONTENT_TYPE).or_insert(kind);
    // The length of what a HEAD does not carry is not told either.
    *response.body_mut() = if *method == Method::HEAD { empty() } else { without_length(body) };
    response
}

fn status_code(value: &Value) -> Option<StatusCode> {
    let code = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    StatusCode::from_u16(u16::try_from(code).ok()?).ok()
}

fn body_of(value: Option<&Value>) -> (HeaderValue, Bytes) {
    match value {
        None | Some(Value::Null) => (TEXT, Bytes::new()),
        Some(Value::String(text)) => (TEXT, text.clone().into()),
        Some(other) => (JSON, other.to_string().into()),
    }
}

/// The host writes these answers in chunks.
fn without_length(body: Bytes) -> Body {
    StreamBody::new(stream::iter([Ok(Frame::data(body))])).boxed_unsync()
}
