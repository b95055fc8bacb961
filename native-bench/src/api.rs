//! The server's HTTP API over one keep-alive connection.

use anyhow::{Context, Result, bail};
use memchr::memmem;
use serde_json::Value;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

use crate::dial::{Dialer, Stream};
use crate::http::{Response, first_response};
use crate::messages::ServerError;
use crate::reader::Reader;

pub struct Api {
    dialer: Arc<Dialer>,
    key: String,
    index: usize,
    connection: Option<Reader<Box<dyn Stream>>>,
    request: Vec<u8>,
}

impl Api {
    /// Connects with the first request. `index` decides the local address.
    pub fn new(dialer: Arc<Dialer>, key: String, index: usize) -> Self {
        Self { dialer, key, index, connection: None, request: Vec::new() }
    }

    /// Calls a method; an error in the reply is an error here. Returns the result.
    pub async fn call(&mut self, method: &str, request: Value) -> Result<Value> {
        let body = request.to_string();
        self.post(method, body.as_bytes(), |response| result_of(method, &response.body)).await?
    }

    /// Posts a body and returns what is read of the response, which is of status 200 but may have an error in its body.
    pub async fn post<T>(&mut self, method: &str, body: &[u8], read: impl Fn(&Response) -> T) -> Result<T> {
        self.write_request(method, body);
        let was_open = self.connection.is_some();
        let answer = match self.attempt(&read).await {
            // What was open may have been closed for idleness, so it gets a second chance on a new connection.
            Err(_) if was_open => self.attempt(&read).await,
            first => first,
        };
        match answer.with_context(|| format!("no answer from {} to {method}", self.dialer.host))? {
            Ok(read) => Ok(read),
            Err(401) => bail!("the server refuses the API key (is --api-key right?)"),
            Err(status) => bail!("the API answered {status} to {method}"),
        }
    }

    fn write_request(&mut self, method: &str, body: &[u8]) {
        let Dialer { path, host, .. } = &*self.dialer;
        self.request.clear();
        for part in ["POST ", path, "/api/", method, " HTTP/1.1\r\nHost: ", host, "\r\nX-API-Key: ", &self.key] {
            self.request.extend_from_slice(part.as_bytes());
        }
        self.request.extend_from_slice(b"\r\nContent-Type: application/json\r\nContent-Length: ");
        self.request.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        self.request.extend_from_slice(b"\r\n\r\n");
        self.request.extend_from_slice(body);
    }

    /// What is read of the response, or its status where that is not 200.
    async fn attempt<T>(&mut self, read: &impl Fn(&Response) -> T) -> Result<Result<T, u16>> {
        // Until there is a whole response the connection is not fit for another request.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Reader::new(self.dialer.dial(self.index).await?),
        };
        connection.stream.write_all(&self.request).await?;
        connection.stream.flush().await?;
        let answer = connection.read(|bytes| {
            let answer =
                |response: Response| if response.status == 200 { Ok(read(&response)) } else { Err(response.status) };
            Ok(first_response(bytes)?.map(|(used, response)| (used, answer(response))))
        });
        let answer = answer.await?;
        self.connection = Some(connection);
        Ok(answer)
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
