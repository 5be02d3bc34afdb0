use async_trait::async_trait;

use super::StoreError;
use crate::model::UsageReport;

/// What the processes of a deployment tell each other of the limits they keep. Nothing in it has to be durable.
///
/// # Contract
/// An `Ok` is visible to every later call. Each call is atomic and may be repeated.
#[async_trait]
pub trait Usage: Send + Sync {
    /// Stores what a process tells, in place of its former word. It has at most [`bounds::USAGE_COUNTS`] counts.
    ///
    /// [`bounds::USAGE_COUNTS`]: crate::model::bounds::USAGE_COUNTS
    async fn tell(&self, report: &UsageReport) -> Result<(), StoreError>;

    /// Forgets a process; one that never told anything is `Ok`.
    async fn forget(&self, instance: &str) -> Result<(), StoreError>;

    /// The last word of every process, by instance.
    async fn all(&self) -> Result<Vec<UsageReport>, StoreError>;
}
