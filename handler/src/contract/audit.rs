//! The contract of [`Audit`].

use futures_util::future::join_all;

use super::data::{at, audit_record, odd_texts, user};
use crate::model::Origin;
use crate::model::bounds::DAY_MILLIS as DAY;
use crate::ports::{Audit, AuditKey, AuditOutcome, AuditPlace, AuditRecord};

async fn targets(audit: &impl Audit, before: Option<&AuditPlace>, limit: usize) -> Vec<String> {
    let page = audit.list(before, limit).await.unwrap();
    page.into_iter().map(|record| record.target.unwrap()).collect()
}

pub async fn records_are_listed_newest_first_before_the_cursor<A: Audit>(make: impl AsyncFn() -> A) {
    let audit = make().await;
    assert_eq!(targets(&audit, None, 9).await, [""; 0]);
    for (key, millis) in
        [("now", 9), ("first", 1), ("later", 8 + 3 * DAY), ("same", 9), ("next day", DAY + 9)]
    {
        audit.append(&audit_record(key, millis)).await.unwrap();
    }
    // Of one millisecond, by key.
    let (one, other) =
        if AuditKey::of(["now"]) > AuditKey::of(["same"]) { ("now", "same") } else { ("same", "now") };
    let order = ["later", "next day", one, other, "first"];
    assert_eq!(targets(&audit, None, 9).await, order);
    assert_eq!(targets(&audit, None, 2).await, order[..2]);
    assert_eq!(targets(&audit, None, 0).await, [""; 0]);
    let all = audit.list(None, 9).await.unwrap();
    for (index, record) in all.iter().enumerate() {
        assert_eq!(targets(&audit, Some(&record.place()), 9).await, order[index + 1..]);
        assert_eq!(
            targets(&audit, Some(&record.place()), 1).await,
            order[index + 1..].get(..1).unwrap_or(&[])
        );
    }
    assert_eq!(all[4], audit_record("first", 1));
    let nowhere = audit_record("nowhere", DAY).place();
    assert_eq!(targets(&audit, Some(&nowhere), 9).await, order[2..], "the cursor need not exist");
}

pub async fn a_key_is_recorded_once<A: Audit>(make: impl AsyncFn() -> A) {
    let audit = make().await;
    let first = audit_record("same", 1);
    assert_eq!(audit.append(&first).await.unwrap(), first.place());
    let again = AuditRecord { reason: None, by: Some(user("eve")), at: at(5 * DAY), ..first.clone() };
    assert_eq!(audit.append(&again).await.unwrap(), first.place(), "a repeat is told where the first stands");
    assert_eq!(audit.list(None, 9).await.unwrap(), [first]);
}

pub async fn racing_records_of_a_key_are_one<A: Audit>(make: impl AsyncFn() -> A) {
    let audit = make().await;
    let records: Vec<_> =
        (0..8).map(|n| AuditRecord { at: at(n * DAY), ..audit_record("same", 0) }).collect();
    let places = join_all(records.iter().map(|record| audit.append(record))).await;
    let places: Vec<_> = places.into_iter().map(Result::unwrap).collect();
    let all = audit.list(None, 99).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(places, [all[0].place(); 8]);
}

pub async fn an_outcome_is_settled_once<A: Audit>(make: impl AsyncFn() -> A) {
    let audit = make().await;
    let first = audit_record("a", 1);
    let place = audit.append(&first).await.unwrap();
    let refused = AuditOutcome::Refused { code: "banned".into() };
    audit.settle(&place, &refused).await.unwrap();
    audit.settle(&place, &AuditOutcome::Done).await.unwrap();
    audit.append(&first).await.unwrap();
    assert_eq!(audit.list(None, 9).await.unwrap(), [AuditRecord { outcome: refused, ..first }]);
    let done = AuditRecord { outcome: AuditOutcome::Done, ..audit_record("b", 2) };
    audit.append(&done).await.unwrap();
    audit.settle(&done.place(), &AuditOutcome::Begun).await.unwrap();
    audit.settle(&audit_record("nowhere", 3).place(), &AuditOutcome::Done).await.unwrap();
    assert_eq!(audit.list(None, 1).await.unwrap(), [done]);
    assert_eq!(audit.list(None, 9).await.unwrap().len(), 2);
}

pub async fn what_is_over_is_forgotten_in_rounds<A: Audit>(make: impl AsyncFn() -> A) {
    let audit = make().await;
    for n in 0..5 {
        audit.append(&audit_record(&n.to_string(), n * DAY / 2)).await.unwrap();
    }
    assert_eq!(audit.forget(at(0), 9).await.unwrap(), 0, "the moment itself is not before it");
    assert_eq!(audit.forget(at(3 * DAY / 2), 2).await.unwrap(), 2);
    assert_eq!(audit.list(None, 9).await.unwrap().len(), 3);
    assert_eq!(audit.forget(at(3 * DAY / 2), 9).await.unwrap(), 1);
    assert_eq!(audit.forget(at(3 * DAY / 2), 9).await.unwrap(), 0);
    assert_eq!(targets(&audit, None, 9).await, ["4", "3"]);
}

pub async fn a_forgotten_key_is_new_again<A: Audit>(make: impl AsyncFn() -> A) {
    let audit = make().await;
    audit.append(&audit_record("a", 1)).await.unwrap();
    assert_eq!(audit.forget(at(2), 9).await.unwrap(), 1);
    let anew = audit_record("a", 7);
    assert_eq!(audit.append(&anew).await.unwrap(), anew.place());
    assert_eq!(audit.list(None, 9).await.unwrap(), [anew]);
}

pub async fn odd_texts_come_back_as_they_were<A: Audit>(make: impl AsyncFn() -> A) {
    let audit = make().await;
    for (n, text) in odd_texts().iter().enumerate() {
        let odd = AuditRecord {
            by: Some(user(text)),
            on: Some(user(text)),
            target: Some(text.clone()),
            reason: Some(text.repeat(4)),
            origin: Origin::connection("abc-9_"),
            room: None,
            conversation: None,
            ..audit_record(text, n as u64)
        };
        audit.append(&odd).await.unwrap();
        assert_eq!(audit.list(None, 1).await.unwrap(), [odd]);
    }
}

pub async fn everything_is_there_again<A: Audit>(make: impl AsyncFn() -> A) {
    let audit = make().await;
    let place = audit.append(&audit_record("a", 1)).await.unwrap();
    audit.settle(&place, &AuditOutcome::Done).await.unwrap();
    audit.append(&audit_record("b", 2)).await.unwrap();
    drop(audit);

    let audit = make().await;
    assert_eq!(targets(&audit, None, 9).await, ["b", "a"]);
    assert_eq!(audit.list(None, 9).await.unwrap()[1].outcome, AuditOutcome::Done);
    audit.append(&audit_record("a", 9)).await.unwrap();
    assert_eq!(targets(&audit, None, 9).await, ["b", "a"], "a key is known after a start");
}
