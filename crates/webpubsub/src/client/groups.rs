use std::collections::VecDeque;

use http::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::{ClientError, ErrorKind, ServiceClient};

/// The largest page of a listing, and the usual one.
const MAX_PAGE: u16 = 200;

impl ServiceClient {
    /// Puts a connection into a group; `false` if there is no such connection.
    pub async fn add_connection_to_group(&self, group: &str, connection: &str) -> Result<bool, ClientError> {
        let words = ["groups", group, "connections", connection];
        let call = self.call("add a connection to a group", Method::PUT, &words)?;
        self.exchange_unless_missing(&call).await.map(|answer| answer.is_some())
    }

    /// Takes a connection out of a group. One that is not there is `Ok`.
    pub async fn remove_connection_from_group(
        &self,
        group: &str,
        connection: &str,
    ) -> Result<(), ClientError> {
        let words = ["groups", group, "connections", connection];
        let call = self.call("remove a connection from a group", Method::DELETE, &words)?;
        self.exchange_unless_missing(&call).await.map(drop)
    }

    /// Takes a connection out of all its groups. One that is not there is `Ok`.
    pub async fn remove_connection_from_all_groups(&self, connection: &str) -> Result<(), ClientError> {
        let words = ["connections", connection, "groups"];
        let call = self.call("remove a connection from all groups", Method::DELETE, &words)?;
        self.exchange_unless_missing(&call).await.map(drop)
    }

    /// Puts the connections that a user has now into a group; `false` if the service says that there are none, which not
    /// every version of it does.
    pub async fn add_user_to_group(&self, user: &str, group: &str) -> Result<bool, ClientError> {
        let call = self.call("add a user to a group", Method::PUT, &["users", user, "groups", group])?;
        self.exchange_unless_missing(&call).await.map(|answer| answer.is_some())
    }

    /// Takes a user's connections out of a group. No connection is `Ok`.
    pub async fn remove_user_from_group(&self, user: &str, group: &str) -> Result<(), ClientError> {
        let call =
            self.call("remove a user from a group", Method::DELETE, &["users", user, "groups", group])?;
        self.exchange_unless_missing(&call).await.map(drop)
    }

    /// Takes a user's connections out of all groups. No connection is `Ok`.
    pub async fn remove_user_from_all_groups(&self, user: &str) -> Result<(), ClientError> {
        let call = self.call("remove a user from all groups", Method::DELETE, &["users", user, "groups"])?;
        self.exchange_unless_missing(&call).await.map(drop)
    }

    /// Puts every connection that an OData filter matches into the groups; all connections without a filter.
    pub async fn add_to_groups(&self, groups: &[String], filter: Option<&str>) -> Result<(), ClientError> {
        self.change_groups("add connections to groups", ":addToGroups", groups, filter).await
    }

    /// Takes every connection that an OData filter matches out of the groups; all connections without a filter.
    pub async fn remove_from_groups(
        &self,
        groups: &[String],
        filter: Option<&str>,
    ) -> Result<(), ClientError> {
        self.change_groups("remove connections from groups", ":removeFromGroups", groups, filter).await
    }

    async fn change_groups(
        &self,
        operation: &'static str,
        verb: &str,
        groups: &[String],
        filter: Option<&str>,
    ) -> Result<(), ClientError> {
        #[derive(Serialize)]
        struct Change<'a> {
            groups: &'a [String],
            #[serde(skip_serializing_if = "Option::is_none")]
            filter: Option<&'a str>,
        }
        let body = serde_json::to_vec(&Change { groups, filter })
            .map_err(|why| ClientError::new(operation, ErrorKind::Invalid, why.to_string()))?;
        let call = self.call(operation, Method::POST, &[verb])?.body("application/json", body.into());
        self.exchange(&call).await.map(drop)
    }

    /// Lists a group's connections, page by page, in no promised order. `page` is 1 to 200.
    #[must_use]
    pub fn connections_in(&self, group: &str, page: Option<u16>) -> Connections {
        Connections {
            client: self.clone(),
            group: group.to_owned(),
            page: page.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE),
            token: Some(None),
            read: VecDeque::new(),
        }
    }
}

/// A connection as a listing has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    pub connection_id: String,
    #[serde(default)]
    pub user_id: Option<String>,
}

/// A listing under way.
#[derive(Debug)]
pub struct Connections {
    client: ServiceClient,
    group: String,
    page: u16,
    /// What the next page is asked for with; the first without any. `None` after the last.
    token: Option<Option<String>>,
    read: VecDeque<Connection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Vec<Connection>,
    #[serde(default)]
    next_link: Option<String>,
}

impl Connections {
    /// The next connection; `None` at the end. After an error the same page is asked for again.
    pub async fn next(&mut self) -> Result<Option<Connection>, ClientError> {
        while self.read.is_empty() {
            let Some(token) = &self.token else { return Ok(None) };
            let page = self.fetch(token.as_deref()).await?;
            // The link's host may be the service's inner one; what counts is where in the list we are.
            self.token = page.next_link.as_deref().and_then(continuation_token).map(Some);
            self.read.extend(page.value);
        }
        Ok(self.read.pop_front())
    }

    /// All that are left.
    pub async fn all(mut self) -> Result<Vec<Connection>, ClientError> {
        let mut all = Vec::new();
        while let Some(connection) = self.next().await? {
            all.push(connection);
        }
        Ok(all)
    }

    async fn fetch(&self, token: Option<&str>) -> Result<Page, ClientError> {
        const OPERATION: &str = "list a group's connections";
        let call = self
            .client
            .call(OPERATION, Method::GET, &["groups", &self.group, "connections"])?
            .query("maxpagesize", &self.page.to_string())
            .query_some("continuationToken", token);
        let answer = self.client.exchange(&call).await?;
        serde_json::from_slice(&answer).map_err(|why| {
            ClientError::new(OPERATION, ErrorKind::BadAnswer, "the answer is no page of a listing")
                .caused_by(why)
        })
    }
}

fn continuation_token(link: &str) -> Option<String> {
    let query = link.split_once('?')?.1;
    query.split('#').next()?.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.replace('+', " ");
        let is_it = name.eq_ignore_ascii_case("continuationToken") && !value.is_empty();
        is_it.then(|| percent_decode_str(&value).decode_utf8_lossy().into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_gives_its_token() {
        let link = "https://inner/api/hubs/h/groups/g/connections?api-version=x&ContinuationToken=a%2Bb%3D+c&top=1#f";
        assert_eq!(continuation_token(link).as_deref(), Some("a+b= c"));
        for none in ["https://inner/connections", "?continuationToken=", "?top=1", ""] {
            assert_eq!(continuation_token(none), None);
        }
    }
}
