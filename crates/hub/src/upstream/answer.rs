//! What a handler's answers mean.

use http::{HeaderMap, StatusCode};
use webpubsub::cloud_events::header::CONNECTION_STATE;
use webpubsub::connect_event::ConnectResponse;
use webpubsub::metadata::Metadata;
use webpubsub::payload::Payload;
use webpubsub::roles::Permissions;

use super::call::Answer;
use crate::events::{ConnectAnswer, UserEventAnswer};

/// A client is not let in.
pub(super) enum NotLetIn {
    /// The handler said no, with this status of 4xx.
    Status(StatusCode),
    /// The handler is in trouble, or what it said makes no sense.
    Invalid(String),
}

/// The answer to `connect`. A redirect is not followed and counts as an answer without content, as the service has it.
pub(super) fn connect(answer: &Answer) -> Result<ConnectAnswer, NotLetIn> {
    if answer.status.is_redirection() {
        return Ok(ConnectAnswer::default());
    }
    if answer.status.is_client_error() {
        return Err(NotLetIn::Status(answer.status));
    }
    if !answer.status.is_success() {
        return Err(NotLetIn::Invalid(format!("the event handler answered {}", answer.status)));
    }
    let said = ConnectResponse::parse(&answer.body).map_err(|error| NotLetIn::Invalid(error.to_string()))?;
    Permissions::from_roles(said.roles.iter().flatten())
        .map_err(|error| NotLetIn::Invalid(error.to_string()))?;
    Ok(ConnectAnswer {
        user_id: said.user_id,
        groups: said.groups.unwrap_or_default(),
        roles: said.roles,
        subprotocol: said.subprotocol,
        state: state(&answer.headers),
    })
}

/// The answer to a user event. An empty body and no metadata say nothing to the client.
pub(super) fn user_event(answer: Answer) -> Result<UserEventAnswer, String> {
    if !answer.status.is_success() {
        return Err(format!("the event handler answered {}", answer.status));
    }
    let metadata = Metadata::from_headers(&answer.headers).map_err(|error| error.to_string())?;
    let state = state(&answer.headers);
    let payload = if answer.body.is_empty() {
        None
    } else {
        let content_type = answer.headers.get(http::header::CONTENT_TYPE).map(|value| value.to_str());
        let content_type = content_type.transpose().map_err(|error| error.to_string())?;
        Some(Payload::from_body(content_type, answer.body).map_err(|error| error.to_string())?)
    };
    Ok(UserEventAnswer { payload, metadata, state })
}

/// Of several the last one counts.
fn state(headers: &HeaderMap) -> Option<String> {
    let value = headers.get_all(CONNECTION_STATE).iter().next_back()?;
    String::from_utf8(value.as_bytes().to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status a client is refused with; 500 stands for what makes no sense.
    fn refusal(status: u16, body: &'static [u8]) -> Option<u16> {
        let status = StatusCode::from_u16(status).expect("a status");
        let answer = Answer { status, headers: HeaderMap::new(), body: body.into() };
        match connect(&answer) {
            Ok(_) => None,
            Err(NotLetIn::Status(status)) => Some(status.as_u16()),
            Err(NotLetIn::Invalid(_)) => Some(500),
        }
    }

    #[test]
    fn a_client_hears_of_a_no_but_not_of_its_handlers_troubles() {
        for (status, refused) in [(200, None), (204, None), (302, None), (401, Some(401)), (429, Some(429))] {
            assert_eq!(refusal(status, b""), refused, "{status}");
        }
        for status in [500, 502, 503] {
            assert_eq!(refusal(status, b""), Some(500), "{status}");
        }
        for body in [&b"{"[..], b"[]", br#"{"roles":["webpubsub.sendToGroups.\\"]}"#] {
            assert_eq!(refusal(200, body), Some(500));
        }
    }
}
