//! What live connections ask of reports and reviews. The answers carry what the REST calls of the same name answer.

use bytes::Bytes;
use serde::Serialize;

use super::fields::{Field, Fields};
use super::live::{limit_of, missing, room_of};
use super::live_messages::{seq_of, venue_of};
use super::reviews::desk_of;
use super::{Caller, Chat, Refused, Reported, ReviewPage, ReviewView, RulesView, view};

/// Answers, by `type`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer {
    Reported(Reported),
    Reviews(ReviewPage),
    Reviewed { review: ReviewView },
    Rules(RulesView),
}

impl Chat {
    pub(super) async fn act_on_reviews(
        &self,
        caller: &Caller,
        action: &str,
        fields: &mut Fields,
    ) -> Result<Bytes, Refused> {
        let answer = match action {
            "report" => {
                let (venue, seq) = (venue_of(fields)?, seq_of(fields)?);
                let reason = fields.text(Field::Reason)?;
                Answer::Reported(self.report(caller, &venue, seq, reason.as_deref()).await?)
            }
            "reviews" => {
                let desk = desk_of(fields.text(Field::Room)?.as_deref())?;
                let (after, limit) = (fields.text(Field::After)?, limit_of(fields)?);
                Answer::Reviews(self.reviews(caller, &desk, after.as_deref(), limit).await?)
            }
            "rules" => Answer::Rules(self.rules(caller, &room_of(fields)?).await?),
            _ => {
                let desk = desk_of(fields.text(Field::Room)?.as_deref())?;
                let review = fields.text(Field::Review)?.ok_or_else(|| missing(fields, Field::Review))?;
                let decision =
                    fields.text(Field::Decision)?.ok_or_else(|| missing(fields, Field::Decision))?;
                let reason = fields.text(Field::Reason)?;
                let review = self.decide(caller, &desk, &review, &decision, reason.as_deref()).await?;
                Answer::Reviewed { review }
            }
        };
        Ok(view::encode(&answer))
    }
}
