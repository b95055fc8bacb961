//! The server's HTTP API over one keep-alive connection.

use anyhow::{Context, Result, bail};
use memchr::memmem;
use serde_json::Value;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

use crate::dial::{Dialer, Stream};
use crate::http::{Response, read_response};
use crate::messages::ServerError;

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
        let exchange = async {
            stream.write_all(&self.request).await?;
            stream.flush().await?;
            read_response(&mut stream, &mut self.rest).await
        };
        let response = exchange.await.with_context(|| format!("no answer from {} to {method}", self.dialer.host))?;
        self.stream = Some(stream);
        Ok(response)
    }
}

/// The result in the reply to a method.
pub fn result_of(method: &str, body: &[u8]) -> Result<Value> {
    let mut reply: Value = serde_json::from_slice(body).context("the API's reply is not JSON")?;
    match reply.get_mut("error") {
        Some(error) => Err(serde_json::from_value::<ServerError>(error.take())?).with_context(|| method.to_owned()),
        None => Ok(reply["result"].take()),
    }
}

/// The first error in a reply, wherever it stands. Not for replies that carry data of applications, which may look the same.
pub fn error_in(reply: &[u8]) -> Option<ServerError> {
    const START: &[u8] = br#""error":"#;
    let at = memmem::find(reply, START)? + START.len();
    serde_json::Deserializer::from_slice(&reply[at..]).into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_error() {
        let replies =
            br#"{"replies":[{"publish":{}},{"error":{"code":102,"message":"unknown channel"}},{"error":{"code":1}}]}"#;
        assert_eq!(error_in(replies), Some(ServerError { code: 102, message: "unknown channel".into() }));
        assert_eq!(error_in(br#"{"result":{"offset":1}}"#), None);
    }

    #[test]
    fn an_error_is_no_result() {
        let error = result_of("x", br#"{"error":{"code":100,"message":"internal"}}"#).unwrap_err();
        assert_eq!(format!("{error:#}"), "x: 100 internal");
        assert_eq!(result_of("x", br#"{"result":{"a":1}}"#).unwrap()["a"], 1);
        assert!(result_of("x", b"<html>").is_err());
    }
}
