//! A client: a WebSocket connection that has logged in.

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use fastwebsockets::{
    FragmentCollectorRead, Frame, OpCode, Role, WebSocketError, WebSocketWrite, after_handshake_split,
};
use std::sync::Arc;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Mutex;

use crate::dial::{Dialer, Stream};
use crate::http::read_head;
use crate::messages::{Command, ConnectRequest, Reply, SubscribeRequest};
use crate::protocol::Protocol;

type Inner = Box<dyn Stream>;

pub struct Connection {
    reader: FragmentCollectorRead<ReadHalf<Inner>>,
    sender: Sender,
    protocol: Protocol,
    answers_pings: bool,
    last_id: u32,
}

/// Sends while the connection reads.
#[derive(Clone)]
pub struct Sender {
    writer: Arc<Mutex<WebSocketWrite<WriteHalf<Inner>>>>,
    protocol: Protocol,
}

impl Connection {
    /// Opens connection number `index`, which decides its local address. The client is not logged in yet.
    pub async fn open(dialer: &Dialer, index: usize, protocol: Protocol) -> Result<Self> {
        let mut stream = dialer.dial(index).await?;
        handshake(&mut stream, dialer, index, protocol).await.context("no WebSocket connection")?;
        let (read, write) = tokio::io::split(stream);
        let (reader, writer) = after_handshake_split(read, write, Role::Client);
        Ok(Self {
            reader: FragmentCollectorRead::new(reader),
            sender: Sender { writer: Arc::new(Mutex::new(writer)), protocol },
            protocol,
            answers_pings: false,
            last_id: 0,
        })
    }

    /// Logs in and subscribes, in one round trip. `on_message` is given every message but the reply to the login.
    pub async fn login(
        &mut self,
        token: String,
        subscribe: SubscribeRequest,
        mut on_message: impl FnMut(&[u8]),
    ) -> Result<()> {
        let connect = Command { connect: Some(ConnectRequest { token }), ..Default::default() };
        let subscribe = Command { subscribe: Some(subscribe), ..Default::default() };
        let replies = self.call([connect, subscribe], &mut on_message).await?;
        self.answers_pings = replies.iter().any(|reply| reply.connect.as_ref().is_some_and(|result| result.pong));
        Ok(())
    }

    /// Sends commands together and waits for all replies. The first error in a reply is the result, as a `ServerError`.
    /// `on_message` is given every message meanwhile, replies to subscribe commands included.
    pub async fn call<const N: usize>(
        &mut self,
        mut commands: [Command; N],
        on_message: &mut impl FnMut(&[u8]),
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
            let on_any = |message: &[u8]| {
                if protocol.is_reply(message) {
                    match protocol.decode(message) {
                        Ok(Reply { error: Some(error), .. }) => failure = failure.take().or(Some(error.into())),
                        Ok(reply) => replies.push(reply),
                        Err(error) => failure = Some(error),
                    }
                }
                on_message(message);
            };
            self.read(on_any).await?;
            if let Some(failure) = failure.take() {
                return Err(failure);
            }
        }
        Ok(replies)
    }

    /// Reads one frame, answers the ping in it, and hands on the other messages, which are not copied.
    pub async fn read(&mut self, mut on_message: impl FnMut(&[u8])) -> Result<()> {
        let sender = &self.sender;
        let mut obliged = |frame| async { sender.frame(frame).await };
        let frame = self.reader.read_frame(&mut obliged).await.map_err(lost)?;
        if frame.opcode == OpCode::Close {
            bail!(close_reason(&frame.payload));
        }
        let mut pinged = false;
        for message in self.protocol.messages(&frame.payload) {
            if self.protocol.is_ping(message) {
                pinged = true;
            } else {
                on_message(message);
            }
        }
        if pinged && self.answers_pings {
            self.sender.frame(data_frame(self.protocol, self.protocol.pong().to_vec())).await?;
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
        self.sender.frame(Frame::close(1000, b"")).await?;
        Ok(())
    }
}

impl Sender {
    pub async fn send(&self, commands: &[Command]) -> Result<()> {
        let frame = data_frame(self.protocol, self.protocol.encode(commands)?);
        self.frame(frame).await.map_err(lost)
    }

    async fn frame(&self, frame: Frame<'_>) -> Result<(), WebSocketError> {
        self.writer.lock().await.write_frame(frame).await
    }
}

fn data_frame(protocol: Protocol, bytes: Vec<u8>) -> Frame<'static> {
    match protocol {
        Protocol::Json => Frame::text(bytes.into()),
        Protocol::Protobuf => Frame::binary(bytes.into()),
    }
}

async fn handshake(stream: &mut Inner, dialer: &Dialer, index: usize, protocol: Protocol) -> Result<()> {
    let key = BASE64_STANDARD.encode((index as u128).to_be_bytes()); // only has to be 16 bytes
    let subprotocol = match protocol {
        Protocol::Json => "",
        Protocol::Protobuf => "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n",
    };
    let request = format!(
        "GET {}/connection/websocket HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n",
        dialer.path, dialer.host
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut rest = Vec::new(); // stays empty: a server says nothing before the client has logged in
    match read_head(stream, &mut rest).await?.status {
        101 => Ok(()),
        status => bail!("the server answered {status}"),
    }
}

fn lost(error: WebSocketError) -> anyhow::Error {
    match error {
        WebSocketError::UnexpectedEOF | WebSocketError::ConnectionClosed => {
            anyhow::anyhow!("the server closed the connection")
        }
        other => anyhow::Error::from(other),
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
