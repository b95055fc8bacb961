//! The server's HTTP API over one keep-alive connection.

use anyhow::{Context, Result, bail};
use memchr::memmem;
use serde_json::Value;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

use crate::dial::{Dialer, Stream};
use crate::http::{Response, read_response};

pub struct Api {
    dialer: Arc<Dialer>,
    key: String,
    index: usize,
    stream: Option<Box<dyn Stream>>,
    request: Vec<u8>,
    rest: Vec<u8>,
}

impl Api {
    /// Connects with the first request. `index` decides the local address.
    pub fn new(dialer: Arc<Dialer>, key: String, index: usize) -> Self {
        Self { dialer, key, index, stream: None, request: Vec::new(), rest: Vec::new() }
    }

    /// Calls a method; an error in the reply is an error here. Returns the result.
    pub async fn call(&mut self, method: &str, request: Value) -> Result<Value> {
        let response = self.post(method, request.to_string().as_bytes()).await?;
        result_of(method, &response.body)
    }

    /// Posts a body and returns the response, which is of status 200 but may have an error in its body.
    pub async fn post(&mut self, method: &str, body: &[u8]) -> Result<Response> {
        let was_open = self.stream.is_some();
        let response = match self.attempt(method, body).await {
            // What was open may have been closed for idleness, so it gets a second chance on a new connection.
            Err(_) if was_open => self.attempt(method, body).await?,
            first => first?,
        };
        match response.status {
            200 => Ok(response),
            401 => bail!("the server refuses the API key (is --api-key right?)"),
            status => bail!("the API answered {status} to {method}"),
        }
    }

    async fn attempt(&mut self, method: &str, body: &[u8]) -> Result<Response> {
        // Until there is a whole response the connection is not fit for another request.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.dialer.dial(self.index).await?,
        };
        let head = format!(
            "POST {}/api/{method} HTTP/1.1\r\nHost: {}\r\nX-API-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.dialer.path,
            self.dialer.host,
            self.key,
            body.len()
        );
        self.request.clear();
        self.rest.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        stream.write_all(&self.request).await?;
        stream.flush().await?;
        let response = read_response(&mut stream, &mut self.rest).await?;
        self.stream = Some(stream);
        Ok(response)
    }
}

pub fn result_of(method: &str, body: &[u8]) -> Result<Value> {
    let mut reply: Value = serde_json::from_slice(body).context("the API's reply is not JSON")?;
    match reply.get("error") {
        Some(error) => bail!("{method}: {error}"),
        None => Ok(reply["result"].take()),
    }
}

/// Whether the reply to a publish request, of any kind, has an error. It carries nothing of the publication.
pub fn has_error(reply: &[u8]) -> bool {
    memmem::find(reply, br#""error":"#).is_some()
}
