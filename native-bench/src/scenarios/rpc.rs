//! Round trips over connections that stand: the RPC method `echo` where the server has it, else a publication to a channel
//! that nobody is subscribed to, which is acknowledged. Timed from when a call was due to its reply.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, Sender};
use crate::messages::{Command, PublishRequest, RpcRequest, ServerError, SubscribeRequest};
use crate::payload::{self, Mark};
use crate::run::Run;
use crate::schedule::{Due, Schedule};

const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// Of one connection.
const CALLS_WAITING_MAX: usize = 10_000;

#[derive(Clone, Copy)]
enum Method {
    Rpc,
    Publish,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Rpc => "rpc",
            Method::Publish => "publish",
        }
    }
}

struct Caller {
    index: usize,
    sender: Sender,
    next_id: u32,
    method: Method,
    /// Calls without a reply: id → when it was due.
    waiting: Arc<Mutex<HashMap<u32, u64>>>,
}

pub async fn run(run: &Arc<Run>) -> Result<()> {
    let mut callers = Vec::new();
    let mut method = None;
    for index in 0..run.load.publishers {
        let own = SubscribeRequest { channel: run.channel(index), ..Default::default() };
        let mut connection = run.client(index, &format!("bench-{index}"), own).await?;
        if method.is_none() {
            method = Some(choose_method(&mut connection, run).await?);
        }
        callers.extend(method.map(|method| Caller::start(run, connection, index, method)));
    }
    run.extra.lock().unwrap().method = method.map(Method::name);
    run.measure(async |pace| {
        let schedule = Schedule::start(pace)?;
        while let Some(due) = schedule.next().await? {
            let caller = due.number as usize % callers.len();
            callers[caller].call(run, due).await?;
        }
        let answered = async {
            while callers.iter().any(|caller| !caller.waiting.lock().unwrap().is_empty()) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        if timeout(REPLY_TIMEOUT, answered).await.is_err() {
            run.fail("calls got no reply");
        }
        Ok(())
    })
    .await
}

/// Tries RPC first. An error of the publication is an error of the run.
async fn choose_method(connection: &mut Connection, run: &Run) -> Result<Method> {
    let probe = |method| command(run, method, 0, Mark { lane: 0, sequence: 0, due: 0 });
    match connection.call(probe(Method::Rpc)).await {
        Ok(_) => return Ok(Method::Rpc),
        Err(error) => drop(error.downcast::<ServerError>()?),
    }
    let published = connection.call(probe(Method::Publish)).await;
    published.context("the server has no RPC method echo, and a client may not publish")?;
    Ok(Method::Publish)
}

fn command(run: &Run, method: Method, caller: usize, mark: Mark) -> Command {
    let mut data = Vec::new();
    payload::write(&mut data, mark, run.load.size);
    match method {
        Method::Rpc => Command { rpc: Some(RpcRequest { data, method: "echo".into() }), ..Default::default() },
        Method::Publish => {
            let channel = format!("{}-quiet", run.channel(caller));
            Command { publish: Some(PublishRequest { channel, data }), ..Default::default() }
        }
    }
}

impl Caller {
    fn start(run: &Arc<Run>, mut connection: Connection, index: usize, method: Method) -> Self {
        let (run, waiting) = (run.clone(), Arc::<Mutex<HashMap<u32, u64>>>::default());
        let caller = Self {
            index,
            sender: connection.sender(),
            next_id: connection.next_id(),
            method,
            waiting: waiting.clone(),
        };
        tokio::spawn(async move {
            let lost = loop {
                let on_message = |message: &[u8]| on_reply(&run, &waiting, message);
                if let Err(error) = connection.read(on_message).await {
                    break error;
                }
            };
            run.fail(format!("connection {index} was lost: {lost:#}"));
        });
        caller
    }

    async fn call(&mut self, run: &Run, due: Due) -> Result<()> {
        let mut command = command(run, self.method, self.index, Mark { lane: 0, sequence: due.number, due: due.at });
        command.id = self.next_id;
        self.next_id += 1;
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap();
            waiting.insert(command.id, due.at);
            waiting.len()
        };
        anyhow::ensure!(
            waiting <= CALLS_WAITING_MAX,
            "more than {CALLS_WAITING_MAX} calls of a connection wait for a reply"
        );
        self.sender.send(&[command]).await
    }
}

fn on_reply(run: &Run, waiting: &Mutex<HashMap<u32, u64>>, message: &[u8]) {
    match run.load.protocol.decode(message) {
        Ok(reply) => {
            let Some(due) = waiting.lock().unwrap().remove(&reply.id) else { return };
            match reply.error {
                None => run.operated(due),
                Some(error) => run.error(&error.into()),
            }
        }
        Err(error) => run.error(&error),
    }
}
