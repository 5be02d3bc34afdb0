use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::ports::{Judgement, Moderator, ModeratorError, Question};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Moderator + ?Sized, W: Around> Moderator for Wrapped<P, W> {
    async fn judge(&self, question: &Question) -> Result<Judgement, ModeratorError> {
        self.call(Call::again("moderator.judge"), || self.inner.judge(question)).await
    }
}
