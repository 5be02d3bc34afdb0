//! Signed links of a storage account's blobs: with the account's key, or with a key that Entra ID delegates to us.

use azure_core21::auth::Secret;
use azure_core21::hmac::hmac_sha256;
use azure_storage_common::models::UserDelegationKey;
use azure_storage_sas::{SasBuilder, SasProtocol};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;

use crate::model::Timestamp;

/// The version that the account key's string is signed by.
const VERSION: &str = "2022-11-02";
/// What stands in a query as it is.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What a link permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// And not to replace what is there.
    Create,
    Read,
    Delete,
}

/// One link, but for the key.
#[derive(Clone, Debug)]
pub(super) struct Terms<'a> {
    pub(super) account: &'a str,
    pub(super) container: &'a str,
    pub(super) blob: &'a str,
    pub(super) right: Right,
    pub(super) until: Timestamp,
    /// Over TLS alone; elsewhere is an emulator.
    pub(super) is_secure: bool,
    /// What the answer to a read says of it: `Content-Disposition` and `Content-Type`.
    pub(super) served: Option<(String, &'a str)>,
}

impl Terms<'_> {
    /// The query, signed with the account's key.
    pub(super) fn with_account_key(&self, key: &Secret) -> azure_core21::Result<String> {
        let protocol = if self.is_secure { "https" } else { "https,http" };
        let (permissions, expiry) = (self.right.letter(), self.expiry());
        let (disposition, content_type) =
            self.served.as_ref().map_or(("", ""), |(disposition, kind)| (disposition.as_str(), kind));
        let resource = format!("/blob/{}/{}/{}", self.account, self.container, self.blob);
        // Permissions, start, expiry, resource, identifier, address, protocol, version, kind of resource, snapshot,
        // encryption scope; then cache control, disposition, encoding, language and type of the answer.
        let parts = [
            permissions,
            "",
            &expiry,
            &resource,
            "",
            "",
            protocol,
            VERSION,
            "b",
            "",
            "",
            "",
            disposition,
            "",
            "",
            content_type,
        ];
        let signature = hmac_sha256(&parts.join("\n"), key)?;
        let mut query = String::new();
        for (name, value) in [
            ("sv", VERSION),
            ("sr", "b"),
            ("sp", permissions),
            ("se", &expiry),
            ("spr", protocol),
            ("rscd", disposition),
            ("rsct", content_type),
            ("sig", &signature),
        ] {
            if !value.is_empty() {
                query += &format!("&{name}={}", utf8_percent_encode(value, VALUE));
            }
        }
        Ok(query.split_off(1))
    }

    /// The query, signed with a key that was delegated to us.
    pub(super) fn with_delegated_key(&self, key: &UserDelegationKey) -> azure_core::Result<String> {
        let until = i64::try_from(self.until.millis() / 1000).unwrap_or_default();
        let until = OffsetDateTime::from_unix_timestamp(until).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let protocol = if self.is_secure { SasProtocol::Https } else { SasProtocol::HttpsAndHttp };
        let blob =
            SasBuilder::new(self.account, key, until)?.protocol(protocol).blob(self.container, self.blob);
        let blob = match self.right {
            Right::Create => blob.create(),
            Right::Read => blob.read(),
            Right::Delete => blob.delete(),
        };
        Ok(match &self.served {
            Some((disposition, kind)) => {
                blob.content_disposition(disposition.as_str()).content_type(*kind).build()
            }
            None => blob.build(),
        })
    }

    /// Whole seconds, as the service writes them.
    fn expiry(&self) -> String {
        let text = Timestamp::from_millis(self.until.millis() / 1000 * 1000).to_string();
        text.replace(".000Z", "Z")
    }
}

impl Right {
    const fn letter(self) -> &'static str {
        match self {
            Self::Create => "c",
            Self::Read => "r",
            Self::Delete => "d",
        }
    }
}

