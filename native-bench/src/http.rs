//! HTTP/1.1 responses: heads, and bodies of known length or in chunks (RFC 9112).

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use std::borrow::Cow;

const HEAD_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

pub struct Response<'a> {
    pub status: u16,
    head: &'a [u8],
    pub body: Cow<'a, [u8]>,
}

/// The length of the head that the bytes start with, and its response without a body. None until all of it is there.
pub fn first_head(bytes: &[u8]) -> Result<Option<(usize, Response<'_>)>> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        ensure!(bytes.len() < HEAD_BYTES_MAX, "the head of a response is too long");
        return Ok(None);
    };
    let head = &bytes[..end + 4];
    let code = head.strip_prefix(b"HTTP/1.1 ").and_then(<[u8]>::first_chunk::<3>);
    let status = code.and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    let status = status.context("the server does not speak HTTP/1.1")?;
    Ok(Some((head.len(), Response { status, head, body: Cow::Borrowed(&[]) })))
}

/// The length of the response that the bytes start with, and the response. None until all of it is there.
pub fn first_response(bytes: &[u8]) -> Result<Option<(usize, Response<'_>)>> {
    let Some((start, mut response)) = first_head(bytes)? else { return Ok(None) };
    let rest = &bytes[start..];
    let (length, body) = if let Some(length) = response.header("content-length") {
        let length = length.parse().context("Content-Length is not a number")?;
        ensure!(length <= BODY_BYTES_MAX, "a response is too long");
        let Some(body) = rest.get(..length) else { return Ok(None) };
        (length, Cow::Borrowed(body))
    } else if response.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        let Some((length, body)) = chunks(rest)? else { return Ok(None) };
        (length, Cow::Owned(body))
    } else {
        (0, Cow::Borrowed(&[][..]))
    };
    response.body = body;
    Ok(Some((start + length, response)))
}

impl Response<'_> {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.split(|&byte| byte == b'\n').find_map(|line| {
            let (field, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":").filter(|_| field.eq_ignore_ascii_case(name.as_bytes()))?;
            std::str::from_utf8(value).ok().map(str::trim)
        })
    }
}

/// The length of a body in chunks, and the body. None until all of it is there.
fn chunks(bytes: &[u8]) -> Result<Option<(usize, Vec<u8>)>> {
    let (mut at, mut body) = (0, Vec::new());
    while let Some(line) = memmem::find(&bytes[at..], b"\r\n") {
        let size = String::from_utf8_lossy(&bytes[at..at + line]);
        let size = size.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { bail!("the size of a chunk is not a number") };
        ensure!(body.len().saturating_add(size) <= BODY_BYTES_MAX, "a response is too long");
        at += line + 2;
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        body.extend_from_slice(&chunk[..size]);
        at += chunk.len();
        if size == 0 {
            return Ok(Some((at, body)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Reader;
    use crate::reader::tests::Drip;

    async fn read_all(size: usize, bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let (mut reader, mut all) = (Reader::new(Drip(size, bytes)), Vec::new());
        let response = |bytes: &[u8]| {
            let first = first_response(bytes)?;
            Ok(first.map(|(used, response)| (used, (response.status, response.body.into_owned()))))
        };
        while let Ok(response) = reader.read(response).await {
            all.push(response);
        }
        all
    }

    #[tokio::test]
    async fn reads_one_response_after_the_other() {
        let bytes = b"HTTP/1.1 200 OK\r\nx: y\r\nCONTENT-length: 3\r\n\r\nabcHTTP/1.1 404 No\r\n\
            Transfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n1;a=b\r\nz\r\n0\r\n\r\nHTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n";
        let expected = [(200, b"abc".to_vec()), (404, b"xyz".to_vec()), (401, vec![])];
        for size in [1, 2, 3, 50, bytes.len()] {
            assert_eq!(read_all(size, bytes).await, expected);
        }
    }

    #[test]
    fn a_header_is_found_by_its_whole_name() {
        let bytes = b"HTTP/1.1 200 OK\r\nx-length: 1\r\nlength-x: 2\r\nLength:  3 \r\n\r\n";
        let (_, response) = first_head(bytes).unwrap().unwrap();
        assert_eq!((response.header("length"), response.header("leng")), (Some("3"), None));
    }

    #[tokio::test]
    async fn nonsense_is_an_error() {
        for bytes in [
            "",
            "HTTP/1.1 200",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ] {
            assert!(read_all(1, bytes.as_bytes()).await.is_empty());
        }
    }
}
