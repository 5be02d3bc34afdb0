//! Names with several values each, in order: claims, query parameters and headers of a `connect` event.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Lists of strings by name, in the order in which the names first came. Names are compared with case. As JSON an
/// object of arrays of strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MultiMap {
    lists: Vec<(String, Vec<String>)>,
    /// Where each name is. Names come from strangers, thousands in a query, so they are not searched one by one.
    places: BTreeMap<String, usize>,
}

impl MultiMap {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value to the list of `name`.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.extend(name, [value.into()]);
    }

    /// Adds values to the list of `name`; with none the name is there with an empty list.
    pub fn extend(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = String>) {
        let name = name.into();
        let known = self.places.get(&name).and_then(|at| self.lists.get_mut(*at));
        if let Some((_, list)) = known {
            list.extend(values);
        } else {
            self.places.insert(name.clone(), self.lists.len());
            self.lists.push((name, values.into_iter().collect()));
        }
    }

    /// The values of `name`; none if it is not there.
    #[must_use]
    pub fn get(&self, name: &str) -> &[String] {
        self.places.get(name).and_then(|at| self.lists.get(*at)).map_or(&[], |(_, values)| values)
    }

    /// The first value of `name`.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.get(name).first().map(String::as_str)
    }

    /// Names and their values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &[String])> {
        self.lists.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for MultiMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        for (name, value) in pairs {
            map.add(name, value);
        }
        map
    }
}

impl Serialize for MultiMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.lists.len()))?;
        for (name, values) in &self.lists {
            map.serialize_entry(name, values)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for MultiMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lists;

        impl<'de> Visitor<'de> for Lists {
            type Value = MultiMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of arrays of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MultiMap, A::Error> {
                let mut lists = MultiMap::new();
                while let Some((name, values)) = map.next_entry::<String, Vec<String>>()? {
                    lists.extend(name, values);
                }
                Ok(lists)
            }
        }

        deserializer.deserialize_map(Lists)
    }
}
