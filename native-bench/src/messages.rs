//! Commands and replies of the client protocol, as much of them as the scenarios use, from centrifugal's `client.proto`.
//! Their fields have the same names in JSON.

use anyhow::Result;
use prost::Message;
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;
use std::fmt;

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct Command {
    #[prost(uint32, tag = "1")]
    pub id: u32,
    #[prost(message, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectRequest>,
    #[prost(message, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<SubscribeRequest>,
    #[prost(message, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<UnsubscribeRequest>,
    #[prost(message, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<PublishRequest>,
    #[prost(message, tag = "13")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc: Option<RpcRequest>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct ConnectRequest {
    #[prost(string, tag = "1")]
    pub token: String,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct SubscribeRequest {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(bool, tag = "3")]
    pub recover: bool,
    #[prost(string, tag = "6")]
    pub epoch: String,
    #[prost(uint64, tag = "7")]
    pub offset: u64,
    #[prost(bool, tag = "10")]
    pub recoverable: bool,
    #[prost(bool, tag = "11")]
    pub join_leave: bool,
    #[prost(string, tag = "12")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub delta: String,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct UnsubscribeRequest {
    #[prost(string, tag = "1")]
    pub channel: String,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct PublishRequest {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(serialize_with = "as_json")]
    pub data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct RpcRequest {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(serialize_with = "as_json")]
    pub data: Vec<u8>,
    #[prost(string, tag = "2")]
    pub method: String,
}

/// In Protobuf data is bytes; in JSON it stands as the JSON that it is.
fn as_json<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_slice::<&RawValue>(data).map_err(S::Error::custom)?.serialize(serializer)
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Reply {
    #[prost(uint32, tag = "1")]
    pub id: u32,
    #[prost(message, tag = "2")]
    pub error: Option<ServerError>,
    #[prost(message, tag = "4")]
    pub push: Option<Push>,
    #[prost(message, tag = "5")]
    pub connect: Option<ConnectResult>,
    #[prost(message, tag = "6")]
    pub subscribe: Option<SubscribeResult>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct ServerError {
    #[prost(uint32, tag = "1")]
    pub code: u32,
    #[prost(string, tag = "2")]
    pub message: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)?;
        match self.code {
            102 => f.write_str(": the server's configuration lacks the namespace (see scripts/bench/server.json)"),
            103 => f.write_str(": the namespace does not allow it (see scripts/bench/server.json)"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ServerError {}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Push {
    #[prost(message, tag = "4")]
    #[serde(rename = "pub")]
    pub publication: Option<Publication>,
    #[prost(message, tag = "5")]
    pub join: Option<Visit>,
    #[prost(message, tag = "6")]
    pub leave: Option<Visit>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Publication {
    #[prost(uint64, tag = "6")]
    pub offset: u64,
}

/// A join or a leave.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Visit {
    #[prost(message, tag = "1")]
    pub info: Option<ClientInfo>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct ClientInfo {
    #[prost(string, tag = "1")]
    pub user: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct ConnectResult {
    /// The server expects an answer to its pings.
    #[prost(bool, tag = "8")]
    pub pong: bool,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct SubscribeResult {
    #[prost(bool, tag = "8")]
    pub recovered: bool,
}
