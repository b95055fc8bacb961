//! One file per scenario.

mod connect;
mod fanout;
mod history;
mod idle;
mod presence;
mod publish;
mod recover;
mod rpc;
mod slow;

use anyhow::Result;
use std::sync::Arc;

use crate::options::Scenario;
use crate::run::Run;

pub async fn run(run: &Arc<Run>) -> Result<()> {
    match run.options.scenario {
        Scenario::Fanout | Scenario::Channels => fanout::run(run).await,
        Scenario::Publish => publish::run(run).await,
        Scenario::Connect => connect::run(run).await,
        Scenario::Recover => recover::run(run).await,
        Scenario::Idle => idle::run(run).await,
        Scenario::Presence => presence::run(run).await,
        Scenario::Slow => slow::run(run).await,
        Scenario::Rpc => rpc::run(run).await,
        Scenario::History => history::run(run).await,
    }
}
