//! What a token costs the control plane, beside the library oidc-provider doing the same for the
//! same kind of client: signed with RS256, the secret in the form, everything kept in PostgreSQL
//! before the answer.
//!
//! Each provider runs alone on one core; clients and PostgreSQL run on another. Both take their turns
//! in every round.

mod database;
mod load;
mod ours;
mod peer;
mod report;

use std::time::Duration;

use super::arguments::Arguments;
use super::machine::{self, Cores, CpuTime};
use super::process::{Folder, Running};
use super::{ROUNDS, node, say};
use database::{Database, Statement};
use load::{Asking, Round};
use report::Report;

const CLIENTS: usize = 8;
const ROUND: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(2);
/// For counting statements, which takes no more than this.
const COUNTED: Duration = Duration::from_secs(2);

/// A provider of tokens that is measured.
pub struct Provider {
    name: &'static str,
    /// Of its own, in the server of both.
    database: String,
    client_credentials: Asking,
    refresh: Asking,
    /// One per client, each good for the next request.
    tokens: Vec<String>,
    process: Running,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    ClientCredentials,
    Refresh,
}

impl Kind {
    const ALL: [Kind; 2] = [Kind::ClientCredentials, Kind::Refresh];

    fn as_str(self) -> &'static str {
        match self {
            Kind::ClientCredentials => "client_credentials",
            Kind::Refresh => "refresh_token",
        }
    }
}

/// One round of one kind at one provider.
pub struct Measured {
    round: Round,
    provider: CpuTime,
    database: CpuTime,
}

pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cores = Cores::choose()?;
    let programs = node::build(arguments)?;
    let folder = Folder::create()?;
    machine::pin_this_thread(cores.load)?;
    say("starting PostgreSQL, a control plane and oidc-provider");
    let database = Database::start(&folder)?;
    let own = ("tollgate", database.create("tollgate")?);
    let mut ours = ours::start(&programs.plane, own, cores, CLIENTS).await?;
    let url = database.create("peer")?;
    let mut peer = peer::start(("peer", &url), cores, CLIENTS)?;
    let mut report = Report::new(cores, database.counts_statements);
    for kind in Kind::ALL {
        for provider in [&mut ours, &mut peer] {
            ask(provider, kind, WARM_UP).await?;
        }
        for round in 0..ROUNDS {
            say(&format!(
                "round {} of {ROUNDS}, {}",
                round + 1,
                kind.as_str()
            ));
            for provider in [&mut ours, &mut peer] {
                let before = (provider.cpu_time()?, database.cpu_time()?);
                let round = ask(provider, kind, ROUND).await?;
                let measured = Measured {
                    round,
                    provider: provider.cpu_time()? - before.0,
                    database: database.cpu_time()? - before.1,
                };
                report.add(provider.name, kind, &measured)?;
            }
        }
        if database.counts_statements {
            for provider in [&mut ours, &mut peer] {
                let (issued, statements) = count(&database, provider, kind).await?;
                report.add_statements(provider.name, kind, issued, statements);
            }
        }
    }
    report.print(&mut std::io::stdout().lock())?;
    match &arguments.json {
        Some(path) => report.write_json(path),
        None => Ok(()),
    }
}

async fn ask(provider: &mut Provider, kind: Kind, length: Duration) -> anyhow::Result<Round> {
    match kind {
        Kind::Refresh => load::round(&provider.refresh, &mut provider.tokens, length).await,
        Kind::ClientCredentials => {
            let mut none = vec![String::new(); CLIENTS];
            load::round(&provider.client_credentials, &mut none, length).await
        }
    }
}

/// Statements of a short round, and how many tokens it issued.
async fn count(
    database: &Database,
    provider: &mut Provider,
    kind: Kind,
) -> anyhow::Result<(usize, Vec<Statement>)> {
    database.forget_statements()?;
    let round = ask(provider, kind, COUNTED).await?;
    let statements = database.statements(&provider.database)?;
    Ok((round.latencies_us.len(), statements))
}

impl Provider {
    fn cpu_time(&self) -> anyhow::Result<CpuTime> {
        CpuTime::of(self.process.pid())
    }
}
