//! Abuse protection: a URL is asked by `OPTIONS` whether it wants events before it gets any (CloudEvents web hooks).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;
use webpubsub::cloud_events::header::AWPS_VERSION;
use webpubsub::names::HubName;
use webpubsub::validation::{ALLOWED_ORIGIN, REQUEST_ORIGIN, is_allowed};

use super::call::{ORIGIN, with_causes};
use super::template::UrlTemplate;

/// In the place of `{event}`.
const EVENT: &str = "validate";
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a consent lasts.
const VALID: Duration = Duration::from_secs(60);
/// How long a refusal lasts at first; it doubles with each further one.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const LAST_BACK_OFF: Duration = Duration::from_secs(60);
/// Most hubs that are remembered. A hub beyond asks again.
const MAX_HUBS: usize = 1024;

/// What is known of each hub's URL.
#[derive(Default)]
pub(super) struct Validations(Mutex<HashMap<HubName, Arc<tokio::sync::Mutex<Known>>>>);

#[derive(Default)]
struct Known {
    /// The last outcome and until when it holds.
    outcome: Option<(Result<(), String>, Instant)>,
    back_off: Duration,
}

impl Validations {
    /// One question at a time per hub; whoever comes meanwhile waits for its answer.
    pub(super) async fn check(
        &self,
        http: &reqwest::Client,
        hub: &HubName,
        template: &UrlTemplate,
    ) -> Result<(), String> {
        let entry = self.entry(hub);
        let mut known = entry.lock().await;
        if let Some((outcome, until)) = &known.outcome
            && Instant::now() < *until
        {
            return outcome.clone();
        }
        let outcome = ask(http, &template.expand(hub, EVENT)).await;
        let lasts = match &outcome {
            Ok(()) => {
                known.back_off = Duration::ZERO;
                VALID
            }
            Err(_) => {
                known.back_off = (known.back_off * 2).clamp(FIRST_BACK_OFF, LAST_BACK_OFF);
                known.back_off
            }
        };
        known.outcome = Some((outcome.clone(), Instant::now() + lasts));
        outcome
    }

    fn entry(&self, hub: &HubName) -> Arc<tokio::sync::Mutex<Known>> {
        let mut hubs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hubs.len() >= MAX_HUBS && !hubs.contains_key(hub) {
            hubs.clear();
        }
        hubs.entry(hub.clone()).or_default().clone()
    }
}

/// `OPTIONS`, and `GET` where that is not known.
async fn ask(http: &reqwest::Client, url: &str) -> Result<(), String> {
    match ask_by(http, Method::OPTIONS, url).await? {
        StatusCode::NOT_FOUND => match ask_by(http, Method::GET, url).await? {
            status if status.is_success() => Ok(()),
            status => Err(format!("GET and OPTIONS of its validation are answered {status}")),
        },
        status if status.is_success() => Ok(()),
        status => Err(format!("OPTIONS of its validation is answered {status}")),
    }
}

/// The status; a success only if the answer names us.
async fn ask_by(http: &reqwest::Client, method: Method, url: &str) -> Result<StatusCode, String> {
    let request =
        http.request(method, url).header(REQUEST_ORIGIN, ORIGIN).header(AWPS_VERSION, "1.0").timeout(TIMEOUT);
    let response = request
        .send()
        .await
        .map_err(|error| format!("its validation failed: {}", with_causes(&error.without_url())))?;
    let allowed = response.headers().get_all(ALLOWED_ORIGIN);
    let names_us = allowed.iter().filter_map(|value| value.to_str().ok()).any(allows_us);
    match response.status() {
        status if status.is_success() && !names_us => Err(format!("its validation does not allow {ORIGIN}")),
        status => Ok(status),
    }
}

/// Official handlers answer with host and port of the service's endpoint, while the service names its host alone.
fn allows_us(allowed: &str) -> bool {
    is_allowed(allowed, ORIGIN)
        || allowed
            .split([',', ' '])
            .any(|host| host.rsplit_once(':').is_some_and(|(host, _)| is_allowed(host, ORIGIN)))
}
