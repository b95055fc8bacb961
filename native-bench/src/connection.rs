//! A client: a WebSocket connection that has logged in.

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::sync::Arc;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Mutex;

use crate::dial::{Dialer, Stream};
use crate::http::first_head;
use crate::messages::{Command, ConnectRequest, Reply, SubscribeRequest};
use crate::protocol::Protocol;
use crate::reader::Reader;
use crate::websocket::{self, BINARY, CLOSE, PING, PONG, TEXT};

type Inner = Box<dyn Stream>;

pub struct Connection {
    reader: Reader<ReadHalf<Inner>>,
    /// Of a message in several frames, those that have arrived.
    fragments: Vec<u8>,
    sender: Sender,
    protocol: Protocol,
    answers_pings: bool,
    last_id: u32,
}

/// Sends while the connection reads.
#[derive(Clone)]
pub struct Sender {
    writer: Arc<Mutex<WriteHalf<Inner>>>,
    protocol: Protocol,
}

impl Connection {
    /// Opens connection number `index`, which decides its local address. The client is not logged in yet.
    pub async fn open(dialer: &Dialer, index: usize, protocol: Protocol) -> Result<Self> {
        let (read, write) = tokio::io::split(dialer.dial(index).await?);
        let mut connection = Self {
            reader: Reader::new(read),
            fragments: Vec::new(),
            sender: Sender { writer: Arc::new(Mutex::new(write)), protocol },
            protocol,
            answers_pings: false,
            last_id: 0,
        };
        connection.handshake(dialer, index).await.context("no WebSocket connection")?;
        Ok(connection)
    }

    async fn handshake(&mut self, dialer: &Dialer, index: usize) -> Result<()> {
        let key = BASE64_STANDARD.encode((index as u128).to_be_bytes()); // only has to be 16 bytes
        let subprotocol = match self.protocol {
            Protocol::Json => "",
            Protocol::Protobuf => "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n",
        };
        let request = format!(
            "GET {}/connection/websocket HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n",
            dialer.path, dialer.host
        );
        self.sender.write(request.as_bytes()).await?;
        let head = |bytes: &[u8]| Ok(first_head(bytes)?.map(|(used, head)| (used, head.status)));
        match self.reader.read(head).await? {
            101 => Ok(()),
            status => bail!("the server answered {status}"),
        }
    }

    /// Logs in and subscribes, in one round trip. `decode` reads the replies.
    pub async fn login(
        &mut self,
        token: String,
        subscribe: SubscribeRequest,
        decode: impl FnMut(&[u8]) -> Result<Reply>,
    ) -> Result<()> {
        let connect = Command { connect: Some(ConnectRequest { token }), ..Default::default() };
        let subscribe = Command { subscribe: Some(subscribe), ..Default::default() };
        let replies = self.exchange([connect, subscribe], decode).await?;
        self.answers_pings = replies.iter().any(|reply| reply.connect.as_ref().is_some_and(|result| result.pong));
        Ok(())
    }

    /// Sends a command and waits for the reply, in which an error is an error here, a `ServerError`.
    pub async fn call(&mut self, command: Command) -> Result<()> {
        let protocol = self.protocol;
        self.exchange([command], |reply| protocol.decode(reply)).await.map(drop)
    }

    /// Sends commands together and waits for all replies. The first error is the result.
    async fn exchange<const N: usize>(
        &mut self,
        mut commands: [Command; N],
        mut decode: impl FnMut(&[u8]) -> Result<Reply>,
    ) -> Result<Vec<Reply>> {
        for command in &mut commands {
            self.last_id += 1;
            command.id = self.last_id;
        }
        self.sender.send(&commands).await?;
        let protocol = self.protocol;
        let mut replies = Vec::with_capacity(N);
        let mut failure = None;
        while replies.len() < N {
            let on_message = |message: &[u8]| {
                if !protocol.is_reply(message) {
                    return;
                }
                match decode(message) {
                    Ok(Reply { error: Some(error), .. }) => failure = failure.take().or(Some(error.into())),
                    Ok(reply) => replies.push(reply),
                    Err(error) => failure = Some(error),
                }
            };
            self.read(on_message).await?;
            if let Some(failure) = failure.take() {
                return Err(failure);
            }
        }
        Ok(replies)
    }

    /// Reads what has arrived, answers the pings in it, and hands on the other messages, which are not copied.
    pub async fn read(&mut self, mut on_message: impl FnMut(&[u8])) -> Result<()> {
        let Self { protocol, answers_pings, fragments, .. } = self;
        let mut answers = Vec::new();
        let mut on_whole = |message: &[u8], answers: &mut Vec<u8>| {
            for message in protocol.messages(message) {
                if !protocol.is_ping(message) {
                    on_message(message);
                } else if *answers_pings {
                    websocket::write(answers, data_opcode(*protocol), protocol.pong());
                }
            }
        };
        let frames = |bytes: &[u8]| {
            let mut used = 0;
            while let Some((length, frame)) = websocket::first(&bytes[used..])? {
                used += length;
                match frame.opcode {
                    CLOSE => bail!(close_reason(frame.payload)),
                    PING => websocket::write(&mut answers, PONG, frame.payload),
                    PONG => (),
                    _ if frame.is_last && fragments.is_empty() => on_whole(frame.payload, &mut answers),
                    _ => {
                        fragments.extend_from_slice(frame.payload);
                        if frame.is_last {
                            on_whole(fragments, &mut answers);
                            fragments.clear();
                        }
                    }
                }
            }
            Ok((used > 0).then_some((used, ())))
        };
        self.reader.read(frames).await?;
        if !answers.is_empty() {
            self.sender.write(&answers).await?;
        }
        Ok(())
    }

    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// The id of the next command that is sent around `call`.
    pub fn next_id(&self) -> u32 {
        self.last_id + 1
    }

    /// Says goodbye, so that the server sees a close and not a broken connection.
    pub async fn close(self) -> Result<()> {
        let mut frame = Vec::new();
        websocket::write(&mut frame, CLOSE, &1000u16.to_be_bytes());
        self.sender.write(&frame).await
    }
}

impl Sender {
    pub async fn send(&self, commands: &[Command]) -> Result<()> {
        let mut frame = Vec::new();
        websocket::write(&mut frame, data_opcode(self.protocol), &self.protocol.encode(commands)?);
        self.write(&frame).await
    }

    async fn write(&self, frames: &[u8]) -> Result<()> {
        let mut writer = self.writer.lock().await;
        writer.write_all(frames).await?;
        Ok(writer.flush().await?)
    }
}

fn data_opcode(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Json => TEXT,
        Protocol::Protobuf => BINARY,
    }
}

fn close_reason(payload: &[u8]) -> String {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else { return "closed by the server".into() };
    let code = u16::from_be_bytes(*code);
    let hint = if code == 3500 { " (is --secret right?)" } else { "" };
    format!("closed by the server: {code} {}{hint}", String::from_utf8_lossy(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_says_why() {
        assert_eq!(close_reason(&[]), "closed by the server");
        assert_eq!(close_reason(b"\x0b\xc2bye"), "closed by the server: 3010 bye");
        assert_eq!(
            close_reason(b"\x0d\xacinvalid token"),
            "closed by the server: 3500 invalid token (is --secret right?)"
        );
    }
}
