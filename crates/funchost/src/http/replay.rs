//! A request body that can be sent again after a connection broke, without waiting for its end before the first send.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::client::BoxError;

/// The caller's body and what has been read of it. It keeps at most the body limit.
pub(super) struct Tape {
    shared: Arc<Mutex<Recording>>,
}

struct Recording {
    source: Incoming,
    frames: Vec<Bytes>,
    length: usize,
    limit: usize,
    ended: bool,
    /// Whether the caller, not the handler, is to blame for a failed send.
    failed: Option<Fault>,
}

/// What was wrong with the caller's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    TooLarge,
    Broken,
}

impl Tape {
    pub(super) fn new(source: Incoming, limit: usize) -> Self {
        let ended = source.is_end_stream();
        let recording = Recording { source, frames: Vec::new(), length: 0, limit, ended, failed: None };
        Self { shared: Arc::new(Mutex::new(recording)) }
    }

    /// The body from its start. Only the newest playback reads on where the recording ends.
    pub(super) fn play(&self) -> Playback {
        Playback { shared: Arc::clone(&self.shared), at: 0 }
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).failed
    }

    pub(super) fn is_empty(&self) -> bool {
        let recording = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        recording.ended && recording.frames.is_empty()
    }
}

pub(super) struct Playback {
    shared: Arc<Mutex<Recording>>,
    at: usize,
}

impl Recording {
    fn fail(&mut self, fault: Fault, error: BoxError) -> Option<Result<Frame<Bytes>, BoxError>> {
        self.failed = Some(fault);
        Some(Err(error))
    }
}

impl Body for Playback {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let shared = Arc::clone(&self.shared);
        let mut recording = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = recording.frames.get(self.at) {
            self.at += 1;
            return Poll::Ready(Some(Ok(Frame::data(bytes.clone()))));
        }
        while !recording.ended {
            let frame = match Pin::new(&mut recording.source).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    recording.ended = true;
                    break;
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(recording.fail(Fault::Broken, error.into()));
                }
                Poll::Ready(Some(Ok(frame))) => frame,
            };
            // Trailers end at this hop.
            let Ok(bytes) = frame.into_data() else { continue };
            recording.length += bytes.len();
            if recording.length > recording.limit {
                return Poll::Ready(recording.fail(Fault::TooLarge, "the body is too large".into()));
            }
            recording.frames.push(bytes.clone());
            self.at += 1;
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        let recording = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        recording.ended && self.at == recording.frames.len()
    }

    fn size_hint(&self) -> SizeHint {
        let recording = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if self.at == 0 && recording.frames.is_empty() {
            recording.source.size_hint()
        } else {
            SizeHint::default()
        }
    }
}
