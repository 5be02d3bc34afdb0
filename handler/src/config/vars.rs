use std::collections::BTreeMap;

/// Where settings are looked up by name.
pub trait Vars {
    /// The value, or `None` where the name is not set. An empty value counts as not set: app settings of Azure
    /// and shell scripts cannot always leave a name out.
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of this process. The only reader of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessVars;

impl Vars for ProcessVars {
    fn get(&self, name: &str) -> Option<String> {
        let value = std::env::var_os(name)?.to_string_lossy().into_owned();
        (!value.is_empty()).then_some(value)
    }
}

impl Vars for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).filter(|value| !value.is_empty()).cloned()
    }
}