/// The query of a link that makes containers and nothing else, signed with the account's key.
pub(super) fn container_link(account: &str, key: &Secret, until: Timestamp) -> azure_core21::Result<String> {
    let expiry = Timestamp::from_millis(until.millis() / 1000 * 1000).to_string().replace(".000Z", "Z");
    // Account, permissions, services, kinds of resource, start, expiry, address, protocol, version, encryption scope.
    let parts = [account, "c", "b", "c", "", &expiry, "", "https,http", VERSION, "", ""];
    let signature = hmac_sha256(&parts.join("\n"), key)?;
    let encoded = |text: &str| utf8_percent_encode(text, VALUE).to_string();
    let (expiry, signature) = (encoded(&expiry), encoded(&signature));
    Ok(format!("sv={VERSION}&ss=b&srt=c&sp=c&se={expiry}&spr=https%2Chttp&sig={signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(right: Right) -> Terms<'static> {
        Terms {
            account: "chat",
            container: "files",
            blob: "abc",
            right,
            until: Timestamp::from_millis(1_800_000_000_000),
            is_secure: true,
            served: (right == Right::Read)
                .then(|| ("attachment; filename=\"a b.png\"".to_owned(), "image/png")),
        }
    }

    fn parameters(query: &str) -> Vec<(String, String)> {
        let url = reqwest::Url::parse(&format!("https://x/?{query}")).unwrap();
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    fn value(query: &str, name: &str) -> String {
        parameters(query).into_iter().find(|(n, _)| n == name).map(|(_, value)| value).unwrap_or_default()
    }

    /// The string to sign as Microsoft publishes it for a user delegation SAS of version 2020-12-06 and later ("Create a
    /// user delegation SAS"), put together here from the link's own parameters. Versions from 2025-07-05 have two more
    /// fields for a delegated user, and one from 2026-04-06 for headers and queries, all empty here.
    fn delegated_string(query: &str, resource: &str, more: usize) -> String {
        let v = |name: &str| value(query, name);
        let mut parts = vec![
            v("sp"),
            v("st"),
            v("se"),
            resource.to_owned(),
            v("skoid"),
            v("sktid"),
            v("skt"),
            v("ske"),
            v("sks"),
            v("skv"),
            v("saoid"),
            v("suoid"),
            v("scid"),
        ];
        parts.extend(vec![String::new(); more]);
        parts.extend([v("sip"), v("spr"), v("sv"), v("sr"), String::new(), v("ses")]);
        parts.extend(if more > 0 && v("sv").as_str() >= "2026-04-06" {
            vec![String::new(); 2]
        } else {
            Vec::new()
        });
        parts.extend([v("rscc"), v("rscd"), v("rsce"), v("rscl"), v("rsct")]);
        parts.join("\n")
    }

    #[test]
    fn a_delegated_link_is_signed_as_published() {
        use base64::Engine;
        let at = |seconds| Some(OffsetDateTime::from_unix_timestamp(seconds).unwrap());
        let key = UserDelegationKey {
            signed_oid: Some("oid".into()),
            signed_tid: Some("tid".into()),
            signed_start: at(1_799_990_000),
            signed_expiry: at(1_800_080_000),
            signed_service: Some("b".into()),
            signed_version: Some("2022-11-02".into()),
            value: Some(b"delegated".to_vec()),
            signed_delegated_user_tid: None,
        };
        let secret = Secret::new(base64::engine::general_purpose::STANDARD.encode(b"delegated"));
        for right in [Right::Create, Right::Read, Right::Delete] {
            let query = terms(right).with_delegated_key(&key).unwrap();
            assert_eq!(value(&query, "sp"), right.letter());
            assert_eq!((value(&query, "sr"), value(&query, "spr")), ("b".to_owned(), "https".to_owned()));
            assert_eq!(value(&query, "se"), "2027-01-15T08:00:00Z");
            let string = delegated_string(&query, "/blob/chat/files/abc", 2);
            assert_eq!(hmac_sha256(&string, &secret).unwrap(), value(&query, "sig"), "{string}");
        }
    }

    #[test]
    fn a_link_permits_one_thing() {
        let key = Secret::new("a2V5");
        let create = terms(Right::Create).with_account_key(&key).unwrap();
        let names: Vec<String> = parameters(&create).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["sv", "sr", "sp", "se", "spr", "sig"]);
        assert_eq!((value(&create, "sp"), value(&create, "spr")), ("c".to_owned(), "https".to_owned()));
        let read = terms(Right::Read).with_account_key(&key).unwrap();
        assert_eq!(value(&read, "rscd"), "attachment; filename=\"a b.png\"");
        assert_eq!(value(&read, "rsct"), "image/png");
        let elsewhere = Terms { blob: "abd", ..terms(Right::Read) }.with_account_key(&key).unwrap();
        assert_ne!(value(&elsewhere, "sig"), value(&read, "sig"));
        assert!(!create.contains("a2V5"));
    }
}
