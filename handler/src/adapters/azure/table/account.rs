use std::fmt;

use azure_storage::{CloudLocation, EMULATOR_ACCOUNT, EMULATOR_ACCOUNT_KEY};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

use super::super::pairs::Pairs;

const EMULATOR_TABLES: u16 = 10_002;
const EMULATOR_BLOBS: u16 = 10_000;

/// A storage account's tables and blobs, as far as a connection string or an account's name tells: where, and with which key.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageAccount {
    pub(super) name: String,
    /// `https://{name}.table.core.windows.net`, or where an emulator is, with the account's name as path.
    pub(super) endpoint: Url,
    /// The same of blobs.
    pub(super) blobs: Url,
    /// None where an identity proves who we are.
    pub(super) key: Option<String>,
}

/// What is wrong with it, as a sentence for whoever set it. Never quotes the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageAccountError {
    #[error("must be `Name=value` pairs with `;` between them")]
    NoPairs,
    #[error("has no {0}")]
    Missing(&'static str),
    #[error("has an AccountKey that is not base64")]
    Key,
    #[error("has a TableEndpoint or BlobEndpoint that is no http(s) URL")]
    Endpoint,
    #[error("has a SharedAccessSignature, which would expire; give AccountName and AccountKey")]
    Signature,
    #[error("must be an account's name: 3 to 24 lower case letters and digits")]
    Name,
}

impl StorageAccount {
    /// Reads a connection string. `UseDevelopmentStorage=true` is an emulator on this machine.
    pub fn parse(text: &str) -> Result<Self, StorageAccountError> {
        use StorageAccountError::{Endpoint, Key, Missing, NoPairs, Signature};

        let pairs = Pairs::parse(text).ok_or(NoPairs)?;
        let find = |wanted| pairs.find(wanted);
        if find("SharedAccessSignature").is_some() {
            return Err(Signature);
        }
        if pairs.is_true("UseDevelopmentStorage") {
            return Self::emulator(find("DevelopmentStorageProxyUri"));
        }
        let name = find("AccountName").ok_or(Missing("AccountName"))?.to_owned();
        let key = find("AccountKey").ok_or(Missing("AccountKey"))?.to_owned();
        STANDARD.decode(&key).map_err(|_| Key)?;
        let scheme = find("DefaultEndpointsProtocol").unwrap_or("https").to_ascii_lowercase();
        let suffix = find("EndpointSuffix").unwrap_or("core.windows.net");
        let endpoint = |given: Option<&str>, service: &str| {
            let usual = || format!("{scheme}://{name}.{service}.{suffix}");
            http_url(&given.map_or_else(usual, str::to_owned)).ok_or(Endpoint)
        };
        let blobs = endpoint(find("BlobEndpoint"), "blob")?;
        Ok(Self { endpoint: endpoint(find("TableEndpoint"), "table")?, blobs, name, key: Some(key) })
    }

    /// The tables of an account in the public cloud, where an identity proves who we are.
    pub fn of_identity(name: &str) -> Result<Self, StorageAccountError> {
        let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !letters || !(3..=24).contains(&name.len()) {
            return Err(StorageAccountError::Name);
        }
        let endpoint = |service| {
            http_url(&format!("https://{name}.{service}.core.windows.net")).ok_or(StorageAccountError::Name)
        };
        Ok(Self { endpoint: endpoint("table")?, blobs: endpoint("blob")?, name: name.to_owned(), key: None })
    }

    fn emulator(proxy: Option<&str>) -> Result<Self, StorageAccountError> {
        let base = proxy.unwrap_or("http://127.0.0.1").trim_end_matches('/');
        let endpoint = |port: u16| {
            http_url(&format!("{base}:{port}/{EMULATOR_ACCOUNT}")).ok_or(StorageAccountError::Endpoint)
        };
        Ok(Self {
            endpoint: endpoint(EMULATOR_TABLES)?,
            blobs: endpoint(EMULATOR_BLOBS)?,
            name: EMULATOR_ACCOUNT.to_owned(),
            key: Some(EMULATOR_ACCOUNT_KEY.to_owned()),
        })
    }

