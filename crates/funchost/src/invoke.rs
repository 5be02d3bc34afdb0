//! An enveloped invocation: `POST /<function>`, and what the host makes of the answer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::Request;
use hyper::body::Frame;
use serde_json::Value;
use tokio::time::Instant;

use crate::broker::{Broker, Message};
use crate::config::{DataType, Function, OutputQueue};
use crate::control::{Board, End};
use crate::http::client::{Body, HandlerClient};
use crate::process::Process;
use crate::world;

/// The version that the captures were made with.
pub(crate) const HOST_VERSION: &str = "4.1037.0.0";
pub(crate) const USER_AGENT: &str = "Azure-Functions-Host/4.1037.0.0";

/// The host kills a handler this long after a function's time is up.
const GRACE: Duration = Duration::from_secs(2);
/// The host writes its envelopes in pieces of this size.
const CHUNK: usize = 1024;

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvocationError {
    #[error("the host has stopped: {0}")]
    Stopped(Arc<str>),
    #[error("the handler could not be called: {0}")]
    Transport(String),
    #[error("the handler answered {0}")]
    Status(StatusCode),
    #[error("the answer is not an envelope: {0}")]
    Answer(String),
    #[error("an output could not be sent: {0}")]
    Output(String),
    #[error("the function's time was up; the handler was killed")]
    TimedOut,
}

/// What a handler answered, its member names in lower case.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) outputs: BTreeMap<String, Value>,
}

/// Calls the handler for everybody.
pub(crate) struct Invoker {
    pub(crate) client: HandlerClient,
    pub(crate) process: Process,
    pub(crate) board: Arc<Board>,
    pub(crate) broker: Option<Broker>,
    pub(crate) function_timeout: Option<Duration>,
}

/// What a 2xx answer was.
enum Read {
    Answer(Answer),
    Nothing,
}

impl Invoker {
    /// Makes one invocation under a new id and sends its outputs. An answer without content hangs until the function's
    /// time is up, as it does in the host.
    ///
    /// # Errors
    /// Whatever the host counts as a failed invocation.
    pub(crate) async fn call(&self, function: &Function, body: String) -> Result<Answer, InvocationError> {
        let generation = self.process.ready().await.map_err(InvocationError::Stopped)?;
        let id = world::guid();
        let running = self.board.began(&function.name);
        let result = self.within_time(function, generation, &id, body).await;
        let end = match &result {
            Ok(_) => End::Success,
            Err(InvocationError::TimedOut) => End::Timeout,
            Err(_) => End::Failure,
        };
        if let Err(error) = &result {
            tracing::warn!(function = function.name, id, %error, "an invocation failed");
        }
        running.ended(end);
        result
    }

    async fn within_time(
        &self,
        function: &Function,
        generation: u64,
        id: &str,
        body: String,
    ) -> Result<Answer, InvocationError> {
        let began = Instant::now();
        let exchange = async {
            match self.exchange(function, id, body).await {
                Ok(Read::Answer(answer)) => {
                    self.send_outputs(function, id, &answer).await?;
                    Ok(answer)
                }
                Ok(Read::Nothing) => {
                    tracing::error!(function = function.name, id, "an empty answer: this invocation hangs");
                    self.board.hangs(&function.name);
                    std::future::pending().await
                }
                Err(error) => Err(error),
            }
        };
        let result =
            self.until_killed(began, generation, exchange).await.unwrap_or(Err(InvocationError::TimedOut));
        if matches!(result, Err(InvocationError::Transport(_))) {
            self.process.settle(generation).await;
        }
        result
    }

    /// Runs `work` until the function's time is up; then the handler is killed and the answer is `None`.
    pub(crate) async fn until_killed<T>(
        &self,
        began: Instant,
        generation: u64,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let Some(limit) = self.function_timeout else { return Some(work.await) };
        match tokio::time::timeout_at(began + limit + GRACE, work).await {
            Ok(done) => Some(done),
            Err(_) => {
                self.process.recycle(generation).await;
                None
            }
        }
    }

    async fn exchange(&self, function: &Function, id: &str, body: String) -> Result<Read, InvocationError> {
        let transport = |error: String| InvocationError::Transport(error);
        let url =
            self.client.url(&format!("/{}", function.name)).map_err(|error| transport(error.to_string()))?;
        let request = Request::post(url)
            .header("X-Azure-Functions-HostVersion", HOST_VERSION)
            .header("X-Azure-Functions-InvocationId", id)
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(in_chunks(body.into()))
            .map_err(|error| transport(error.to_string()))?;
        let response = self.client.send(request).await.map_err(|error| transport(with_sources(&error)))?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            return Err(InvocationError::Status(head.status));
        }
        let body = body.collect().await.map_err(|error| transport(with_sources(&error)))?.to_bytes();
        read(head.headers.get(header::CONTENT_TYPE), &body).map_err(InvocationError::Answer)
    }

    async fn send_outputs(
        &self,
        function: &Function,
        id: &str,
        answer: &Answer,
    ) -> Result<(), InvocationError> {
        for queue in &function.queues {
            let Some(value) = answer.outputs.get(&queue.binding.to_ascii_lowercase()) else { continue };
            let Some(broker) = &self.broker else { continue };
            for body in bodies(value, queue) {
                let message = Message { content_type: Some("text/plain".into()), ..Message::new(body) };
                let message = message.with_property("$AzureWebJobsParentId", id);
                broker
                    .send(&queue.entity, message)
                    .await
                    .map_err(|error| InvocationError::Output(error.to_string()))?;
            }
        }
        Ok(())
    }
}

