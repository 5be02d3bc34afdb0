//! Signed links that lead to this process, for stores without an address of their own.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

use crate::model::{AttachmentId, Timestamp};
use crate::ports::{Clock, Ids, LinkError};
use crate::reach;

/// Makes links and reads them. The key is this process's: its links end with it, or in minutes anyway.
pub struct LocalLinks {
    key: Vec<u8>,
    /// Where we are reached by those who did not ask us just now.
    base: String,
    clock: std::sync::Arc<dyn Clock>,
}

/// What one link permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    Store { bytes: u64 },
    Read { name: String, content_type: String },
}

impl LocalLinks {
    /// `base` is an http(s) URL without path.
    #[must_use]
    pub fn new(ids: &dyn Ids, base: String, clock: std::sync::Arc<dyn Clock>) -> Self {
        Self { key: format!("{}{}", ids.token(), ids.token()).into_bytes(), base, clock }
    }

    /// A link that reads the file under this name and type.
    pub(super) fn read_link(
        &self,
        id: &AttachmentId,
        name: &str,
        content_type: &str,
        until: Timestamp,
    ) -> String {
        let permit = Permit::Read { name: name.to_owned(), content_type: content_type.to_owned() };
        self.link(id, &permit, until)
    }

    pub(super) fn link(&self, id: &AttachmentId, permit: &Permit, until: Timestamp) -> String {
        let base = reach::base().unwrap_or_else(|| self.base.as_str().into());
        let until = until.millis() / 1000;
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let terms = match permit {
            Permit::Store { bytes } => format!("sp=c&se={until}&max={bytes}"),
            Permit::Read { name, content_type } => {
                format!("sp=r&se={until}&name={}&type={}", encoded(name), encoded(content_type))
            }
        };
        let signature = hex::encode(self.mac(id.as_str(), &terms).finalize().into_bytes());
        format!("{base}/api/attachments/{id}/blob?{terms}&sig={signature}")
    }

    /// What the link permits now. The signature is over the query's very text, so nothing in it can be turned around,
    /// doubled or left out.
    pub(super) fn read(&self, id: &str, query: &str) -> Result<(AttachmentId, Permit), LinkError> {
        let id = AttachmentId::parse(id).ok_or(LinkError::Refused)?;
        let (terms, signature) = query.rsplit_once("&sig=").ok_or(LinkError::Refused)?;
        let signature = hex::decode(signature).map_err(|_| LinkError::Refused)?;
        // In constant time.
        self.mac(id.as_str(), terms).verify_slice(&signature).map_err(|_| LinkError::Refused)?;
        let value = |name: &str| {
            let found =
                terms.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
            found.map(|(_, value)| percent_decode_str(value).decode_utf8_lossy().into_owned())
        };
        let number = |name| value(name).and_then(|text| text.parse::<u64>().ok()).ok_or(LinkError::Refused);
        if self.clock.now().millis() / 1000 >= number("se")? {
            return Err(LinkError::Refused);
        }
        let permit = match value("sp").as_deref() {
            Some("c") => Permit::Store { bytes: number("max")? },
            _ => Permit::Read {
                name: value("name").unwrap_or_default(),
                content_type: value("type").unwrap_or_default(),
            },
        };
        Ok((id, permit))
    }

    fn mac(&self, id: &str, terms: &str) -> Hmac<Sha256> {
        // A key of any length will do.
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(id.as_bytes());
        mac.update(b"\n");
        mac.update(terms.as_bytes());
        mac
    }
}

impl fmt::Debug for LocalLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalLinks({}, …)", self.base)
    }
}
