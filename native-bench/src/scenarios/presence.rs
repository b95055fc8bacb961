//! Visitors subscribe and unsubscribe in turn, and watchers of the channels are told of each exactly once. Timed from when
//! one was due to its acknowledgement.

use anyhow::Result;
use std::sync::Arc;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::messages::{Command, Push, Reply, SubscribeRequest, UnsubscribeRequest};
use crate::operations::open_all;
use crate::run::Run;
use crate::schedule::{Pace, Schedule};
use crate::subscriber::deliveries;

const VISITOR: &str = "visitor-";

pub async fn run(run: &Arc<Run>) -> Result<()> {
    open_all(run, 0..run.load.subscribers, watch).await?;
    let mut visitors = Vec::new();
    for index in 0..run.load.publishers {
        visitors.push(Visitor::open(run.clone(), index).await?);
    }
    run.measure(async |pace| {
        let visits = visit(run, &mut visitors, pace).await?;
        run.all_delivered(deliveries(0..run.load.subscribers, &visits)).await;
        Ok(())
    })
    .await
}

/// Has the visitors come and go at this pace. Returns how often that happened in each channel.
async fn visit(run: &Arc<Run>, visitors: &mut Vec<Visitor>, pace: Pace) -> Result<Vec<u64>> {
    let schedule = Arc::new(Schedule::start(pace)?);
    let mut visiting = JoinSet::new();
    for visitor in visitors.drain(..) {
        visiting.spawn(visitor.serve(schedule.clone()));
    }
    let mut visits = vec![0; run.load.channels];
    while let Some(done) = visiting.join_next().await {
        let (visitor, times) = done??;
        visits[visitor.index % run.load.channels] += times;
        visitors.push(visitor);
    }
    Ok(visits)
}

struct Visitor {
    index: usize,
    channel: String,
    is_in: bool,
    connection: Connection,
    run: Arc<Run>,
}

impl Visitor {
    async fn open(run: Arc<Run>, index: usize) -> Result<Self> {
        let own = SubscribeRequest { channel: format!("bench:{VISITOR}{index}"), ..Default::default() };
        let connection = run.client(run.load.subscribers + index, &format!("{VISITOR}{index}"), own).await?;
        Ok(Self { index, channel: run.channel(index % run.load.channels), is_in: false, connection, run })
    }

    /// Comes and goes when it is due, one after the other. Returns how often.
    async fn serve(mut self, schedule: Arc<Schedule>) -> Result<(Self, u64)> {
        let mut times = 0;
        while let Some(due) = schedule.next().await? {
            self.connection.call(self.command()).await?;
            self.is_in = !self.is_in;
            self.run.operated(due.at);
            times += 1;
        }
        Ok((self, times))
    }

    fn command(&self) -> Command {
        let channel = self.channel.clone();
        match self.is_in {
            true => Command { unsubscribe: Some(UnsubscribeRequest { channel }), ..Default::default() },
            false => {
                Command { subscribe: Some(SubscribeRequest { channel, ..Default::default() }), ..Default::default() }
            }
        }
    }
}

async fn watch(run: Arc<Run>, index: usize) -> Result<()> {
    let channel = run.channel(index % run.load.channels);
    let subscribe = SubscribeRequest { channel, join_leave: true, ..Default::default() };
    let mut connection = run.client(index, &format!("bench-{index}"), subscribe).await?;
    let mut presence = Presence { is_in: vec![false; run.load.publishers] };
    let (tally, protocol) = (run.recorder.shard(index), run.load.protocol);
    tokio::spawn(async move {
        let lost = loop {
            let on_message = |message: &[u8]| match protocol.decode(message).map(|reply| presence.told(reply)) {
                Ok(Ok(0)) => (),
                Ok(Ok(visits)) => tally.lock().unwrap().counts.delivered += visits,
                Ok(Err(why)) => run.fail(format!("connection {index} was told that {why}")),
                Err(error) => run.fail(format!("connection {index}: {error:#}")),
            };
            if let Err(error) = connection.read(on_message).await {
                break error;
            }
        };
        run.fail(format!("connection {index} was lost: {lost:#}"));
    });
    Ok(())
}

/// What a watcher knows of each visitor.
struct Presence {
    is_in: Vec<bool>,
}

impl Presence {
    /// Takes note of a push. Returns how many comings and goings of visitors it told of: 0 or 1.
    fn told(&mut self, reply: Reply) -> Result<u64, String> {
        let (visit, joined) = match reply.push {
            Some(Push { join: Some(visit), .. }) => (visit, true),
            Some(Push { leave: Some(visit), .. }) => (visit, false),
            _ => return Ok(0),
        };
        let user = visit.info.unwrap_or_default().user;
        let visitor = user.strip_prefix(VISITOR).and_then(|number| number.parse::<usize>().ok());
        let Some(is_in) = visitor.and_then(|number| self.is_in.get_mut(number)) else { return Ok(0) };
        if *is_in == joined {
            return Err(format!("{user} {} twice", if joined { "came" } else { "left" }));
        }
        *is_in = joined;
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;

    #[test]
    fn each_visitor_comes_and_goes_in_turn() {
        let mut presence = Presence { is_in: vec![false; 2] };
        let mut told = |kind: &str, user: &str| {
            let push = format!(r#"{{"push":{{"channel":"c","{kind}":{{"info":{{"user":"{user}","client":"x"}}}}}}}}"#);
            presence.told(Protocol::Json.decode(push.as_bytes()).unwrap())
        };
        assert_eq!(told("join", "visitor-1"), Ok(1));
        assert_eq!(told("join", "visitor-0"), Ok(1));
        assert_eq!(told("leave", "visitor-1"), Ok(1));
        assert!(told("leave", "visitor-1").is_err());
        assert!(told("join", "visitor-0").is_err());
        assert_eq!(told("join", "bench-0"), Ok(0));
        assert_eq!(told("join", "visitor-2"), Ok(0));
    }
}