/// The host sends envelopes without a length.
fn in_chunks(body: Bytes) -> Body {
    let pieces = (0..body.len()).step_by(CHUNK).map(move |at| body.slice(at..body.len().min(at + CHUNK)));
    let frames = pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    StreamBody::new(stream::iter(frames.collect::<Vec<_>>())).map_err(|never| match never {}).boxed_unsync()
}

fn read(content_type: Option<&HeaderValue>, body: &[u8]) -> Result<Read, String> {
    if body.is_empty() {
        return Ok(Read::Nothing);
    }
    let media_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type != "application/json" && media_type != "text/json" {
        return Err(format!("its content type is \"{media_type}\""));
    }
    let members = match serde_json::from_slice(body).map_err(|error| error.to_string())? {
        Value::Null => return Ok(Read::Nothing),
        Value::Object(members) => members,
        _ => return Err("it is no object".into()),
    };
    let mut answer = Answer::default();
    for (name, value) in members {
        match (name.to_ascii_lowercase().as_str(), value) {
            ("outputs", Value::Object(outputs)) => {
                answer.outputs =
                    outputs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
            }
            ("logs", Value::Array(lines)) => {
                for line in lines {
                    tracing::info!(target: "handler", "{}", line.as_str().unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    Ok(Read::Answer(answer))
}

/// The messages that an output's value stands for.
fn bodies(value: &Value, queue: &OutputQueue) -> Vec<Vec<u8>> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(elements) => elements.iter().map(element).collect(),
        Value::String(text) => match trapped(text, queue.data_type) {
            Some(bytes) => vec![bytes],
            None => match serde_json::from_str(text) {
                Ok(Value::Array(elements)) => elements.iter().map(element).collect(),
                _ => vec![text.clone().into()],
            },
        },
        other => vec![element(other)],
    }
}

/// A text as it is, everything else as indented JSON.
fn element(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into(),
        other => serde_json::to_vec_pretty(other).unwrap_or_default(),
    }
}

/// The base64 trap: an output's text that happens to be base64 becomes the bytes it would stand for, unless the binding
/// is binary. White space does not count.
pub(crate) fn trapped(text: &str, data_type: DataType) -> Option<Vec<u8>> {
    if data_type == DataType::Binary {
        return None;
    }
    let dense: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(dense).ok()
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(content_type: &str, body: &str) -> &'static str {
        let value = HeaderValue::from_str(content_type).unwrap();
        match read(Some(&value), body.as_bytes()) {
            Ok(Read::Answer(_)) => "answer",
            Ok(Read::Nothing) => "hang",
            Err(_) => "failure",
        }
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(kind("application/json; charset=utf-8", "{}"), "answer");
        assert_eq!(kind("text/json", "{\"outputs\":{}}"), "answer");
        assert_eq!(kind("application/json", ""), "hang");
        assert_eq!(kind("text/plain", ""), "hang");
        assert_eq!(kind("application/json", " null "), "hang");
        assert_eq!(kind("text/plain", "{}"), "failure");
        assert_eq!(kind("", "{}"), "failure");
        assert_eq!(kind("application/json", "{"), "failure");
        assert_eq!(kind("application/json", "[]"), "failure");
    }

    #[test]
    fn a_text_that_is_base64_by_chance_is_decoded() {
        assert_eq!(trapped("test", DataType::Unset), Some(vec![0xb5, 0xeb, 0x2d]));
        assert_eq!(trapped("te st", DataType::Unset), Some(vec![0xb5, 0xeb, 0x2d]));
        assert_eq!(trapped("test", DataType::Binary), None);
        assert_eq!(trapped("tests", DataType::Unset), None);
        assert_eq!(trapped("{}", DataType::Unset), None);
    }

    #[test]
    fn an_output_is_one_message_or_several() {
        let queue = OutputQueue {
            binding: "out".into(),
            entity: "q".into(),
            connection: "c".into(),
            data_type: DataType::Unset,
        };
        let sent = |value: Value| bodies(&value, &queue);
        assert_eq!(
            sent(serde_json::json!(["m1", "test", {"a": 1}])),
            [&b"m1"[..], b"test", b"{\n  \"a\": 1\n}"]
        );
        assert_eq!(sent(serde_json::json!("[\"m1\",\"m2\"]")), [b"m1", b"m2"]);
        assert_eq!(sent(serde_json::json!("dGVzdA==")), [b"test"]);
        assert!(sent(Value::Null).is_empty());
    }
}
