//! The address at which whoever is being answered reaches us, for links in the answer.

use std::sync::Arc;

tokio::task_local! {
    static BASE: Arc<str>;
}

/// Everything that is awaited in `work` finds this base: scheme, host and port, without a slash at the end.
pub(crate) async fn by<T>(base: Arc<str>, work: impl Future<Output = T>) -> T {
    BASE.scope(base, work).await
}

/// `None` where nobody asked, as in what is sent to sockets.
#[must_use]
pub(crate) fn base() -> Option<Arc<str>> {
    BASE.try_with(Arc::clone).ok()
}
