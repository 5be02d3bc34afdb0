use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Http, Identity};
use crate::adapters::thresholds::{INAPPROPRIATE, Thresholds, Verdict};
use crate::ports::{Judgement, Moderator, ModeratorError, Question};

const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
const PATH: &str = "/contentsafety/text:analyze?api-version=2024-09-01";
/// What one call takes, in Unicode code points.
const CALL_CHARS: usize = 10_000;
/// How far before that a text is cut between two words.
const CUT_CHARS: usize = 200;
/// Where the service says that it has too much to do and not for how long.
const REST: Duration = Duration::from_secs(1);
/// The longest that it is left alone.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// What is read of an answer, in bytes; it has some hundred.
const ANSWER_BYTES: usize = 64 * 1024;

/// Azure AI Content Safety, over its REST API. It knows how grave a text is and not by which words, so it masks none.
pub struct ContentSafety {
    url: String,
    proof: Proof,
    http: reqwest::Client,
    timeout: Duration,
    thresholds: Thresholds,
    /// Until then it is not asked, because it said so.
    rest_until: Mutex<Option<Instant>>,
}

enum Proof {
    Key(String),
    Identity(Identity),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ask<'a> {
    text: &'a str,
    categories: [&'static str; 4],
    output_type: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    categories_analysis: Vec<Category>,
}

#[derive(Deserialize)]
struct Category {
    category: String,
    #[serde(default)]
    severity: Option<u8>,
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("Content Safety answered {status}{}", .code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Status { status: StatusCode, code: Option<String> },
    #[error("Content Safety asked to be left alone for a while")]
    Resting,
    #[error("Content Safety's answer cannot be read")]
    Answer,
}

impl ContentSafety {
    /// With a key of the resource. `endpoint` is `https://host`. No call takes longer than `timeout`.
    #[must_use]
    pub fn with_key(
        endpoint: &str,
        key: &str,
        http: &Http,
        timeout: Duration,
        thresholds: Thresholds,
    ) -> Self {
        Self::new(endpoint, Proof::Key(key.to_owned()), http, timeout, thresholds)
    }

    /// With an identity, which needs the role `Cognitive Services User`.
    #[must_use]
    pub fn with_identity(
        endpoint: &str,
        identity: Identity,
        http: &Http,
        timeout: Duration,
        thresholds: Thresholds,
    ) -> Self {
        Self::new(endpoint, Proof::Identity(identity), http, timeout, thresholds)
    }

    fn new(endpoint: &str, proof: Proof, http: &Http, timeout: Duration, thresholds: Thresholds) -> Self {
        let url = format!("{}{PATH}", endpoint.trim_end_matches('/'));
        let http = http.of(endpoint).clone();
        Self { url, proof, http, timeout, thresholds, rest_until: Mutex::new(None) }
    }

    /// The gravest category of a part and how grave it is.
    async fn weigh(&self, text: &str) -> Result<(u8, String), ModeratorError> {
        self.check_rest()?;
        let ask = Ask {
            text,
            categories: ["Hate", "SelfHarm", "Sexual", "Violence"],
            output_type: "FourSeverityLevels",
        };
        let body = serde_json::to_vec(&ask).map_err(ModeratorError::unavailable)?;
        let request =
            self.http.post(&self.url).timeout(self.timeout).header("content-type", "application/json");
        let request = match &self.proof {
            Proof::Key(key) => request.header("Ocp-Apim-Subscription-Key", key),
            Proof::Identity(identity) => {
                let token = identity.token(SCOPE).await.map_err(ModeratorError::unavailable)?;
                request.bearer_auth(token.secret())
            }
        };
        let answer = request.body(body).send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(self.refused(answer).await);
        }
        let answer = read(answer).await?;
        let answer: Answer =
            serde_json::from_slice(&answer).map_err(|_| ModeratorError::unavailable(Failed::Answer))?;
        let weighed = answer.categories_analysis.into_iter();
        let weighed = weighed.map(|found| (found.severity.unwrap_or_default(), found.category));
        Ok(weighed.max_by_key(|(severity, _)| *severity).unwrap_or_default())
    }

    fn check_rest(&self) -> Result<(), ModeratorError> {
        let until = *self.rest_until.lock().unwrap_or_else(PoisonError::into_inner);
        match until.and_then(|until| until.checked_duration_since(Instant::now())) {
            Some(rest) if !rest.is_zero() => Err(ModeratorError::Unavailable {
                retry_after: Some(rest),
                source: Box::new(Failed::Resting),
            }),
            _ => Ok(()),
        }
    }

    async fn refused(&self, answer: reqwest::Response) -> ModeratorError {
        let status = answer.status();
        let wait = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut retry_after = wait.map(Duration::from_secs).map(|wait| wait.min(LONGEST_REST));
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let rest = retry_after.unwrap_or(REST);
            retry_after = Some(rest);
            *self.rest_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + rest);
        }
        let code = read(answer).await.ok().and_then(|body| {
            let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
            let code = body.get("error")?.get("code")?.as_str()?;
            Some(code.chars().filter(char::is_ascii_alphanumeric).take(64).collect())
        });
        ModeratorError::Unavailable { retry_after, source: Box::new(Failed::Status { status, code }) }
    }
}

#[async_trait]
impl Moderator for ContentSafety {
    async fn judge(&self, question: &Question) -> Result<Judgement, ModeratorError> {
        // The service refuses a text that says nothing.
        if question.text.trim().is_empty() {
            return Ok(Judgement::Allow);
        }
        let weighed = try_join_all(parts(&question.text).into_iter().map(|part| self.weigh(part))).await?;
        let (severity, category) =
            weighed.into_iter().max_by_key(|(severity, _)| *severity).unwrap_or_default();
        let reason = format!("The text was found to hold {}.", name(&category));
        Ok(match self.thresholds.verdict(severity) {
            Verdict::Allow | Verdict::Mask => Judgement::Allow,
            Verdict::Hold => Judgement::Hold { content: None, code: INAPPROPRIATE, reason },
            Verdict::Reject => Judgement::Reject { code: INAPPROPRIATE, reason },
        })
    }
}

/// The text in parts that one call takes, cut between words where there are any, and none of them blank.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((end, _)) = rest.char_indices().nth(CALL_CHARS) {
        let window = rest.get(..end).unwrap_or_default();
        let near = window.char_indices().rev().take(CUT_CHARS).find(|(_, c)| c.is_whitespace());
        let (part, behind) = rest.split_at(near.map_or(end, |(at, c)| at + c.len_utf8()));
        parts.push(part);
        rest = behind;
    }
    parts.push(rest);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn name(category: &str) -> &'static str {
    match category {
        "Hate" => "hate",
        "SelfHarm" => "self-harm",
        "Sexual" => "sexual content",
        "Violence" => "violence",
        _ => "what is not fit for others",
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, ModeratorError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES {
            return Err(ModeratorError::unavailable(Failed::Answer));
        }
    }
    Ok(body)
}

fn unreachable(error: reqwest::Error) -> ModeratorError {
    ModeratorError::unavailable(error.without_url())
}

#[cfg(test)]
#[path = "content_safety_tests.rs"]
mod tests;
