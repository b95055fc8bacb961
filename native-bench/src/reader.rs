//! What arrives over a connection, as bytes of a buffer that all connections of a thread share: one system call takes all that
//! is there, however large, and a connection that waits has no buffer.

use anyhow::{Result, ensure};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

const READ_BYTES_MAX: usize = 256 * 1024;
const REST_BYTES_MAX: usize = 64 * 1024 * 1024;

thread_local! {
    static ARRIVED: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

pub struct Reader<S> {
    pub stream: S,
    /// What was not used of what has arrived.
    rest: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, rest: Vec::new() }
    }

    /// Gives `take` all that has arrived and was not used, again whenever there is more, until it says how many bytes it has
    /// used and what they are.
    pub async fn read<T>(&mut self, mut take: impl FnMut(&[u8]) -> Result<Option<(usize, T)>>) -> Result<T> {
        if !self.rest.is_empty()
            && let Some((used, taken)) = take(&self.rest)?
        {
            self.rest.drain(..used);
            return Ok(taken);
        }
        let Self { stream, rest } = self;
        loop {
            let arrived = poll_fn(|context| {
                ARRIVED.with_borrow_mut(|buffer| {
                    let mut buffer = ReadBuf::new(buffer);
                    ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
                    Poll::Ready(take_from(rest, buffer.filled(), &mut take))
                })
            });
            if let Some(taken) = arrived.await? {
                return Ok(taken);
            }
        }
    }
}

fn take_from<T>(
    rest: &mut Vec<u8>,
    arrived: &[u8],
    take: &mut impl FnMut(&[u8]) -> Result<Option<(usize, T)>>,
) -> Result<Option<T>> {
    ensure!(!arrived.is_empty(), "the server closed the connection");
    if rest.is_empty() {
        let taken = take(arrived)?;
        let used = taken.as_ref().map_or(0, |(used, _)| *used);
        rest.extend_from_slice(&arrived[used..]);
        return Ok(taken.map(|(_, taken)| taken));
    }
    rest.extend_from_slice(arrived);
    ensure!(rest.len() <= REST_BYTES_MAX, "a message of the server is too long");
    let Some((used, taken)) = take(rest)? else { return Ok(None) };
    rest.drain(..used);
    Ok(Some(taken))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A stream that gives so many bytes at a time.
    pub struct Drip<'a>(pub usize, pub &'a [u8]);

    impl AsyncRead for Drip<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut std::task::Context,
            buffer: &mut ReadBuf,
        ) -> Poll<std::io::Result<()>> {
            let (now, later) = self.1.split_at(self.0.min(self.1.len()));
            buffer.put_slice(now);
            self.1 = later;
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_is_not_used_stays() {
        let line = |bytes: &[u8]| {
            let end = bytes.iter().position(|&byte| byte == b'\n');
            Ok(end.map(|end| (end + 1, String::from_utf8_lossy(&bytes[..end]).into_owned())))
        };
        for size in 1..20 {
            let mut reader = Reader::new(Drip(size, b"one\ntwo\n\nthree\nfour"));
            for expected in ["one", "two", "", "three"] {
                assert_eq!(reader.read(line).await.unwrap(), expected);
            }
            let error = reader.read(line).await.unwrap_err();
            assert_eq!(error.to_string(), "the server closed the connection");
        }
    }
}
