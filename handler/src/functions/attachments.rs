use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::{StreamExt, TryStreamExt};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Front;
use super::call::Call;
use super::fields::Fields;
use crate::chat::{NewAttachment, UploadTicket};
use crate::error::{ApiError, Kind};
use crate::ports::{LinkError, LocalFiles, Served};

/// What a storage account asks of a `PUT` too.
const BLOB_TYPE: HeaderName = HeaderName::from_static("x-ms-blob-type");
/// What `filename*` holds as it is (RFC 5987).
const FILE_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

type IdInPath = Result<Path<String>, PathRejection>;

/// What cannot be read is no file's id.
fn id(path: IdInPath) -> String {
    path.map(|Path(id)| id).unwrap_or_default()
}

/// `POST api/attachments`: a place for a file in a conversation, and a link to store it there.
pub(super) async fn create(
    State(front): State<Front>,
    call: Call,
    fields: Fields,
) -> Result<(StatusCode, Json<UploadTicket>), ApiError> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let new = NewAttachment {
        room: owned(fields.text(&["room_id", "RoomID", "room"])?),
        receiver: owned(fields.text(&["receiver_id", "ReceiverID", "receiver", "to"])?),
        file_name: fields.required_text(&["file_name", "FileName", "name"])?.to_owned(),
        content_type: owned(fields.text(&["content_type", "ContentType", "type"])?),
        bytes: fields.number(&["bytes", "size", "Size"])?,
    };
    let caller = call.caller_with(&front, &fields)?;
    let key = call.idempotency_key()?;
    let ticket = front.services().await?.chat.new_attachment(&caller, &new, key).await?;
    Ok((StatusCode::CREATED, Json(ticket)))
}

/// `GET api/attachments/{id}`: a fresh link to a file, for those who may read its conversation; with `redirect=true` the way
/// there.
pub(super) async fn get(
    State(front): State<Front>,
    call: Call,
    path: IdInPath,
) -> Result<Response, ApiError> {
    let caller = call.caller_or_guest(&front).await?;
    let view = front.services().await?.chat.attachment(&caller, &id(path)).await?;
    let mut answer = match call.query("redirect") {
        Some("true") => Redirect::temporary(&view.url).into_response(),
        _ => Json(view).into_response(),
    };
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// `PUT api/attachments/{id}/blob`: where links for storing lead, for stores of this process. Answers as a storage account
/// does.
pub(super) async fn store(
    State(front): State<Front>,
    path: IdInPath,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let headers = request.headers();
    if headers.get(BLOB_TYPE).is_none_or(|kind| !kind.as_bytes().eq_ignore_ascii_case(b"BlockBlob")) {
        let sentence = "Send the header x-ms-blob-type: BlockBlob.";
        return Err(ApiError::field(Kind::MissingField, "x-ms-blob-type", sentence));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        let sentence = "Send the file without a Content-Encoding.";
        return Err(ApiError::new(Kind::UnsupportedMediaType, sentence));
    }
    let files = files(&front).await?;
    let content = request.into_body().into_data_stream().map_err(std::io::Error::other).boxed();
    files.receive(&id(path), query.as_deref().unwrap_or_default(), content).await?;
    Ok(StatusCode::CREATED)
}

/// `GET api/attachments/{id}/blob`: where links for reading lead. Never shown by the browser as a page of ours.
pub(super) async fn serve(
    State(front): State<Front>,
    path: IdInPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let Served { name, content_type, bytes, content } =
        files(&front).await?.serve(&id(path), query.as_deref().unwrap_or_default()).await?;
    let disposition = format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(&name, FILE_NAME));
    let text = |text: &str, otherwise| {
        HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(otherwise))
    };
    let headers = [
        (CONTENT_TYPE, text(&content_type, "application/octet-stream")),
        (CONTENT_DISPOSITION, text(&disposition, "attachment")),
        (CONTENT_LENGTH, HeaderValue::from(bytes)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((headers, Body::from_stream(content)).into_response())
}

async fn files(front: &Front) -> Result<&dyn LocalFiles, ApiError> {
    let files = front.services().await?.local_files.as_deref();
    files.ok_or_else(|| ApiError::new(Kind::NoRoute, "Files are not stored here."))
}

impl From<LinkError> for ApiError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Refused => Self::new(Kind::LinkRefused, "The link is not valid, or no longer."),
            LinkError::NotFound => Self::new(Kind::NoRoute, "There is no such file."),
            LinkError::Exists => Self::new(Kind::FileExists, "The file is stored already."),
            LinkError::TooLarge { limit } => {
                Self::new(Kind::BodyTooLarge, format!("The file has more than {limit} bytes."))
            }
            LinkError::Slow => Self::new(Kind::RequestTimeout, "The file took too long."),
            LinkError::Broken => Self::new(Kind::InvalidBody, "The file ended early."),
            LinkError::Store(error) => error.into(),
        }
    }
}
