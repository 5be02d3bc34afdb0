//! The contract of [`Moderator`].

use super::data::{conversation, message_id, odd_texts, user};
use crate::model::{Marker, bounds};
use crate::ports::moderator::Kind;
use crate::ports::{Judgement, Moderator, Question};

fn question(text: &str) -> Question {
    Question {
        kind: Kind::Message,
        text: text.into(),
        link: None,
        sender: user("ann"),
        rules: None,
        is_member: true,
        identity: None,
    }
}

async fn judged(moderator: &impl Moderator, text: &str) -> Judgement {
    moderator.judge(&question(text)).await.unwrap()
}

pub async fn harmless_texts_are_allowed<M: Moderator>(make: impl AsyncFn() -> M) {
    let moderator = make().await;
    for text in
        ["", "hello", "How are you today?", "Привет, как дела?", "漢字かな", "🦀🦀", "let x = [1, 2];"]
    {
        for kind in [Kind::Message, Kind::Name] {
            let question = Question { kind, ..question(text) };
            assert_eq!(moderator.judge(&question).await.unwrap(), Judgement::Allow, "{text}");
        }
    }
}

pub async fn the_worst_is_rejected<M: Moderator>(make: impl AsyncFn() -> M) {
    let moderator = make().await;
    for text in ["kys".to_owned(), format!("{} kys", "harmless words ".repeat(2_000))] {
        let Judgement::Reject { code, reason } = judged(&moderator, &text).await else { panic!("allowed") };
        assert!(!code.is_empty() && reason.ends_with('.'), "{code}: {reason}");
    }
}

pub async fn any_text_is_judged_and_no_mask_is_longer<M: Moderator>(make: impl AsyncFn() -> M) {
    let moderator = make().await;
    let longest = bounds::CONTENT_UTF16_UNITS;
    let mut texts = odd_texts();
    texts.extend(["shit ", "SHİT ß ", "ﷺ", "a\u{301}", "0123456789", "@#!$(|", "f u c k "].map(|part| {
        let units = part.encode_utf16().count();
        part.repeat(longest / units)
    }));
    for text in texts {
        if let Judgement::Mask { content } = judged(&moderator, &text).await {
            assert!(!content.is_empty());
            assert!(content.encode_utf16().count() <= text.encode_utf16().count(), "{text:?}");
        }
    }
}

pub async fn the_same_question_has_the_same_answer<M: Moderator>(make: impl AsyncFn() -> M) {
    let moderator = make().await;
    for text in ["hello", "oh shit", "kys"] {
        let first = judged(&moderator, text).await;
        for _ in 0..40 {
            assert_eq!(judged(&moderator, text).await, first);
        }
    }
}

pub async fn a_repeat_of_a_message_is_never_worse<M: Moderator>(make: impl AsyncFn() -> M) {
    let moderator = make().await;
    let identity = Some(Marker::new(&conversation("tea"), &user("ann"), &message_id("1")));
    let question = Question { identity, ..question("one and the same message") };
    for _ in 0..40 {
        assert_eq!(moderator.judge(&question).await.unwrap(), Judgement::Allow);
    }
}
