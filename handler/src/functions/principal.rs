use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

const HEADER_BYTES: usize = 32 * 1024;
/// Where identity providers put roles, by their short and their long name.
const ROLES: [&str; 2] = ["roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"];
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The header `X-MS-CLIENT-PRINCIPAL`: what the platform knows of a caller.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Principal {
    #[serde(default)]
    role_typ: Option<String>,
    #[serde(default)]
    claims: Vec<Claim>,
}

#[derive(Debug, Deserialize)]
struct Claim {
    typ: String,
    val: String,
}

impl Principal {
    /// Reads base64 of a JSON object; `None` where it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > HEADER_BYTES {
            return None;
        }
        serde_json::from_slice(&BASE64.decode(text).ok()?).ok()
    }

    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.claims.iter().filter(move |claim| claim.typ == name).map(|claim| claim.val.as_str())
    }

    /// Whether the claim holds the role; without a claim's name, the one that the platform or the provider uses.
    pub(super) fn has_role(&self, claim: Option<&str>, role: &str) -> bool {
        let holds = |name: &str| self.values(name).any(|value| value == role);
        match claim {
            Some(claim) => holds(claim),
            None => self.role_typ.as_deref().is_some_and(holds) || ROLES.into_iter().any(holds),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn principal(value: &serde_json::Value) -> Option<Principal> {
        Principal::read(&BASE64.encode(value.to_string()))
    }

    #[test]
    fn roles_are_found_where_providers_put_them() {
        for name in ["roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role", "my-roles"] {
            let found = principal(&json!({
                "auth_typ": "aad", "name_typ": "n", "role_typ": "my-roles",
                "claims": [{"typ": "oid", "val": "1-2"}, {"typ": name, "val": "chat.admin"}]
            }))
            .unwrap();
            assert!(found.has_role(None, "chat.admin") && !found.has_role(None, "chat"), "{name}");
            assert_eq!(found.has_role(Some("roles"), "chat.admin"), name == "roles");
            assert_eq!(found.values("oid").next(), Some("1-2"));
        }
    }

    #[test]
    fn what_is_no_principal_is_none() {
        assert!(Principal::read("not base64!").is_none());
        assert!(Principal::read(&BASE64.encode("[]]")).is_none());
        assert!(principal(&json!({"claims": [{"typ": 1}]})).is_none());
        assert!(Principal::read(&"A".repeat(HEADER_BYTES + 1)).is_none());
        assert!(principal(&json!({})).is_some_and(|found| !found.has_role(None, "")));
    }
}
