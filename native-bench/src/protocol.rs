//! The two encodings of the client protocol.
//!
//! A WebSocket frame carries one or more messages: lines of JSON, or Protobuf messages that each follow their length. An
//! empty message (`{}` in JSON) is a ping, and the answer to it is the same.

use anyhow::{Context, Result};
use clap::ValueEnum;
use memchr::memchr;
use prost::Message;
use serde::Serialize;

use crate::messages::{Command, Reply};

#[derive(Clone, Copy, PartialEq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Json,
    Protobuf,
}

impl Protocol {
    /// One frame with all the commands.
    pub fn encode(self, commands: &[Command]) -> Result<Vec<u8>> {
        let mut frame = Vec::new();
        for command in commands {
            match self {
                Protocol::Json => {
                    if !frame.is_empty() {
                        frame.push(b'\n');
                    }
                    serde_json::to_writer(&mut frame, command)?;
                }
                Protocol::Protobuf => command.encode_length_delimited(&mut frame)?,
            }
        }
        Ok(frame)
    }

    pub fn decode(self, message: &[u8]) -> Result<Reply> {
        match self {
            Protocol::Json => serde_json::from_slice(message).context("a message that is not JSON of a reply"),
            Protocol::Protobuf => Reply::decode(message).context("a message that is not Protobuf of a reply"),
        }
    }

    /// The messages of a frame.
    pub fn messages(self, frame: &[u8]) -> Messages<'_> {
        Messages { protocol: self, rest: frame }
    }

    pub fn is_ping(self, message: &[u8]) -> bool {
        match self {
            Protocol::Json => message == b"{}",
            Protocol::Protobuf => message.is_empty(),
        }
    }

    /// Whether it answers a command: then it has an id, which servers write first. Pushes have none.
    pub fn is_reply(self, message: &[u8]) -> bool {
        match self {
            Protocol::Json => message.starts_with(br#"{"id":"#),
            Protocol::Protobuf => message.first() == Some(&0x08),
        }
    }

    /// The frame that answers a ping.
    pub fn pong(self) -> &'static [u8] {
        match self {
            Protocol::Json => b"{}",
            Protocol::Protobuf => &[0],
        }
    }
}

pub struct Messages<'a> {
    protocol: Protocol,
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (start, end) = match self.protocol {
            Protocol::Json => (0, memchr(b'\n', self.rest).unwrap_or(self.rest.len())),
            Protocol::Protobuf => {
                let mut after = self.rest;
                let length = prost::decode_length_delimiter(&mut after).unwrap_or(usize::MAX);
                let start = self.rest.len() - after.len();
                (start, start.saturating_add(length).min(self.rest.len()))
            }
        };
        let message = &self.rest[start..end];
        let separator = usize::from(self.protocol == Protocol::Json && end < self.rest.len());
        self.rest = &self.rest[end + separator..];
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{RpcRequest, SubscribeRequest};

    fn commands() -> Vec<Command> {
        let rpc = RpcRequest { method: "echo".into(), data: br#"{"a":[1, 2]}"#.to_vec() };
        let subscribe = SubscribeRequest { channel: "bench:ä".into(), offset: 300, ..Default::default() };
        vec![
            Command { id: 1, rpc: Some(rpc), ..Default::default() },
            Command { id: 300, subscribe: Some(subscribe), ..Default::default() },
        ]
    }

    #[test]
    fn json_commands_are_lines() {
        let frame = Protocol::Json.encode(&commands()).unwrap();
        let lines: Vec<_> = Protocol::Json.messages(&frame).collect();
        assert_eq!(lines[0], br#"{"id":1,"rpc":{"data":{"a":[1, 2]},"method":"echo"}}"#);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(lines[1]).unwrap()["subscribe"]["offset"], 300);
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn protobuf_commands_follow_their_lengths() {
        let frame = Protocol::Protobuf.encode(&commands()).unwrap();
        let back: Vec<_> = Protocol::Protobuf.messages(&frame).map(|m| Command::decode(m).unwrap()).collect();
        assert_eq!(back, commands());
    }

    #[test]
    fn pings_stand_alone_or_among_messages() {
        for (protocol, frame) in
            [(Protocol::Json, &b"{}\n{\"id\":1}\n{}"[..]), (Protocol::Protobuf, &[0, 2, 0x08, 1, 0][..])]
        {
            let pings: Vec<_> = protocol.messages(frame).map(|message| protocol.is_ping(message)).collect();
            assert_eq!(pings, [true, false, true]);
            let replies: Vec<_> = protocol.messages(frame).map(|message| protocol.is_reply(message)).collect();
            assert_eq!(replies, [false, true, false]);
            assert!(protocol.messages(protocol.pong()).all(|message| protocol.is_ping(message)));
        }
    }

    #[test]
    fn a_length_beyond_the_frame_ends_with_it() {
        for frame in [&[200, 1, 5][..], &[0xff; 12][..]] {
            assert!(Protocol::Protobuf.messages(frame).count() <= frame.len());
        }
    }

    #[test]
    fn replies_say_the_same_in_both_protocols() {
        let json = br#"{"id":2,"error":{"code":102,"message":"unknown channel"},"connect":{"client":"x","pong":true}}"#;
        let from_json = Protocol::Json.decode(json).unwrap();
        assert_eq!(from_json.error.as_ref().unwrap().code, 102);
        assert!(from_json.connect.as_ref().unwrap().pong);
        assert_eq!(Protocol::Protobuf.decode(&from_json.encode_to_vec()).unwrap(), from_json);
    }
}
