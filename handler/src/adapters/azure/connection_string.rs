use std::fmt;

use reqwest::Url;

use super::pairs::Pairs;

/// A Service Bus connection string, read:
/// `Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…[;EntityPath=…][;UseDevelopmentEmulator=true]`.
/// Names are read without regard to case; unknown ones are ignored.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString {
    /// `https://{host}/`, or `http` where it names a port, this machine, or the emulator.
    pub(super) base: Url,
    pub(super) key_name: String,
    pub(super) key: String,
    /// The one queue or topic the key is for.
    pub entity_path: Option<String>,
}

/// How Service Bus is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusAccess {
    /// With a shared access key.
    Key(ConnectionString),
    /// With this process's identity.
    Identity(BusHost),
}

impl BusAccess {
    /// `ns.servicebus.windows.net`, with the port where there is one.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Key(connection) => connection.host(),
            Self::Identity(host) => host.0.authority(),
        }
    }
}

/// The host of a namespace, for an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusHost(pub(super) Url);

impl BusHost {
    /// `ns.servicebus.windows.net`. On this machine a double of it may have a port, and does without TLS.
    pub fn parse(text: &str) -> Result<Self, ConnectionStringError> {
        let base = base(&format!("sb://{}", text.trim()), false)?;
        if base.scheme() == "http" && !is_local(&base) {
            return Err(ConnectionStringError::Host);
        }
        Ok(Self(base))
    }
}

/// What is wrong with it, as a sentence for whoever set it. Never quotes the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionStringError {
    #[error("must be `Name=value` pairs with `;` between them")]
    NoPairs,
    #[error("has no {0}")]
    Missing(&'static str),
    #[error("has an Endpoint that is not sb://host")]
    Endpoint,
    #[error("must be a host name such as ns.servicebus.windows.net")]
    Host,
    #[error("has a SharedAccessSignature, which would expire; give SharedAccessKeyName and SharedAccessKey")]
    Signature,
}

impl ConnectionString {
    pub fn parse(text: &str) -> Result<Self, ConnectionStringError> {
        use ConnectionStringError::{Missing, NoPairs, Signature};

        let pairs = Pairs::parse(text).ok_or(NoPairs)?;
        let find = |wanted| pairs.find(wanted);
        if find("SharedAccessSignature").is_some() {
            return Err(Signature);
        }
        let emulator = pairs.is_true("UseDevelopmentEmulator");
        Ok(Self {
            base: base(find("Endpoint").ok_or(Missing("Endpoint"))?, emulator)?,
            key_name: find("SharedAccessKeyName").ok_or(Missing("SharedAccessKeyName"))?.to_owned(),
            key: find("SharedAccessKey").ok_or(Missing("SharedAccessKey"))?.to_owned(),
            entity_path: find("EntityPath").map(str::to_owned),
        })
    }

    /// `ns.servicebus.windows.net`, with the port where there is one.
    #[must_use]
    pub fn host(&self) -> &str {
        self.base.authority()
    }
}

/// The service speaks https on its default port. Whatever has a port of its own, or lives here, is a double of it.
fn base(endpoint: &str, emulator: bool) -> Result<Url, ConnectionStringError> {
    let (scheme, rest) = endpoint.split_once("://").ok_or(ConnectionStringError::Endpoint)?;
    if !["sb", "http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(ConnectionStringError::Endpoint);
    }
    let parse =
        |scheme| Url::parse(&format!("{scheme}://{rest}")).map_err(|_| ConnectionStringError::Endpoint);
    let secure = parse("https")?;
    let plain_place = secure.path() == "/" && secure.query().is_none() && secure.fragment().is_none();
    if !plain_place || !secure.username().is_empty() || secure.password().is_some() {
        return Err(ConnectionStringError::Endpoint);
    }
    if scheme.eq_ignore_ascii_case("https") || !(is_local(&secure) || emulator || secure.port().is_some()) {
        return Ok(secure);
    }
    parse("http")
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionString({}, {}, …)", self.base, self.key_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(endpoint: &str, more: &str) -> Result<ConnectionString, ConnectionStringError> {
        let keys = "SharedAccessKeyName=Root;SharedAccessKey=a+b/c==";
        ConnectionString::parse(&format!("Endpoint={endpoint};{keys};{more}"))
    }

    #[test]
    fn reads_what_the_portal_and_the_emulator_give() {
        let azure = read("sb://ns.servicebus.windows.net/", "EntityPath=chat-queue").unwrap();
        assert_eq!(azure.base.as_str(), "https://ns.servicebus.windows.net/");
        assert_eq!((azure.key_name.as_str(), azure.key.as_str()), ("Root", "a+b/c=="));
        assert_eq!(azure.entity_path.as_deref(), Some("chat-queue"));
        for (endpoint, more, base) in [
            ("sb://localhost", "", "http://localhost/"),
            ("sb://127.0.0.1:5690", "UseDevelopmentEmulator=true;", "http://127.0.0.1:5690/"),
            ("sb://bus", "usedevelopmentemulator=TRUE", "http://bus/"),
            ("sb://bus:5300/", "", "http://bus:5300/"),
            ("sb://bus:443/", "", "https://bus/"),
            ("sb://[::1]:5300", "", "http://[::1]:5300/"),
            ("https://localhost:5300", "", "https://localhost:5300/"),
        ] {
            assert_eq!(read(endpoint, more).unwrap().base.as_str(), base);
        }
    }

    #[test]
    fn an_identity_shows_its_token_over_tls_alone() {
        let base = |text| BusHost::parse(text).map(|host| host.0.to_string());
        assert_eq!(base(" ns.servicebus.windows.net ").unwrap(), "https://ns.servicebus.windows.net/");
        assert_eq!(base("127.0.0.1:5300").unwrap(), "http://127.0.0.1:5300/");
        assert_eq!(base("bus:5300"), Err(ConnectionStringError::Host));
        assert_eq!(base("ns.servicebus.windows.net/path"), Err(ConnectionStringError::Endpoint));
        assert_eq!(base(""), Err(ConnectionStringError::Endpoint));
    }

    #[test]
    fn says_what_is_wrong_and_never_the_key() {
        use ConnectionStringError::{Endpoint, Missing, NoPairs, Signature};
        for (text, error) in [
            ("", Missing("Endpoint")),
            ("ns.servicebus.windows.net", NoPairs),
            ("Endpoint=sb://ns;SharedAccessKey=k", Missing("SharedAccessKeyName")),
            ("Endpoint=sb://ns;SharedAccessKeyName=n;SharedAccessKey=", Missing("SharedAccessKey")),
            ("Endpoint=sb://ns;SharedAccessSignature=x", Signature),
            ("Endpoint=ns;SharedAccessKeyName=n;SharedAccessKey=k", Endpoint),
            ("Endpoint=ftp://ns;SharedAccessKeyName=n;SharedAccessKey=k", Endpoint),
            ("Endpoint=sb://;SharedAccessKeyName=n;SharedAccessKey=k", Endpoint),
            ("Endpoint=sb://ns/path;SharedAccessKeyName=n;SharedAccessKey=k", Endpoint),
            ("Endpoint=sb://u:p@ns;SharedAccessKeyName=n;SharedAccessKey=k", Endpoint),
        ] {
            assert_eq!(ConnectionString::parse(text), Err(error), "{text}");
        }
        let shown = format!("{:?}", read("sb://ns.servicebus.windows.net/", "").unwrap());
        assert!(!shown.contains("a+b"), "{shown}");
    }
}
