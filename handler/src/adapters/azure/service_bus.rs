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
    /// Why the last send was refused to us as such, if it was.
    forbidden: Mutex<Option<String>>,
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
        "Service Bus does not let us send (401 or 403): the key is wrong, or has no Send right on the entity; an identity \
         needs the role `Azure Service Bus Data Sender` on the namespace, and an assignment takes minutes to take effect"
    )]
    Forbidden(#[source] azure_core21::Error),
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
            forbidden: Mutex::default(),
            wire,
        })
    }

    /// What an operator has to mend: what the last send was refused for, and how the entities break the law of the bus.
    pub async fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.forbidden().clone().into_iter().collect();
        warnings.extend(self.law.breaches().await);
        warnings
    }

    fn forbidden(&self) -> MutexGuard<'_, Option<String>> {
        self.forbidden.lock().unwrap_or_else(PoisonError::into_inner)
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
        *self.forbidden() = match &sent {
            Err(error @ SendError::Forbidden(_)) => Some(format!("{error}.")),
            _ => None,
        };
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

fn judged(error: azure_core21::Error) -> SendError {
    match error.downcast_ref::<Refused>().map(|refused| refused.status) {
        Some(413) => SendError::TooLarge,
        Some(401 | 403) => SendError::Forbidden(error),
        Some(404 | 410) => SendError::NoEntity(error),
        _ => SendError::Failed(error),
    }
}

impl From<SendError> for QueueError {
    fn from(error: SendError) -> Self {
        let retry_after = match &error {
            SendError::TooLarge => return Self::TooLarge { limit: MESSAGE_BYTES },
            SendError::Forbidden(cause) | SendError::NoEntity(cause) | SendError::Failed(cause) => {
                cause.downcast_ref::<Refused>().and_then(|refused| refused.retry_after)
            }
            SendError::NotText(_) => None,
        };
        Self::Unavailable { retry_after, source: Box::new(error) }
    }
}
