use std::collections::{HashMap, HashSet};

use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::access::Charge;
use super::fields::{Fields, missing};
use super::host_calls::InvocationId;
use super::identity::{Identity, Proven};
use super::origin::{self, Peer};
use super::{Front, Services};
use crate::chat::{Caller, Refused, Submission, Venue};
use crate::error::{ApiError, Kind};
use crate::model::{MessageId, Origin, UserId};

const X_USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The one parameter of a query that is a list.
const MAY_BE_REPEATED: &str = "user";

/// How a body names its user.
const BODY_USER: [&str; 2] = ["user_id", "userId"];

/// A request's head: headers, query and what the host says of it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    query: Vec<(String, String)>,
    invocation: Option<InvocationId>,
    identity: Identity,
    charge: Charge,
    peer: Option<Peer>,
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let identity = parts.extensions.get::<Identity>().cloned().ok_or_else(ApiError::internal)?;
        Self::of(parts, identity)
    }
}

impl Call {
    /// Reads a request's head for the caller who was established.
    pub(super) fn of(parts: &Parts, identity: Identity) -> Result<Self, ApiError> {
        // The reader below would take a mark of its own for what is not UTF-8.
        if percent_decode_str(parts.uri.query().unwrap_or_default()).decode_utf8().is_err() {
            return Err(ApiError::new(Kind::InvalidUtf8, "The query is not UTF-8."));
        }
        let Query::<Vec<_>>(query) = Query::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::new(Kind::InvalidField, "The query cannot be read."))?;
        said_once(&query)?;
        Ok(Self {
            headers: parts.headers.clone(),
            query,
            invocation: parts.extensions.get::<InvocationId>().cloned(),
            identity,
            charge: parts.extensions.get::<Charge>().copied().unwrap_or(Charge::Caller),
            peer: parts.extensions.get::<Peer>().copied(),
        })
    }

    /// A header's text; `None` when it is absent or no UTF-8.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }

    /// A header's text; the `field` at fault where it is no UTF-8.
    fn text(&self, name: &HeaderName, field: &'static str) -> Result<Option<&str>, ApiError> {
        let wrong = |_| ApiError::field(Kind::InvalidUtf8, field, format!("{field} is not UTF-8."));
        self.headers.get(name).map(|value| std::str::from_utf8(value.as_bytes()).map_err(wrong)).transpose()
    }

    /// The first value of a query parameter. An empty one counts as absent.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, ApiError> {
        let read = |text: &str| text.parse().ok().filter(|_| is_digits(text));
        self.query(name).map(|text| read(text).ok_or_else(|| no_number(name))).transpose()
    }

    /// Every value of a query parameter that may be repeated. Empty ones count as absent.
    pub(crate) fn queries(&self, name: &str) -> Vec<String> {
        let found = self.query.iter().filter(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.clone()).collect()
    }

    /// The query's `limit`; whoever makes the page holds it against its bounds.
    pub(crate) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let read = |text: &str| is_digits(text).then(|| text.parse().unwrap_or(usize::MAX));
        self.query("limit").map(|text| read(text).ok_or_else(|| no_number("limit"))).transpose()
    }

    /// The query that asks for the page behind `cursor`, to be appended to a path.
    pub(crate) fn query_after(&self, cursor: &str) -> String {
        let kept =
            ["prefix", "limit", "user_id"].into_iter().filter_map(|name| Some((name, self.query(name)?)));
        let all = kept.chain([("after", cursor)]);
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let pairs: Vec<_> =
            all.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        format!("?{}", pairs.join("&"))
    }

    /// Who is calling, in anonymous mode: the header `X-User-Id`, else the query's `user_id`, else the body's field,
    /// given with its name.
    fn claimed_user(&self, body: Option<(&'static str, &str)>) -> Result<Option<UserId>, ApiError> {
        if let Some(text) = self.text(&X_USER_ID, "X-User-Id")? {
            return user("X-User-Id", text).map(Some);
        }
        let claimed = self.query("user_id").map(|text| ("user_id", text)).or(body);
        claimed.map(|(field, text)| user(field, text)).transpose()
    }

    /// As [`Self::claimed_user`]; nobody is a mistake.
    pub(super) fn user(&self, body: Option<(&'static str, &str)>) -> Result<UserId, ApiError> {
        self.claimed_user(body)?.ok_or_else(|| {
            ApiError::field(
                Kind::MissingUser,
                "X-User-Id",
                "Say who is calling: by the header X-User-Id or the query's user_id.",
            )
        })
    }

    /// The caller of a use case, whom the call is charged to where its route says so. Asked for once in a call.
    pub(crate) fn caller(
        &self,
        front: &Front,
        body: Option<(&'static str, &str)>,
    ) -> Result<Caller, ApiError> {
        let caller = self.established(front, body)?;
        if self.charge == Charge::Caller {
            front.limits.act(&caller.user)?;
        }
        Ok(caller)
    }

    /// Who proved who they are need not say it, and may not say otherwise.
    fn established(&self, front: &Front, body: Option<(&'static str, &str)>) -> Result<Caller, ApiError> {
        match &self.identity {
            Identity::NotAsked => Err(ApiError::internal()),
            Identity::Claimed { .. } => {
                let user = self.user(body)?;
                let is_admin = front.config.admins.contains(&user);
                Ok(Caller { is_admin, origin: self.origin(front), ..Caller::request(user) })
            }
            Identity::Proven(Proven { user, is_admin, .. }) => {
                self.is_you("X-User-Id", self.text(&X_USER_ID, "X-User-Id")?)?;
                self.is_you("user_id", self.query("user_id"))?;
                body.map_or(Ok(()), |(field, text)| self.is_you(field, Some(text)))?;
                Ok(Caller {
                    is_admin: *is_admin,
                    origin: self.origin(front),
                    ..Caller::request(user.clone())
                })
            }
        }
    }

    /// When the caller signed in, in seconds since 1970, as far as their proof tells.
    pub(crate) const fn signed_in_at(&self) -> Option<u64> {
        match &self.identity {
            Identity::Proven(proven) => proven.signed_in_at,
            _ => None,
        }
    }

    /// From where the request comes.
    pub(crate) fn origin(&self, front: &Front) -> Origin {
        origin::origin(&self.headers, self.peer, front.config.trusted_proxies)
    }

    /// Refuses a name that is not that of the caller who proved theirs.
    pub(crate) fn is_you(&self, field: &'static str, name: Option<&str>) -> Result<(), ApiError> {
        match (&self.identity, name) {
            (Identity::Proven(proven), Some(name)) if name != proven.user.as_str() => {
                Err(ApiError::field(Kind::NotYou, field, format!("{field} is not who has signed in.")))
            }
            _ => Ok(()),
        }
    }

    /// The caller who sends a message, and whom its body may name. The use case compares the two.
    pub(crate) fn sender(&self, front: &Front, submission: &Submission) -> Result<Caller, ApiError> {
        if let Identity::Proven(_) = self.identity {
            return self.caller(front, None);
        }
        let field = submission.sender_name();
        if submission.sender.is_none() && self.claimed_user(None)?.is_none() {
            let sentence = format!("{field} is missing.");
            return Err(ApiError::field(Kind::MissingField, field, sentence));
        }
        self.caller(front, submission.sender.as_deref().map(|sender| (field, sender)))
    }

    /// The caller of a `POST` whose body is optional and may name the user as `user_id`.
    pub(crate) fn caller_in(&self, front: &Front, body: &[u8]) -> Result<Caller, ApiError> {
        self.caller_with(front, &Fields::optional(body)?)
    }

    /// The caller of a request whose fields are read already.
    pub(crate) fn caller_with(&self, front: &Front, fields: &Fields) -> Result<Caller, ApiError> {
        self.caller_named(front, fields, &BODY_USER)
    }

    /// The same where the body has these names for its user. The first that is there counts; who proved who they are is
    /// under each of them.
    pub(crate) fn caller_named(
        &self,
        front: &Front,
        fields: &Fields,
        names: &[&'static str],
    ) -> Result<Caller, ApiError> {
        for (name, text) in fields.named(names)? {
            self.is_you(name, Some(text))?;
        }
        self.caller(front, fields.text(names)?.map(|user| ("user_id", user)))
    }

    /// Where no name is needed: somebody nobody knows, if the route lets them in.
    pub(crate) async fn caller_or_guest(&self, front: &Front) -> Result<Caller, ApiError> {
        match self.identity {
            Identity::Claimed { guests: true } if self.claimed_user(None)?.is_none() => {
                Ok(Caller::request(guest(front.services().await?)?))
            }
            _ => self.caller(front, None),
        }
    }

    /// As [`Self::caller_or_guest`], with a body that may name the user.
    pub(crate) async fn caller_or_guest_in(&self, front: &Front, body: &[u8]) -> Result<Caller, ApiError> {
        let fields = Fields::optional(body)?;
        match fields.text(&BODY_USER)? {
            Some(_) => self.caller_with(front, &fields),
            None => self.caller_or_guest(front).await,
        }
    }

    /// The id of the host's invocation: the same when the host repeats a request whose connection broke.
    pub(crate) fn invocation(&self) -> Option<&str> {
        self.invocation.as_ref().map(InvocationId::as_str)
    }

    /// What makes a repeated creation the same one: `Idempotency-Key`, else the host's invocation.
    pub(crate) fn idempotency_key(&self) -> Result<Option<&str>, ApiError> {
        let Some(text) = self.text(&IDEMPOTENCY_KEY, "Idempotency-Key")? else {
            return Ok(self.invocation());
        };
        MessageId::new(text)
            .map(|_| Some(text))
            .map_err(|why| Refused::bad_id("Idempotency-Key", &why).into())
    }
}

fn guest(services: &Services) -> Result<UserId, ApiError> {
    UserId::guest(&services.ports.ids.token()).map_err(|_| ApiError::internal())
}

/// What stands twice could be read one way by us and another by a proxy in front.
fn said_once(query: &[(String, String)]) -> Result<(), ApiError> {
    let mut seen = HashSet::new();
    for (name, _) in query {
        if name != MAY_BE_REPEATED && !seen.insert(name) {
            let sentence = format!("The query says {name} more than once.");
            return Err(ApiError::new(Kind::InvalidField, sentence));
        }
    }
    Ok(())
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn no_number(name: &'static str) -> ApiError {
    ApiError::field(Kind::InvalidField, name, format!("{name} must be a whole number."))
}

fn user(field: &'static str, text: &str) -> Result<UserId, ApiError> {
    UserId::given(text).map_err(|why| Refused::bad_id(field, &why).into())
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

/// The invitation named in the path: `…/rooms/{id}/invitations/{invitation}`.
pub(crate) struct InvitationInPath {
    pub(crate) room: String,
    pub(crate) id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for InvitationInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((room, id))) => Ok(Self { room, id }),
            Err(_) => Err(ApiError::field(Kind::InvalidUtf8, "room_id", "The path is not UTF-8.")),
        }
    }
}

/// The message named in the path: `…/rooms/{id}/…/{seq}…`, or `…/{seq}…` of a conversation of two.
pub(crate) struct MessageInPath {
    pub(crate) room: Option<String>,
    pub(crate) seq: u64,
}

impl MessageInPath {
    /// Where it stands: in the room, else in the conversation with the query's `with`.
    pub(crate) fn venue(&self, call: &Call) -> Result<Venue, ApiError> {
        match &self.room {
            Some(room) => Ok(Venue::Room(room.clone())),
            None => {
                call.query("with").map(|with| Venue::With(with.to_owned())).ok_or_else(|| missing("with"))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MessageInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Ok(Path(mut named)) = Path::<HashMap<String, String>>::from_request_parts(parts, state).await
        else {
            return Err(ApiError::field(Kind::InvalidUtf8, "room_id", "The path is not UTF-8."));
        };
        let seq = named.remove("seq").unwrap_or_default();
        let seq = seq.parse().ok().filter(|_| is_digits(&seq)).ok_or_else(|| no_number("seq"))?;
        Ok(Self { room: named.remove("id"), seq })
    }
}

/// The review named in the path: `…/rooms/{id}/reviews/{review}`, or `…/reviews/{review}` of direct messages.
pub(crate) struct ReviewInPath {
    pub(crate) room: Option<String>,
    pub(crate) review: String,
}

impl<S: Send + Sync> FromRequestParts<S> for ReviewInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Ok(Path(mut named)) = Path::<HashMap<String, String>>::from_request_parts(parts, state).await
        else {
            return Err(ApiError::field(Kind::InvalidUtf8, "review", "The path is not UTF-8."));
        };
        Ok(Self { room: named.remove("id"), review: named.remove("review").unwrap_or_default() })
    }
}