    /// `name.table.core.windows.net`, with the port where there is one.
    #[must_use]
    pub fn host(&self) -> &str {
        self.endpoint.authority()
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::adapters::azure) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// `https://{name}.blob.core.windows.net`, or where an emulator is, with the account's name as path.
    pub(in crate::adapters::azure) const fn blobs(&self) -> &Url {
        &self.blobs
    }

    /// Whether links to its blobs may be handed out: over TLS, or to an emulator, which has the account's name as path.
    #[must_use]
    pub fn may_hand_out_links(&self) -> bool {
        self.blobs.scheme() == "https" || self.blobs.path() != "/"
    }

    /// Whether an identity has to prove who we are.
    #[must_use]
    pub const fn needs_identity(&self) -> bool {
        self.key.is_none()
    }

    pub(super) fn location(&self) -> CloudLocation {
        let uri = self.endpoint.as_str().trim_end_matches('/').to_owned();
        CloudLocation::Custom { account: self.name.clone(), uri }
    }
}

fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.query().is_none() && url.username().is_empty() && url.password().is_none();
    (plain && matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

impl fmt::Debug for StorageAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageAccount({}, …)", self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_portal_and_the_emulator_give() {
        let portal = "DefaultEndpointsProtocol=https;AccountName=chat;AccountKey=a2V5Cg==;EndpointSuffix=core.windows.net";
        let account = StorageAccount::parse(portal).unwrap();
        assert_eq!(account.endpoint.as_str(), "https://chat.table.core.windows.net/");
        assert_eq!(account.blobs.as_str(), "https://chat.blob.core.windows.net/");
        assert_eq!((account.name.as_str(), account.key.as_deref()), ("chat", Some("a2V5Cg==")));
        let emulator = StorageAccount::parse("UseDevelopmentStorage=true").unwrap();
        assert_eq!(emulator.endpoint.as_str(), "http://127.0.0.1:10002/devstoreaccount1");
        assert_eq!(emulator.blobs.as_str(), "http://127.0.0.1:10000/devstoreaccount1");
        assert!(account.may_hand_out_links() && emulator.may_hand_out_links());
        let plain =
            StorageAccount::parse("AccountName=a;AccountKey=a2V5;DefaultEndpointsProtocol=http").unwrap();
        assert!(!plain.may_hand_out_links());
        let elsewhere = "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite";
        let elsewhere = StorageAccount::parse(elsewhere).unwrap();
        assert_eq!(elsewhere.endpoint.as_str(), "http://azurite:10002/devstoreaccount1");
        let named = "accountname=a;ACCOUNTKEY=a2V5;TableEndpoint=http://127.0.0.1:20002/a;";
        assert_eq!(StorageAccount::parse(named).unwrap().host(), "127.0.0.1:20002");
        let identity = StorageAccount::of_identity("chat123").unwrap();
        assert!(identity.needs_identity());
        assert_eq!(identity.host(), "chat123.table.core.windows.net");
    }

    #[test]
    fn says_what_is_wrong_and_never_the_key() {
        use StorageAccountError::{Endpoint, Key, Missing, Name, NoPairs, Signature};
        for (text, error) in [
            ("", Missing("AccountName")),
            ("chat", NoPairs),
            ("AccountName=chat", Missing("AccountKey")),
            ("AccountName=chat;AccountKey=", Missing("AccountKey")),
            ("AccountName=chat;AccountKey=%", Key),
            ("AccountName=chat;AccountKey=a2V5;TableEndpoint=ftp://x", Endpoint),
            ("AccountName=chat;AccountKey=a2V5;DefaultEndpointsProtocol=gopher", Endpoint),
            ("AccountName=chat;SharedAccessSignature=sv", Signature),
        ] {
            assert_eq!(StorageAccount::parse(text), Err(error), "{text}");
        }
        assert_eq!(StorageAccount::of_identity("Chat.example"), Err(Name));
        let shown = format!("{:?}", StorageAccount::parse("AccountName=chat;AccountKey=c2VjcmV0").unwrap());
        assert!(!shown.contains("c2Vj"), "{shown}");
    }
}
