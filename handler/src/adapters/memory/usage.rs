use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::UsageReport;
use crate::ports::{StoreError, Usage};

/// Right where one process is the whole deployment.
#[derive(Debug, Default)]
pub struct MemoryUsage {
    reports: Mutex<BTreeMap<String, UsageReport>>,
}

impl MemoryUsage {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn reports(&self) -> MutexGuard<'_, BTreeMap<String, UsageReport>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Usage for MemoryUsage {
    async fn tell(&self, report: &UsageReport) -> Result<(), StoreError> {
        self.reports().insert(report.instance.clone(), report.clone());
        Ok(())
    }

    async fn forget(&self, instance: &str) -> Result<(), StoreError> {
        self.reports().remove(instance);
        Ok(())
    }

    async fn all(&self) -> Result<Vec<UsageReport>, StoreError> {
        Ok(self.reports().values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(usage, MemoryUsage::new);
}
