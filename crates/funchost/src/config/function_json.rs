//! `function.json`: triggers and outputs.

use serde::Deserialize;

use super::Settings;
use crate::timer::Schedule;

/// One function folder.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// The folder's name, in its own case.
    pub name: String,
    pub trigger: Trigger,
    /// `serviceBus` outputs.
    pub queues: Vec<OutputQueue>,
    /// Whether it has exactly one input and one output, so that HTTP requests may be handed on as they are.
    pub plain_http: bool,
    pub(super) disabled: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Trigger {
    Http(HttpTrigger),
    ServiceBus(ServiceBusTrigger),
    Timer(TimerTrigger),
}

#[derive(Clone, Debug)]
pub(crate) struct HttpTrigger {
    pub binding: String,
    /// Name of the `http` output, as the handler answers it in JSON mode.
    pub output: String,
    /// Without the prefix.
    pub route: String,
    /// Upper case. Empty = every method.
    pub methods: Vec<String>,
    pub auth: AuthLevel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthLevel {
    Anonymous,
    Function,
    Admin,
}

#[derive(Clone, Debug)]
pub(crate) struct ServiceBusTrigger {
    pub binding: String,
    pub entity: EntityPath,
    /// Name of the setting with the connection string.
    pub connection: String,
    pub sessions: bool,
    pub cardinality: Cardinality,
    pub data_type: DataType,
}

/// What a trigger reads: a queue, a subscription, or the dead letters of either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityPath {
    /// `queue` or `topic/Subscriptions/name`.
    pub base: String,
    pub dead_letters: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cardinality {
    One,
    Many,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataType {
    Unset,
    String,
    Binary,
}

#[derive(Clone, Debug)]
pub(crate) struct TimerTrigger {
    pub binding: String,
    pub schedule: Schedule,
    pub run_on_startup: bool,
}

/// A `serviceBus` output: each element of what the handler returns under `binding` is sent to `entity`.
#[derive(Clone, Debug)]
pub(crate) struct OutputQueue {
    pub binding: String,
    pub entity: String,
    pub connection: String,
    pub data_type: DataType,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    disabled: bool,
    bindings: Vec<Binding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    r#type: String,
    #[serde(default)]
    direction: String,
    #[serde(default)]
    name: String,
    auth_level: Option<String>,
    route: Option<String>,
    methods: Option<Vec<String>>,
    queue_name: Option<String>,
    topic_name: Option<String>,
    subscription_name: Option<String>,
    connection: Option<String>,
    #[serde(default)]
    is_sessions_enabled: bool,
    cardinality: Option<String>,
    data_type: Option<String>,
    auto_complete_messages: Option<bool>,
    schedule: Option<String>,
    #[serde(default)]
    run_on_startup: bool,
}

impl Function {
    /// # Errors
    /// One sentence on the first thing that the host would not accept.
    pub(super) fn parse(name: &str, text: &str, settings: &Settings) -> Result<Self, String> {
        check_name(name)?;
        let raw: Raw = serde_json::from_str(text).map_err(|error| format!("is not valid: {error}"))?;
        let mut triggers =
            raw.bindings.iter().filter(|binding| binding.is("httpTrigger") || binding.ends_trigger());
        let trigger = triggers.next().ok_or("no trigger binding; a function has exactly one")?;
        if triggers.next().is_some() {
            return Err("more than one trigger binding; a function has exactly one".into());
        }
        let outputs: Vec<&Binding> =
            raw.bindings.iter().filter(|binding| !binding.is(&trigger.r#type)).collect();
        for binding in &raw.bindings {
            binding.check()?;
        }
        let queues = outputs
            .iter()
            .filter(|binding| binding.is("serviceBus"))
            .map(|binding| binding.output_queue(settings))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: name.into(),
            trigger: trigger.trigger(name, &outputs, settings)?,
            queues,
            plain_http: trigger.is("httpTrigger")
                && outputs.len() == 1
                && outputs.iter().all(|it| it.is("http")),
            disabled: raw.disabled,
        })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let rest_is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let fine = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(rest_is_fine)
        && name.len() <= 128;
    if fine {
        Ok(())
    } else {
        Err("the folder's name is no function name (a letter, then letters, digits, _ or -)".into())
    }
}

impl Binding {
    fn is(&self, kind: &str) -> bool {
        self.r#type.eq_ignore_ascii_case(kind)
    }

    fn ends_trigger(&self) -> bool {
        self.r#type.to_ascii_lowercase().ends_with("trigger") && !self.is("httpTrigger")
    }

    fn check(&self) -> Result<(), String> {
        let (known, direction) = match self.r#type.to_ascii_lowercase().as_str() {
            "httptrigger" | "servicebustrigger" | "timertrigger" => (true, "in"),
            "http" | "servicebus" => (true, "out"),
            _ => (false, ""),
        };
        if !known {
            return Err(format!("the double has no binding of type \"{}\"", self.r#type));
        }
        if self.name.is_empty() {
            return Err(format!("the {} binding has no name", self.r#type));
        }
        // The host takes `in` for a binding that does not say.
        let said = if self.direction.is_empty() { "in" } else { &self.direction };
        if said.eq_ignore_ascii_case(direction) {
            Ok(())
        } else {
            Err(format!("the {} binding \"{}\" must have direction \"{direction}\"", self.r#type, self.name))
        }
    }

    fn trigger(&self, function: &str, outputs: &[&Binding], settings: &Settings) -> Result<Trigger, String> {
        match self.r#type.to_ascii_lowercase().as_str() {
            "httptrigger" => self.http(function, outputs).map(Trigger::Http),
            "servicebustrigger" => self.service_bus(settings).map(Trigger::ServiceBus),
            "timertrigger" => self.timer(settings).map(Trigger::Timer),
            _ => Err(format!("the double has no binding of type \"{}\"", self.r#type)),
        }
    }

    fn http(&self, function: &str, outputs: &[&Binding]) -> Result<HttpTrigger, String> {
        let output =
            outputs.iter().find(|binding| binding.is("http")).ok_or("an httpTrigger needs an http output")?;
        let route = self.route.clone().unwrap_or_else(|| function.to_owned());
        if route.starts_with(['/', '~']) {
            return Err(format!("the route template \"{route}\" cannot start with '/' or '~'"));
        }
        let auth = match self.auth_level.as_deref().unwrap_or("function").to_ascii_lowercase().as_str() {
            "anonymous" => AuthLevel::Anonymous,
            "function" => AuthLevel::Function,
            "admin" => AuthLevel::Admin,
            other => return Err(format!("authLevel \"{other}\" is not anonymous, function or admin")),
        };
        let methods = self.methods.iter().flatten().map(|method| method.to_ascii_uppercase()).collect();
        Ok(HttpTrigger { binding: self.name.clone(), output: output.name.clone(), route, methods, auth })
    }

    fn service_bus(&self, settings: &Settings) -> Result<ServiceBusTrigger, String> {
        let path = match (&self.queue_name, &self.topic_name, &self.subscription_name) {
            (Some(queue), None, None) => settings.expand(queue)?,
            (None, Some(topic), Some(subscription)) => {
                format!("{}/Subscriptions/{}", settings.expand(topic)?, settings.expand(subscription)?)
            }
            _ => {
                return Err(
                    "a serviceBusTrigger has a queueName, or a topicName and a subscriptionName".into()
                );
            }
        };
        if self.auto_complete_messages == Some(false) {
            return Err("the double always completes messages (autoCompleteMessages)".into());
        }
        let entity = EntityPath::parse(&path);
        if entity.dead_letters && self.is_sessions_enabled {
            return Err("a dead-letter queue has no sessions (isSessionsEnabled)".into());
        }
        Ok(ServiceBusTrigger {
            binding: self.name.clone(),
            entity,
            connection: self.connection(),
            sessions: self.is_sessions_enabled,
            cardinality: self.cardinality()?,
            data_type: self.data_type()?,
        })
    }

    fn timer(&self, settings: &Settings) -> Result<TimerTrigger, String> {
        let text = settings.expand(self.schedule.as_deref().ok_or("a timerTrigger needs a schedule")?)?;
        let schedule = Schedule::parse(&text)?;
        Ok(TimerTrigger { binding: self.name.clone(), schedule, run_on_startup: self.run_on_startup })
    }

    fn output_queue(&self, settings: &Settings) -> Result<OutputQueue, String> {
        let entity = self
            .queue_name
            .as_ref()
            .or(self.topic_name.as_ref())
            .ok_or("a serviceBus output has a queueName or a topicName")?;
        Ok(OutputQueue {
            binding: self.name.clone(),
            entity: settings.expand(entity)?,
            connection: self.connection(),
            data_type: self.data_type()?,
        })
    }

    /// Without a name the extension looks for `AzureWebJobsServiceBus`.
    fn connection(&self) -> String {
        self.connection
            .clone()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "AzureWebJobsServiceBus".into())
    }

    fn cardinality(&self) -> Result<Cardinality, String> {
        match self.cardinality.as_deref().unwrap_or("one").to_ascii_lowercase().as_str() {
            "one" => Ok(Cardinality::One),
            "many" => Ok(Cardinality::Many),
            other => Err(format!("cardinality \"{other}\" is not one or many")),
        }
    }

    fn data_type(&self) -> Result<DataType, String> {
        match self.data_type.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None => Ok(DataType::Unset),
            Some("string") => Ok(DataType::String),
            Some("binary" | "stream") => Ok(DataType::Binary),
            Some(other) => Err(format!("dataType \"{other}\" is not string, binary or stream")),
        }
    }
}

impl EntityPath {
    /// Reads `queue`, `topic/Subscriptions/name`, either with `/$deadletterqueue` behind it.
    #[must_use]
    pub(crate) fn parse(path: &str) -> Self {
        const SUFFIX: &str = "/$deadletterqueue";
        let cut = path.len().saturating_sub(SUFFIX.len());
        match path.get(cut..) {
            Some(end) if end.eq_ignore_ascii_case(SUFFIX) => {
                Self { base: path[..cut].into(), dead_letters: true }
            }
            _ => Self { base: path.into(), dead_letters: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Function, String> {
        Function::parse("f", text, &Settings::default())
    }

    #[test]
    fn a_second_output_makes_json_mode() {
        let one = r#"{"bindings":[{"type":"httpTrigger","direction":"in","name":"req"},{"type":"http","direction":"out","name":"res"}]}"#;
        assert!(parse(one).unwrap().plain_http);
        let two = r#"{"bindings":[{"type":"httpTrigger","direction":"in","name":"req"},{"type":"http","direction":"out","name":"res"},
            {"type":"serviceBus","direction":"out","name":"out","queueName":"q"}]}"#;
        assert!(!parse(two).unwrap().plain_http);
    }

    #[test]
    fn refuses_with_a_sentence() {
        for (text, says) in [
            ("[", "is not valid"),
            (r#"{"bindings":[]}"#, "no trigger"),
            (
                r#"{"bindings":[{"type":"blobTrigger","direction":"in","name":"b"}]}"#,
                "no binding of type \"blobTrigger\"",
            ),
            (
                r#"{"bindings":[{"type":"httpTrigger","direction":"in","name":"req"}]}"#,
                "needs an http output",
            ),
            (
                r#"{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"m","queueName":"%NONE%"}]}"#,
                "does not resolve",
            ),
            (
                r#"{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"m","topicName":"t"}]}"#,
                "a topicName and a subscriptionName",
            ),
            (
                r#"{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"m","queueName":"q/$deadletterqueue","isSessionsEnabled":true}]}"#,
                "no sessions",
            ),
            (
                r#"{"bindings":[{"type":"timerTrigger","direction":"in","name":"t","schedule":"* *"}]}"#,
                "six fields",
            ),
            (
                r#"{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","route":"/x"},{"type":"http","direction":"out","name":"res"}]}"#,
                "cannot start with '/'",
            ),
            (
                r#"{"bindings":[{"type":"httpTrigger","direction":"out","name":"req"},{"type":"http","direction":"out","name":"res"}]}"#,
                "direction \"in\"",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn dead_letters_are_part_of_the_path() {
        let path = EntityPath::parse("chat-queue/$DeadLetterQueue");
        assert_eq!(path, EntityPath { base: "chat-queue".into(), dead_letters: true });
        assert!(!EntityPath::parse("q").dead_letters);
    }
}
