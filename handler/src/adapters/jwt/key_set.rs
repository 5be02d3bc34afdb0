use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use serde_json::Value;

/// More keys than any issuer shows at a time.
const MOST_KEYS: usize = 100;
/// Fewer bits of RSA can be broken.
const RSA_BYTES: usize = 2048 / 8;

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Keys that verify, each with the algorithms it is for: a token's own word for its algorithm never makes a key do what it
/// is not for.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// A secret that is shared with whoever signs.
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        let key = DecodingKey::from_secret(secret);
        Self(vec![Key { id: None, algorithms: vec![Algorithm::HS256], key }])
    }

    /// The public keys of a JSON Web Key Set that are for signatures. Those that we cannot use are left out, symmetric ones
    /// among them: what everybody can read is no secret.
    pub(super) fn parse(document: &[u8]) -> Result<Self, serde_json::Error> {
        let Document { keys } = serde_json::from_slice(document)?;
        let read = |key: Value| Key::read(&serde_json::from_value(key).ok()?);
        Ok(Self(keys.into_iter().take(MOST_KEYS).filter_map(read).collect()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key of this id for this algorithm. A token without an id means the only key that can be meant; a key without an
    /// id is nobody's but theirs, unless it stands alone.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut fitting = self.0.iter().filter(|key| key.algorithms.contains(&algorithm));
        if let Some(id) = id
            && let Some(named) = fitting.clone().find(|key| key.id.as_deref() == Some(id))
        {
            return Some(&named.key);
        }
        let only = fitting.next().filter(|_| fitting.next().is_none())?;
        (id.is_none() || only.id.is_none()).then_some(&only.key)
    }
}

impl Key {
    fn read(jwk: &Jwk) -> Option<Self> {
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let able: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(parameters) if parameters.curve == EllipticCurve::Ed25519 => {
                &[Algorithm::EdDSA]
            }
            _ => return None,
        };
        let algorithms: Vec<_> = match jwk.common.key_algorithm {
            None => able.to_vec(),
            Some(said) => able.iter().copied().filter(|able| KeyAlgorithm::from(*able) == said).collect(),
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let is_weak =
            matches!(key.kind(), DecodingKeyKind::RsaModulusExponent { n, .. } if n.len() < RSA_BYTES);
        let usable = !algorithms.is_empty() && !is_weak;
        usable.then(|| Self { id: jwk.common.key_id.clone(), algorithms, key })
    }
}
