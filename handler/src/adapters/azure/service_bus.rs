use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use azure_messaging_servicebus::service_bus::{
    QueueClient, SendMessageOptions, SettableBrokerProperties, TopicClient, TopicSender,
};

use super::bus_law::BusLaw;
use super::sas::SharedKey;
use super::wire::{Proof, Refused, Wire};
use super::{BusHost, ConnectionString, Http, Identity};
use crate::ports::queue::MESSAGE_BYTES;
use crate::ports::{Clock, Entity, Outgoing, Properties, Queue, QueueError};

/// Sends to a queue and a topic of Service Bus over REST: one POST a message, no connection to open on a cold start.
/// `Ok` is the broker's 201, so the message is stored. Receiving is the Functions host's work.
///
/// Service Bus compares MessageIds: a repeat within its window is dropped, and reported as sent.
pub struct ServiceBus {
    wire: Arc<Wire>,
    queue: QueueClient,
    topic: TopicSender,
    law: BusLaw,
    /// Why the last send was refused, if an operator can mend it.
    to_mend: Mutex<Option<String>>,
}

/// The names of queue, topic and the topic's subscription.
#[derive(Clone, Copy, Debug)]
pub struct BusEntities<'a> {
    pub queue: &'a str,
    pub topic: &'a str,
    pub subscription: &'a str,
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(
        "Service Bus does not let us send: the key is wrong, or has no Send right on the entity; an identity needs the role \
         `Azure Service Bus Data Sender` on the namespace, and an assignment takes minutes to take effect; the namespace's \
         network rules may keep this machine out"
    )]
    Forbidden(#[source] azure_core21::Error),
    #[error(
        "Service Bus has no room for the message: queue or topic is full, or another quota of the namespace is used up. It \
         takes messages again when those that wait, dead letters included, are taken out, or when it may be larger"
    )]
    Full(#[source] azure_core21::Error),
    #[error(
        "Service Bus refuses the message (403): a quota is used up, such as the size of queue or topic, dead letters \
         included; or the role `Azure Service Bus Data Sender`, the Send right or a network rule is missing"
    )]
    FullOrForbidden(#[source] azure_core21::Error),
    #[error("there is no such queue or topic in the namespace")]
    NoEntity(#[source] azure_core21::Error),
    #[error("the message is larger than Service Bus takes")]
    TooLarge,
    #[error("Service Bus did not take the message")]
    Failed(#[source] azure_core21::Error),
    #[error("the body is not UTF-8, which is all this sender can carry")]
    NotText(#[source] std::str::Utf8Error),
}

impl ServiceBus {
    /// With a shared access key. Opens no connection yet.
    pub fn with_key(
        connection: ConnectionString,
        entities: BusEntities<'_>,
        clock: Arc<dyn Clock>,
        http: &Http,
    ) -> azure_core21::Result<Self> {
        let key = SharedKey::new(connection.key_name, &connection.key, clock);
        Self::new(Wire::new(connection.base, Proof::Key(key), http), entities)
    }

    /// With an identity. Opens no connection yet, and asks for no token.
    pub fn with_identity(
        host: BusHost,
        entities: BusEntities<'_>,
        identity: Identity,
        http: &Http,
    ) -> azure_core21::Result<Self> {
        Self::new(Wire::new(host.0, Proof::Identity(identity), http), entities)
    }

    fn new(wire: Wire, entities: BusEntities<'_>) -> azure_core21::Result<Self> {
        let BusEntities { queue, topic, subscription } = entities;
        // What the client builds from these, host and signature, the wire puts its own in place of.
        let (namespace, nobody, nothing) = ("namespace", "", "");
        let wire = Arc::new(wire);
        Ok(Self {
            queue: QueueClient::new(wire.clone(), namespace, queue, nobody, nothing)?,
            topic: TopicClient::new(wire.clone(), namespace, topic, nobody, nothing)?.topic_sender(),
            law: BusLaw::new(Arc::clone(&wire), queue, topic, subscription),
            to_mend: Mutex::default(),
            wire,
        })
    }

    /// What an operator has to mend: what the last send was refused for, and how the entities break the law of the bus.
    pub async fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.to_mend().clone().into_iter().collect();
        warnings.extend(self.law.breaches().await);
        warnings
    }

    fn to_mend(&self) -> MutexGuard<'_, Option<String>> {
        self.to_mend.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for ServiceBus {
    async fn send(&self, message: Outgoing) -> Result<(), QueueError> {
        if message.size() > MESSAGE_BYTES {
            return Err(QueueError::TooLarge { limit: MESSAGE_BYTES });
        }
        let body = std::str::from_utf8(&message.body).map_err(SendError::NotText)?;
        let options = SendMessageOptions {
            content_type: Some("application/json".to_owned()),
            broker_properties: Some(SettableBrokerProperties {
                message_id: Some(message.message_id),
                session_id: Some(message.session_id),
                ..SettableBrokerProperties::default()
            }),
            custom_properties: Some(quoted(message.properties)),
        };
        let sent = match message.entity {
            Entity::Queue => self.queue.send_message(body, Some(options)).await,
            Entity::Topic => self.topic.send_message(body, Some(options)).await,
        };
        let sent = sent.map_err(judged);
        *self.to_mend() =
            sent.as_ref().err().filter(|error| error.can_be_mended()).map(|error| format!("{error}."));
        sent.map_err(QueueError::from)
    }

    /// Whether the namespace answers. No call of the wire tells whether we may send without sending.
    async fn check(&self) -> Result<(), QueueError> {
        self.wire.reach().await.map_err(QueueError::unavailable)
    }
}

/// A property's text stands in quotes on this wire; without them `123` would arrive as a number.
fn quoted(properties: Properties) -> HashMap<String, String> {
    properties.into_iter().map(|(name, value)| (name, serde_json::Value::String(value).to_string())).collect()
}

/// 401 is a matter of rights. 403 is documented for quotas and for messages that are too large, and network rules answer with
/// it too, so that its text decides where it is one that we know.
fn judged(error: azure_core21::Error) -> SendError {
    let Some(refused) = error.downcast_ref::<Refused>() else { return SendError::Failed(error) };
    match refused.status {
        413 => SendError::TooLarge,
        401 => SendError::Forbidden(error),
        403 => match meaning(&refused.detail) {
            Some(Meaning::TooLarge) => SendError::TooLarge,
            Some(Meaning::Full) => SendError::Full(error),
            Some(Meaning::Forbidden) => SendError::Forbidden(error),
            None => SendError::FullOrForbidden(error),
        },
        404 | 410 => SendError::NoEntity(error),
        _ => SendError::Failed(error),
    }
}

/// What a 403 can mean.
#[derive(Clone, Copy)]
enum Meaning {
    TooLarge,
    Full,
    Forbidden,
}

/// By words of the service's texts, the first that is found.
fn meaning(detail: &str) -> Option<Meaning> {
    let detail = detail.to_lowercase();
    let words = [
        ("entity size", Meaning::Full),
        ("quota", Meaning::Full),
        ("messagesizeexceeded", Meaning::TooLarge),
        ("message size", Meaning::TooLarge),
        ("claim", Meaning::Forbidden),
        ("authoriz", Meaning::Forbidden),
        ("prevented to connect", Meaning::Forbidden),
        ("public network access", Meaning::Forbidden),
    ];
    words.into_iter().find(|(word, _)| detail.contains(word)).map(|(_, meaning)| meaning)
}

impl SendError {
    fn can_be_mended(&self) -> bool {
        matches!(self, Self::Forbidden(_) | Self::Full(_) | Self::FullOrForbidden(_))
    }
}

impl From<SendError> for QueueError {
    fn from(error: SendError) -> Self {
        let retry_after = match &error {
            SendError::TooLarge => return Self::TooLarge { limit: MESSAGE_BYTES },
            SendError::Forbidden(cause)
            | SendError::Full(cause)
            | SendError::FullOrForbidden(cause)
            | SendError::NoEntity(cause)
            | SendError::Failed(cause) => {
                cause.downcast_ref::<Refused>().and_then(|refused| refused.retry_after)
            }
            SendError::NotText(_) => None,
        };
        Self::Unavailable { retry_after, source: Box::new(error) }
    }
}
