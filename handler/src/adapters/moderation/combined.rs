use std::sync::Arc;

use async_trait::async_trait;

use crate::ports::{Judgement, Moderator, ModeratorError, Question};

/// Two moderators, of which the graver judgement counts. The second, which is the dearer one, is not asked where the first rejects.
pub struct Both {
    pub first: Arc<dyn Moderator>,
    pub second: Arc<dyn Moderator>,
}

#[async_trait]
impl Moderator for Both {
    async fn judge(&self, question: &Question) -> Result<Judgement, ModeratorError> {
        let first = self.first.judge(question).await?;
        let seen = match &first {
            Judgement::Reject { .. } => return Ok(first),
            Judgement::Mask { content } => Question { text: content.as_str().into(), ..question.clone() },
            _ => question.clone(),
        };
        let second = self.second.judge(&seen).await?;
        Ok(first.and(second))
    }
}

/// What happens to a text that a moderator of another machine does not judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    Allow,
    Hold,
    /// The sender hears that the moderator is away, and may come again.
    Refuse,
}

/// A moderator that may be away.
pub struct Lenient {
    pub inner: Arc<dyn Moderator>,
    pub on_failure: OnFailure,
}

#[async_trait]
impl Moderator for Lenient {
    async fn judge(&self, question: &Question) -> Result<Judgement, ModeratorError> {
        let error = match self.inner.judge(question).await {
            Ok(judgement) => return Ok(judgement),
            Err(error) => error,
        };
        match self.on_failure {
            OnFailure::Refuse => Err(error),
            OnFailure::Allow => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "published without the moderator's word"
                );
                Ok(Judgement::Allow)
            }
            OnFailure::Hold => {
                tracing::warn!(error = &error as &dyn std::error::Error, "held without the moderator's word");
                let reason = "Nobody could judge the message when it came.".to_owned();
                Ok(Judgement::Hold { content: None, code: "not_judged", reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::data::user;
    use crate::ports::moderator::Kind;

    struct Says(Option<Judgement>);

    #[async_trait]
    impl Moderator for Says {
        async fn judge(&self, _: &Question) -> Result<Judgement, ModeratorError> {
            self.0.clone().ok_or_else(|| ModeratorError::unavailable("away"))
        }
    }

    fn question() -> Question {
        Question {
            kind: Kind::Message,
            text: "a text".into(),
            link: None,
            sender: user("ann"),
            rules: None,
            is_member: false,
            identity: None,
        }
    }

    fn mask() -> Judgement {
        Judgement::Mask { content: "a ****".into() }
    }

    fn hold() -> Judgement {
        Judgement::Hold { content: None, code: "inappropriate", reason: "why".into() }
    }

    fn reject() -> Judgement {
        Judgement::Reject { code: "inappropriate", reason: "why".into() }
    }

    #[tokio::test]
    async fn the_graver_of_two_counts() {
        let held =
            Judgement::Hold { content: Some("a ****".into()), code: "inappropriate", reason: "why".into() };
        for (first, second, both) in [
            (Judgement::Allow, Judgement::Allow, Judgement::Allow),
            (mask(), Judgement::Allow, mask()),
            (Judgement::Allow, hold(), hold()),
            (hold(), Judgement::Allow, hold()),
            (mask(), hold(), held),
            (mask(), reject(), reject()),
            (hold(), reject(), reject()),
        ] {
            let (first, second) = (Arc::new(Says(Some(first))), Arc::new(Says(Some(second))));
            assert_eq!(Both { first, second }.judge(&question()).await.unwrap(), both);
        }
        let first_rejects = Both { first: Arc::new(Says(Some(reject()))), second: Arc::new(Says(None)) };
        assert_eq!(first_rejects.judge(&question()).await.unwrap(), reject(), "the second is not asked");
    }

    #[tokio::test]
    async fn a_moderator_that_is_away_decides_as_was_set() {
        let judge =
            async |on_failure| Lenient { inner: Arc::new(Says(None)), on_failure }.judge(&question()).await;
        assert_eq!(judge(OnFailure::Allow).await.unwrap(), Judgement::Allow);
        assert!(matches!(judge(OnFailure::Hold).await.unwrap(), Judgement::Hold { code: "not_judged", .. }));
        assert!(judge(OnFailure::Refuse).await.is_err());
    }
}
