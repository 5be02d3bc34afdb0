use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::fields::Fields;
use super::host_calls::InvocationId;
use super::{Front, Services};
use crate::chat::{Caller, Refused};
use crate::error::{ApiError, Kind};
use crate::model::{MessageId, UserId};

const X_USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How a body names its user.
const BODY_USER: [&str; 2] = ["user_id", "userId"];

/// A request's head: headers, query and what the host says of it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    query: Vec<(String, String)>,
    invocation: Option<InvocationId>,
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Query(query) = Query::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::new(Kind::InvalidField, "The query cannot be read."))?;
        Ok(Self {
            headers: parts.headers.clone(),
            query,
            invocation: parts.extensions.get::<InvocationId>().cloned(),
        })
    }
}

impl Call {
    /// A header's text; `None` when it is absent or no UTF-8.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }

    /// The first value of a query parameter. An empty one counts as absent.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, ApiError> {
        let wrong =
            |_| ApiError::field(Kind::InvalidField, name, format!("{name} must be a whole number from 0."));
        self.query(name).map(|text| text.parse().map_err(wrong)).transpose()
    }

    /// Who is calling, in anonymous mode: the header `X-User-Id`, else the query's `user_id`, else the body's field,
    /// given with its name.
    pub(crate) fn claimed_user(
        &self,
        body: Option<(&'static str, &str)>,
    ) -> Result<Option<UserId>, ApiError> {
        if let Some(value) = self.headers.get(X_USER_ID) {
            let text = std::str::from_utf8(value.as_bytes())
                .map_err(|_| ApiError::field(Kind::InvalidUtf8, "X-User-Id", "X-User-Id is not UTF-8."))?;
            return user("X-User-Id", text).map(Some);
        }
        let claimed = self.query("user_id").map(|text| ("user_id", text)).or(body);
        claimed.map(|(field, text)| user(field, text)).transpose()
    }

    /// As [`Self::claimed_user`]; nobody is a mistake.
    pub(crate) fn user(&self, body: Option<(&'static str, &str)>) -> Result<UserId, ApiError> {
        self.claimed_user(body)?.ok_or_else(|| {
            ApiError::field(
                Kind::MissingUser,
                "X-User-Id",
                "Say who is calling: by the header X-User-Id or the query's user_id.",
            )
        })
    }

    /// The caller of a use case.
    pub(crate) fn caller(
        &self,
        front: &Front,
        body: Option<(&'static str, &str)>,
    ) -> Result<Caller, ApiError> {
        let user = self.user(body)?;
        let is_admin = front.config.admins.contains(&user);
        Ok(Caller { is_admin, ..Caller::request(user) })
    }

    /// The caller of a `POST` whose body is optional and may name the user as `user_id`.
    pub(crate) fn caller_in(&self, front: &Front, body: &[u8]) -> Result<Caller, ApiError> {
        let fields = optional(body)?;
        self.caller(front, fields.text(&BODY_USER)?.map(|user| ("user_id", user)))
    }

    pub(crate) fn claimed_user_in(&self, body: &[u8]) -> Result<Option<UserId>, ApiError> {
        let fields = optional(body)?;
        self.claimed_user(fields.text(&BODY_USER)?.map(|user| ("user_id", user)))
    }

    /// Where reading needs no name: somebody nobody knows.
    pub(crate) async fn caller_or_guest(&self, front: &Front) -> Result<Caller, ApiError> {
        match self.claimed_user(None)? {
            Some(_) => self.caller(front, None),
            None => Ok(Caller::request(guest(front.services().await?)?)),
        }
    }

    /// The id of the host's invocation: the same when the host repeats a request whose connection broke.
    pub(crate) fn invocation(&self) -> Option<&str> {
        self.invocation.as_ref().map(InvocationId::as_str)
    }

    /// What makes a repeated creation the same one: `Idempotency-Key`, else the host's invocation.
    pub(crate) fn idempotency_key(&self) -> Result<Option<&str>, ApiError> {
        let Some(text) = self.header(&IDEMPOTENCY_KEY) else { return Ok(self.invocation()) };
        MessageId::new(text)
            .map(|_| Some(text))
            .map_err(|why| Refused::bad_id("Idempotency-Key", &why).into())
    }
}

/// `guest-` and eight random hex digits.
pub(crate) fn guest(services: &Services) -> Result<UserId, ApiError> {
    let token = services.ports.ids.token();
    let short = token.get(..8).unwrap_or(&token);
    UserId::new(&format!("guest-{short}")).map_err(|_| ApiError::internal())
}

fn optional(body: &[u8]) -> Result<Fields, ApiError> {
    if body.is_empty() { Ok(Fields::default()) } else { Fields::parse(body) }
}

fn user(field: &'static str, text: &str) -> Result<UserId, ApiError> {
    UserId::new(text).map_err(|why| Refused::bad_id(field, &why).into())
}

/// The room named in the path; the use cases judge it.
pub(crate) struct RoomInPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for RoomInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => {
                Err(ApiError::field(Kind::InvalidUtf8, "room_id", "The room id in the path is not UTF-8."))
            }
        }
    }
}
