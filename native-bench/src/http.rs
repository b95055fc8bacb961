//! HTTP/1.1 of a client on a connection of its own: heads, and bodies of known length or in chunks (RFC 9112).

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt};

const HEAD_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// Reads a response without its body, as of a WebSocket handshake. `rest` keeps what was read beyond it.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>) -> Result<Response> {
    let end = loop {
        if let Some(end) = memmem::find(rest, b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(rest.len() < HEAD_BYTES_MAX, "the head of a response is too long");
        ensure!(stream.read_buf(rest).await? > 0, "the server closed the connection");
    };
    let head = String::from_utf8_lossy(&rest[..end]).into_owned();
    rest.drain(..end);
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3)).and_then(|code| code.parse().ok());
    let status = status.context("the server does not speak HTTP/1.1")?;
    Ok(Response { status, head, body: Vec::new() })
}

/// Reads a whole response.
pub async fn read_response(stream: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>) -> Result<Response> {
    let mut response = read_head(stream, rest).await?;
    if let Some(length) = response.header("content-length") {
        let length = length.parse().context("Content-Length is not a number")?;
        response.body = take(stream, rest, length).await?;
    } else if response.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        response.body = read_chunks(stream, rest).await?;
    }
    Ok(response)
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

async fn read_chunks(stream: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = loop {
            if let Some(end) = memmem::find(rest, b"\r\n") {
                break rest.drain(..end + 2).collect::<Vec<_>>();
            }
            ensure!(stream.read_buf(rest).await? > 0, "the server closed the connection in a chunk");
        };
        let line = String::from_utf8_lossy(&line);
        let size = line.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { bail!("the size of a chunk is not a number") };
        let chunk = take(stream, rest, size.saturating_add(2)).await?;
        body.extend_from_slice(&chunk[..size]);
        ensure!(body.len() <= BODY_BYTES_MAX, "a response is too long");
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn take(stream: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>, length: usize) -> Result<Vec<u8>> {
    ensure!(length <= BODY_BYTES_MAX, "a response is too long");
    while rest.len() < length {
        ensure!(stream.read_buf(rest).await? > 0, "the server closed the connection in a response");
    }
    let after = rest.split_off(length);
    Ok(std::mem::replace(rest, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that gives one byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl AsyncRead for Drip<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context,
            buffer: &mut tokio::io::ReadBuf,
        ) -> std::task::Poll<std::io::Result<()>> {
            if let Some((first, rest)) = self.0.split_first() {
                buffer.put_slice(&[*first]);
                self.0 = rest;
            }
            std::task::Poll::Ready(Ok(()))
        }
    }

    async fn read_all(bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let (mut stream, mut rest, mut all) = (Drip(bytes), Vec::new(), Vec::new());
        while let Ok(response) = read_response(&mut stream, &mut rest).await {
            all.push((response.status, response.body));
        }
        all
    }

    #[tokio::test]
    async fn reads_one_response_after_the_other() {
        let bytes = b"HTTP/1.1 200 OK\r\nCONTENT-length: 3\r\n\r\nabcHTTP/1.1 404 No\r\n\
            Transfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n1;a=b\r\nz\r\n0\r\n\r\nHTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n";
        let expected = [(200, b"abc".to_vec()), (404, b"xyz".to_vec()), (401, vec![])];
        assert_eq!(read_all(bytes).await, expected);
        let (mut whole, mut rest) = (&bytes[..], Vec::new());
        for (status, body) in expected {
            let response = read_response(&mut whole, &mut rest).await.unwrap();
            assert_eq!((response.status, response.body), (status, body));
        }
    }

    #[tokio::test]
    async fn nonsense_is_an_error() {
        for bytes in ["", "HTTP/1.1 200", "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"] {
            assert!(read_all(bytes.as_bytes()).await.is_empty());
        }
        assert!(
            read_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n").await.is_empty()
        );
    }
}
