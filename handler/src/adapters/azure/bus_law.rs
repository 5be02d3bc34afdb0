//! What queue, topic and subscription must be set to. Each setting, when it is otherwise, loses or doubles accepted messages
//! without a word, so it is read where the connection may, and told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::wire::Wire;

/// How long an answer is believed: somebody who mends a setting looks whether that helped.
const MAX_AGE: Duration = Duration::from_secs(60);
/// As the service writes the longest time there is.
const UNLIMITED: &str = "P10675199D";
const LOCK: &str = "PT30S";
const DELIVERIES: u32 = 2_000;
const UNREAD: &str = "The settings of queue, topic or subscription could not be read, so nobody knows whether they keep the law of the \
                      bus (this needs the role `Azure Service Bus Data Owner`, or a key with the right `Manage`).";

/// The entities of one namespace and what is wrong with them.
pub(super) struct BusLaw {
    wire: Arc<Wire>,
    queue: String,
    topic: String,
    subscription: String,
    known: Mutex<Option<(Instant, Vec<String>)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Queue,
    Topic,
    Subscription,
}

impl BusLaw {
    pub(super) fn new(wire: Arc<Wire>, queue: &str, topic: &str, subscription: &str) -> Self {
        let (queue, topic, subscription) = (queue.to_owned(), topic.to_owned(), subscription.to_owned());
        Self { wire, queue, topic, subscription, known: Mutex::default() }
    }

    /// A sentence for each breach, and one where not all could be read, which takes the right to manage.
    pub(super) async fn breaches(&self) -> Vec<String> {
        if let Some((at, breaches)) = &*self.known()
            && at.elapsed() < MAX_AGE
        {
            return breaches.clone();
        }
        let subscription = format!("{}/subscriptions/{}", self.topic, self.subscription);
        let rules = format!("{subscription}/rules");
        let (queue, topic, of_subscription, rules) = tokio::join!(
            self.wire.describe(&self.queue),
            self.wire.describe(&self.topic),
            self.wire.describe(&subscription),
            self.wire.describe(&rules),
        );
        let told = [
            queue.and_then(|xml| breaches(Kind::Queue, &self.queue, &xml)),
            topic.and_then(|xml| breaches(Kind::Topic, &self.topic, &xml)),
            of_subscription.and_then(|xml| breaches(Kind::Subscription, &self.subscription, &xml)),
            rules.and_then(|xml| breaches_of_rules(&self.subscription, &xml)),
        ];
        let is_unread = told.iter().any(Option::is_none);
        let mut all: Vec<String> = told.into_iter().flatten().flatten().collect();
        all.extend(is_unread.then(|| UNREAD.to_owned()));
        *self.known() = Some((Instant::now(), all.clone()));
        all
    }

    fn known(&self) -> MutexGuard<'_, Option<(Instant, Vec<String>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None` for what is no description.
fn breaches(kind: Kind, name: &str, xml: &str) -> Option<Vec<String>> {
    let (word, root) = match kind {
        Kind::Queue => ("queue", "<QueueDescription"),
        Kind::Topic => ("topic", "<TopicDescription"),
        Kind::Subscription => ("subscription", "<SubscriptionDescription"),
    };
    if !xml.contains(root) {
        // For an entity it does not know the service answers with an empty list.
        let is_list = xml.contains("<feed");
        return is_list.then(|| vec![format!("There is no {word} `{name}`.")]);
    }
    let is = |element: &str, wanted: &str| text(xml, element).is_none_or(|text| text == wanted);
    let mut all = Vec::new();
    let mut tell = |is_kept: bool, breach: &str| {
        if !is_kept {
            all.push(format!("The {word} `{name}` {breach}."));
        }
    };
    if kind != Kind::Subscription {
        let breach =
            "has no duplicate detection, which can be set only when it is made: repeats cost a delivery each";
        tell(is("RequiresDuplicateDetection", "true"), breach);
    }
    let lifetime = text(xml, "DefaultMessageTimeToLive").unwrap_or(UNLIMITED);
    let breach = format!("lets messages expire after {lifetime}: those that wait out an outage are lost");
    tell(lifetime.starts_with(UNLIMITED), &breach);
    if kind == Kind::Topic {
        return Some(all);
    }
    let breach =
        "has no sessions, which can be set only when it is made: nothing keeps the order of a conversation";
    tell(is("RequiresSession", "true"), breach);
    let breach = "does not keep what expires as a dead letter: it is gone without a word";
    tell(is("DeadLetteringOnMessageExpiration", "true"), breach);
    let lock = text(xml, "LockDuration").unwrap_or(LOCK);
    let breach = format!("locks for {lock} instead of {LOCK}: what a dead instance held waits for so long");
    tell(lock == LOCK, &breach);
    let deliveries = text(xml, "MaxDeliveryCount").and_then(|text| text.parse().ok()).unwrap_or(DELIVERIES);
    let breach = format!(
        "gives a message up after {deliveries} deliveries instead of {DELIVERIES}: ten are gone in a moment of trouble"
    );
    tell(deliveries >= DELIVERIES, &breach);
    Some(all)
}

fn breaches_of_rules(subscription: &str, xml: &str) -> Option<Vec<String>> {
    if !xml.contains("<feed") {
        return None;
    }
    let is_one = xml.matches("<RuleDescription").count() == 1;
    let takes_all = text(xml, "SqlExpression").is_some_and(|rule| rule.trim() == "1=1");
    let breach = (!is_one || !takes_all).then(|| {
        format!(
            "The subscription `{subscription}` has not exactly the rule `1=1`: messages that no rule takes vanish, and those \
             that two take come twice."
        )
    });
    Some(breach.into_iter().collect())
}

/// The text of an element. In the service's descriptions these have neither attributes nor prefixes, and are there once.
fn text<'a>(xml: &'a str, element: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{element}>"))?;
    rest.split_once(&format!("</{element}>")).map(|(text, _)| text)
}

#[cfg(test)]
#[path = "bus_law_tests.rs"]
mod tests;
