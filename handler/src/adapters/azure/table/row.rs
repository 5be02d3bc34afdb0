//! One entity: its keys, and columns of the types we use.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{STORE, keys};
use crate::ports::StoreError;

/// UTF-16 units of one text column: the service takes 32 Ki.
const COLUMN_UNITS: usize = 32_000;
/// Bytes of one binary column: the service takes 64 KiB.
const COLUMN_BYTES: usize = 64_000;
/// A JSON text of more UTF-16 units than this is stored as bytes, which count half as much for the row's 1 MiB.
const TEXT_UNITS: usize = 200_000;
const JSON: &str = "Data";
const TYPE: &str = "@odata.type";

#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    columns: Map<String, Value>,
}

impl Row {
    /// Refuses keys that are too long, before the service is asked.
    pub(super) fn new(partition: &str, key: &str) -> Result<Self, StoreError> {
        let mut columns = Map::new();
        columns.insert("PartitionKey".to_owned(), keys::checked(partition.to_owned())?.into());
        columns.insert("RowKey".to_owned(), keys::checked(key.to_owned())?.into());
        Ok(Self { columns })
    }

    pub(super) const fn read(columns: Map<String, Value>) -> Self {
        Self { columns }
    }

    pub(super) const fn columns(&self) -> &Map<String, Value> {
        &self.columns
    }

    /// About what it takes on the wire.
    pub(super) fn bytes(&self) -> usize {
        let of = |value: &Value| match value {
            Value::String(text) => text.len() + text.bytes().filter(|byte| *byte < 0x20).count() * 5,
            _ => 24,
        };
        600 + self.columns.iter().map(|(name, value)| name.len() + 8 + of(value)).sum::<usize>()
    }

    /// A text of at most [`COLUMN_UNITS`]; for people and filters too.
    pub(super) fn text(mut self, name: &str, text: &str) -> Self {
        self.columns.insert(name.to_owned(), text.into());
        self
    }

    pub(super) fn number(mut self, name: &str, number: u64) -> Self {
        self.columns.insert(name.to_owned(), number.to_string().into());
        self.columns.insert(format!("{name}{TYPE}"), "Edm.Int64".into());
        self
    }

    pub(super) fn flag(mut self, name: &str, flag: bool) -> Self {
        self.columns.insert(name.to_owned(), flag.into());
        self
    }

    /// A value as JSON, in as many columns as it needs: `Data`, `Data1`, …
    pub(super) fn json<T: Serialize>(mut self, value: &T) -> Result<Self, StoreError> {
        let text = json_text(value)?;
        let units = text.encode_utf16().count();
        if units <= TEXT_UNITS {
            for (at, part) in text_parts(&text).into_iter().enumerate() {
                self.columns.insert(column(at), part.into());
            }
        } else {
            for (at, part) in text.as_bytes().chunks(COLUMN_BYTES).enumerate() {
                self.columns.insert(column(at), STANDARD.encode(part).into());
                self.columns.insert(format!("{}{TYPE}", column(at)), "Edm.Binary".into());
            }
        }
        Ok(self)
    }

    pub(super) fn key(&self) -> Result<&str, StoreError> {
        self.get_text("RowKey")
    }

    /// What has to be named for a conditional write.
    pub(super) fn etag(&self) -> Result<&str, StoreError> {
        self.get_text("odata.etag")
    }

    pub(super) fn find_text(&self, name: &str) -> Option<&str> {
        self.columns.get(name)?.as_str()
    }

    pub(super) fn get_text(&self, name: &str) -> Result<&str, StoreError> {
        self.find_text(name).ok_or_else(|| corrupt(format!("a row without {name}")))
    }

    pub(super) fn get_number(&self, name: &str) -> Result<u64, StoreError> {
        self.get_text(name)?.parse().map_err(corrupt)
    }

    pub(super) fn get_flag(&self, name: &str) -> bool {
        self.columns.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn get_json<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        let is_binary = self.columns.contains_key(&format!("{JSON}{TYPE}"));
        let mut bytes = Vec::new();
        for at in 0.. {
            let Some(part) = self.find_text(&column(at)) else { break };
            if is_binary {
                bytes.extend(STANDARD.decode(part).map_err(corrupt)?);
            } else {
                bytes.extend_from_slice(part.as_bytes());
            }
        }
        serde_json::from_slice(&bytes).map_err(corrupt)
    }
}

pub(super) fn corrupt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::corrupt(STORE, error)
}

/// Whether a text can stand in a column as it is, whoever reads it.
pub(super) fn is_plain(text: &str) -> bool {
    text.len() / 4 <= COLUMN_UNITS
        && text.encode_utf16().count() <= COLUMN_UNITS
        && text.chars().all(|c| (!c.is_control() || matches!(c, '\n' | '\r' | '\t')) && !is_no_character(c))
}

fn is_no_character(character: char) -> bool {
    matches!(character, '\u{fffe}' | '\u{ffff}')
}

fn column(at: usize) -> String {
    if at == 0 { JSON.to_owned() } else { format!("{JSON}{at}") }
}

/// JSON with escapes for what not every reader takes; all of it stands within strings, where an escape says the same.
fn json_text<T: Serialize>(value: &T) -> Result<String, StoreError> {
    let json = serde_json::to_string(value).map_err(corrupt)?;
    if json.chars().all(|c| !c.is_control() && !is_no_character(c)) {
        return Ok(json);
    }
    let mut text = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if character.is_control() || is_no_character(character) {
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    Ok(text)
}

/// Parts of at most [`COLUMN_UNITS`]; no character is divided.
fn text_parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut units) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        if units + character.len_utf16() > COLUMN_UNITS {
            parts.push(text.get(start..at).unwrap_or_default());
            (start, units) = (at, 0);
        }
        units += character.len_utf16();
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::data::odd_texts;

    #[test]
    fn a_value_comes_back_whatever_its_size() {
        let mut texts = odd_texts();
        texts.extend([
            "a🦀".repeat(20_000),
            "\0".repeat(32_000),
            "漢".repeat(100_000),
            "\u{1}".repeat(100_000),
        ]);
        for text in &texts {
            let row = Row::new("p", "r").unwrap().json(&(text, 1)).unwrap();
            assert_eq!(row.get_json::<(String, u8)>().unwrap(), (text.clone(), 1));
            for (name, value) in row.columns() {
                let text = value.as_str().unwrap();
                assert!(text.encode_utf16().count() <= COLUMN_UNITS * 3, "{name}");
                assert!(text.chars().all(|c| !c.is_control() && !is_no_character(c)));
            }
        }
    }

    #[test]
    fn long_keys_are_refused() {
        assert!(Row::new("p", &"x".repeat(513)).is_err());
        assert!(Row::new(&"x".repeat(513), "r").is_err());
    }
}
