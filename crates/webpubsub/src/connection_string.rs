//! Connection strings: `Endpoint=https://…;AccessKey=…;Version=1.0;`.

use std::fmt;
use std::str::FromStr;

use crate::key::AccessKey;

/// Where a service is and the key to it. `Debug` hides the key; [`ConnectionString::reveal`] writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionString {
    /// Scheme, host and port without a slash at the end, such as `http://127.0.0.1:8080`.
    pub endpoint: String,
    pub access_key: AccessKey,
}

/// What is wrong with a connection string. None of the messages shows a value, since it could be the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionStringError {
    #[error("The connection string has a part without `=`.")]
    NotAPair,
    #[error("The connection string has no `{0}`.")]
    Missing(&'static str),
    #[error("The connection string has `{0}` twice.")]
    Twice(&'static str),
    #[error("The connection string's `Endpoint` is not `http://` or `https://` and a host.")]
    BadEndpoint,
    #[error("The connection string's `Port` is not a number from 1 to 65535.")]
    BadPort,
    #[error("The connection string's `Version` is not supported; 1.0 is.")]
    BadVersion,
}

impl ConnectionString {
    /// The string with the key in it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("Endpoint={};AccessKey={};Version=1.0;", self.endpoint, self.access_key.reveal())
    }
}

impl FromStr for ConnectionString {
    type Err = ConnectionStringError;

    /// Keys are compared without case, parts come in any order, unknown ones are ignored. `Port` replaces the
    /// endpoint's port.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = Parts::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            // A key may end in `=`, so only the first one separates.
            let (name, value) = part.split_once('=').ok_or(ConnectionStringError::NotAPair)?;
            parts.put(name.trim(), value.trim())?;
        }
        if parts.version.is_some_and(|version| !version.starts_with("1.")) {
            return Err(ConnectionStringError::BadVersion);
        }
        let endpoint = parts.endpoint.ok_or(ConnectionStringError::Missing("Endpoint"))?;
        let access_key = parts.access_key.ok_or(ConnectionStringError::Missing("AccessKey"))?;
        Ok(Self {
            endpoint: endpoint_with_port(endpoint, parts.port)?,
            access_key: AccessKey::new(access_key)
                .map_err(|_| ConnectionStringError::Missing("AccessKey"))?,
        })
    }
}

#[derive(Default)]
struct Parts<'a> {
    endpoint: Option<&'a str>,
    access_key: Option<&'a str>,
    version: Option<&'a str>,
    port: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn put(&mut self, name: &str, value: &'a str) -> Result<(), ConnectionStringError> {
        let known = [
            ("Endpoint", &mut self.endpoint),
            ("AccessKey", &mut self.access_key),
            ("Version", &mut self.version),
            ("Port", &mut self.port),
        ];
        for (known, slot) in known {
            if name.eq_ignore_ascii_case(known) && slot.replace(value).is_some() {
                return Err(ConnectionStringError::Twice(known));
            }
        }
        Ok(())
    }
}

fn endpoint_with_port(endpoint: &str, port: Option<&str>) -> Result<String, ConnectionStringError> {
    let uri: http::Uri = endpoint.parse().map_err(|_| ConnectionStringError::BadEndpoint)?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
    let (Some(scheme), Some(authority)) = (scheme, uri.authority()) else {
        return Err(ConnectionStringError::BadEndpoint);
    };
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    if !is_bare || authority.host().is_empty() || authority.as_str().contains('@') {
        return Err(ConnectionStringError::BadEndpoint);
    }
    match port {
        None => Ok(format!("{scheme}://{authority}")),
        Some(port) => {
            let port = port.parse::<u16>().ok().filter(|port| *port > 0);
            let port = port.ok_or(ConnectionStringError::BadPort)?;
            Ok(format!("{scheme}://{}:{port}", authority.host()))
        }
    }
}

/// The secret is left out: this is what logs may show.
impl fmt::Display for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint={};AccessKey=…;Version=1.0;", self.endpoint)
    }
}
