use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ports::{Entity, Outgoing, Properties, Received};

/// First byte of a row. Then, each behind its length (u32, little-endian): the session, which is all that opening the
/// queue reads; the rest of the header as JSON. The body ends it.
const FORMAT: u8 = 1;

#[derive(Serialize)]
struct HeaderRef<'a> {
    entity: Entity,
    message_id: &'a str,
    properties: &'a Properties,
}

#[derive(Deserialize)]
struct Header {
    entity: Entity,
    message_id: String,
    properties: Properties,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error("the row has an unknown format")]
    Format,
    #[error("the row is cut off or not UTF-8")]
    Broken,
    #[error("the row's header is malformed")]
    Header(#[from] serde_json::Error),
}

pub(super) fn encode(message: &Outgoing) -> Result<Vec<u8>, RowError> {
    let header = HeaderRef {
        entity: message.entity,
        message_id: &message.message_id,
        properties: &message.properties,
    };
    let mut row = vec![FORMAT];
    put(&mut row, message.session_id.as_bytes());
    put(&mut row, &serde_json::to_vec(&header)?);
    row.extend_from_slice(&message.body);
    Ok(row)
}

pub(super) fn decode(row: &[u8], sequence: u64, attempt: u32) -> Result<Received, RowError> {
    let (session, rest) = split_session(row)?;
    let (header, body) = take(rest)?;
    let header: Header = serde_json::from_slice(header)?;
    Ok(Received {
        entity: header.entity,
        message_id: Some(header.message_id),
        session_id: Some(session.to_owned()),
        sequence_number: Some(sequence),
        enqueued_at: None,
        properties: header.properties,
        body: Bytes::copy_from_slice(body),
        attempt,
    })
}

pub(super) fn session(row: &[u8]) -> Result<&str, RowError> {
    split_session(row).map(|(session, _)| session)
}

/// A message that cannot be read: how often it was delivered, the reason behind its length, and the row as it was.
pub(super) fn encode_unreadable(attempt: u32, reason: &str, row: &[u8]) -> Vec<u8> {
    let mut unreadable = attempt.to_le_bytes().to_vec();
    put(&mut unreadable, reason.as_bytes());
    unreadable.extend_from_slice(row);
    unreadable
}

fn split_session(row: &[u8]) -> Result<(&str, &[u8]), RowError> {
    let (&format, rest) = row.split_first().ok_or(RowError::Broken)?;
    if format != FORMAT {
        return Err(RowError::Format);
    }
    let (session, rest) = take(rest)?;
    Ok((text(session)?, rest))
}

/// Lengths fit: a message is at most 256 KiB.
fn put(row: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    row.extend_from_slice(&length.to_le_bytes());
    row.extend_from_slice(part);
}

fn take(row: &[u8]) -> Result<(&[u8], &[u8]), RowError> {
    let (length, rest) = row.split_first_chunk().ok_or(RowError::Broken)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| RowError::Broken)?;
    rest.split_at_checked(length).ok_or(RowError::Broken)
}

fn text(bytes: &[u8]) -> Result<&str, RowError> {
    std::str::from_utf8(bytes).map_err(|_| RowError::Broken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_message_reads_back(
            session in ".{0,40}", id in ".{0,40}", body in prop::collection::vec(any::<u8>(), 0..200),
            properties in prop::collection::btree_map("[a-z]{1,8}", ".{0,10}", 0..4),
        ) {
            let message = Outgoing {
                entity: Entity::Topic, message_id: id.clone(), session_id: session.clone(),
                body: body.into(), properties: properties.clone(),
            };
            let row = encode(&message).unwrap();
            let expected = Received {
                entity: Entity::Topic, message_id: Some(id), session_id: Some(session),
                sequence_number: Some(7), properties, body: message.body, attempt: 3,
                enqueued_at: None,
            };
            prop_assert_eq!(decode(&row, 7, 3).unwrap(), expected);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&bytes, 1, 1);
        }
    }
}
