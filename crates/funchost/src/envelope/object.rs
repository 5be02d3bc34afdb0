//! A JSON object that keeps the order of its members and finds them whatever their case, as the host's does.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    members: Vec<(String, Node)>,
}

/// A member's value.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Object(Object),
    Value(Value),
    /// JSON text taken over as it is.
    Raw(Box<RawValue>),
}

impl Object {
    /// Sets a member. One that is there keeps its place and the case of its name.
    pub(crate) fn set(&mut self, name: &str, value: Node) {
        match self.members.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, known)) => *known = value,
            None => self.members.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    pub(crate) fn to_json(&self) -> String {
        // Names are text and values are JSON already, so writing cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Node {
    /// A text encoded once.
    pub(crate) fn text(text: &str) -> Self {
        Self::Value(text.into())
    }

    /// A value encoded twice.
    pub(crate) fn double(value: &Value) -> Self {
        Self::text(&value.to_string())
    }

    pub(crate) fn null() -> Self {
        Self::Value(Value::Null)
    }
}

impl From<Object> for Node {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Value(value.into())
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(object) => object.serialize(serializer),
            Self::Value(value) => value.serialize(serializer),
            Self::Raw(raw) => raw.serialize(serializer),
        }
    }
}
