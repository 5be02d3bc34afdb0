//! One REST call, byte by byte what the test says.

use std::net::SocketAddr;

use http::HeaderMap;

#[derive(Debug, Clone)]
pub(crate) struct Rest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Rest {
    /// From `POST /api/…?query`. What a URL cannot hold is escaped.
    pub(crate) fn new(address: SocketAddr, call: &str) -> Self {
        let (method, target) = call.split_once(' ').expect("METHOD /target");
        let escaped: String =
            target.chars().map(|c| if c == ' ' { "%20".to_owned() } else { c.to_string() }).collect();
        Self {
            method: method.to_owned(),
            url: format!("http://{address}{escaped}"),
            token: None,
            content_type: None,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn url_without_query(&self) -> &str {
        self.url.split('?').next().expect("a first part")
    }

    pub(crate) async fn send(self) -> Answer {
        let method = reqwest::Method::from_bytes(self.method.as_bytes()).expect("a method");
        let mut request = reqwest::Client::new().request(method, &self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(content_type) = &self.content_type {
            request = request.header("content-type", content_type);
        }
        if self.method == "POST" {
            // The library announces no length of zero by itself.
            request = request.header("content-length", self.body.len()).body(self.body);
        }
        let response = request.send().await.expect("an answer");
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.expect("a body"),
        }
    }
}
