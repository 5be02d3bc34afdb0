//! What comes in through a link: no more than is permitted, and not for ever.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::ports::{Content, LinkError};

/// Until the next bytes come.
const PAUSE: Duration = Duration::from_secs(30);
/// For all of it.
const WHOLE: Duration = Duration::from_secs(10 * 60);

pub(super) struct Receiving {
    content: Content,
    limit: u64,
    bytes: u64,
    until: Instant,
}

impl Receiving {
    pub(super) fn new(content: Content, limit: u64) -> Self {
        Self { content, limit, bytes: 0, until: Instant::now() + WHOLE }
    }

    /// `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, LinkError> {
        let until = self.until.min(Instant::now() + PAUSE);
        let next = timeout_at(until, self.content.next()).await.map_err(|_| LinkError::Slow)?;
        let Some(chunk) = next else { return Ok(None) };
        let chunk = chunk.map_err(|_| LinkError::Broken)?;
        self.bytes += chunk.len() as u64;
        if self.bytes > self.limit {
            return Err(LinkError::TooLarge { limit: self.limit });
        }
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_trickles_or_stops_is_given_up() {
        let started = Instant::now();
        let mut silent = Receiving::new(stream::pending().boxed(), 9);
        assert!(matches!(silent.next().await, Err(LinkError::Slow)));
        assert_eq!(started.elapsed(), PAUSE);
        let trickle = stream::unfold((), async |()| {
            tokio::time::sleep(PAUSE / 2).await;
            Some((Ok(Bytes::from_static(b"x")), ()))
        });
        let mut trickle = Receiving::new(trickle.boxed(), 1_000);
        let started = Instant::now();
        while trickle.next().await.is_ok() {}
        assert_eq!(started.elapsed(), WHOLE);
    }

    #[tokio::test]
    async fn what_is_too_much_is_refused_as_it_comes() {
        let content = stream::repeat_with(|| Ok(Bytes::from_static(b"xxxx"))).boxed();
        let mut coming = Receiving::new(content, 9);
        assert!(coming.next().await.is_ok() && coming.next().await.is_ok());
        assert!(matches!(coming.next().await, Err(LinkError::TooLarge { limit: 9 })));
    }
}
