//! What users say of themselves.

use serde::Serialize;

use super::message::check_url;
use super::{Caller, Chat, Refused};
use crate::model::{Profile, UserId, bounds};

/// A user's own profile: `{"user","display_name"?,"avatar_url"?}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileView {
    pub user: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

impl Chat {
    pub async fn profile(&self, caller: &Caller) -> Result<ProfileView, Refused> {
        let found = self.ports.profiles.get(std::slice::from_ref(&caller.user)).await?;
        let profile = found.into_iter().next().unwrap_or_else(|| Profile::of(caller.user.clone()));
        let Profile { user, display_name, avatar_url, .. } = profile;
        Ok(ProfileView { user, display_name, avatar_url })
    }

    /// Replaces what the caller says of themself; what is not given, or empty, is taken away. Messages from now on carry the
    /// name, those from before keep the one they had.
    pub async fn set_profile(
        &self,
        caller: &Caller,
        display_name: Option<&str>,
        avatar_url: Option<&str>,
    ) -> Result<ProfileView, Refused> {
        let display_name = check_name(display_name)?;
        let avatar_url = avatar_url.filter(|url| !url.is_empty());
        avatar_url.map_or(Ok(()), |url| check_url("avatar_url", url))?;
        self.charge(caller)?;
        self.moderate_name(caller, "display_name", display_name.as_deref()).await?;
        let user = caller.user.clone();
        let avatar_url = avatar_url.map(str::to_owned);
        let profile = Profile { display_name, avatar_url, ..Profile::of(user) };
        self.ports.profiles.put(&profile).await?;
        self.names.learn(&profile.user, profile.display_name.as_deref());
        let Profile { user, display_name, avatar_url, .. } = profile;
        Ok(ProfileView { user, display_name, avatar_url })
    }
}

fn check_name(name: Option<&str>) -> Result<Option<String>, Refused> {
    let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else { return Ok(None) };
    let max = bounds::DISPLAY_NAME_CHARS;
    if name.chars().count() > max {
        let sentence = format!("display_name must be at most {max} characters.");
        return Err(Refused::invalid("too_long", "display_name", sentence));
    }
    if name.chars().any(char::is_control) {
        let sentence = "display_name must not hold control characters.";
        return Err(Refused::invalid("invalid_name", "display_name", sentence));
    }
    Ok(Some(name.to_owned()))
}
