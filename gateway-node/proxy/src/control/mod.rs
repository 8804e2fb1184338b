//! The control side of a node: enrols it, keeps its snapshot, draws its quota leases, asks for its
//! shares of rates, hands over its usage, and says how it is. One thread; nothing here is on a request's path but the wait for
//! a lease.
//!
//! Read `keeper.rs` for snapshots, `leases.rs` for quota, `spool.rs` for usage.

mod admin;
mod backoff;
mod balances;
mod chunks;
mod client;
mod counts;
mod data_keys;
mod download;
mod enrol;
mod health;
mod identity;
mod incarnation;
mod keeper;
mod leases;
mod metrics;
mod poll;
mod rate_shares;
mod spool;
mod state_dir;
mod stored;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod traffic;
mod usage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use snapshot::enrol::EnrolToken;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::admin::Admin;
use self::backoff::Backoff;
use self::client::{BadControlPlaneUrl, ControlPlane, SignedCalls};
use self::data_keys::KeyRing;
use self::enrol::{EnrolError, Enrolled};
use self::health::Health;
pub use self::identity::is_enrolled;
use self::identity::{Enrolment, NodeKeys};
use self::keeper::Keeper;
use self::leases::Leases;
use self::poll::Poller;
use self::rate_shares::RateShares;
use self::spool::Spool;
use self::state_dir::{ReadError, StateDir, StateDirError};
use self::stored::Highest;
use self::usage::Usage;
use crate::config::Config;
use crate::shared::{ControlInbox, Shared};

/// Unsent usage takes no more than this on disk: weeks of a quiet node, hours of a busy one.
const SPOOL_BYTES_MAX: u64 = 64 << 20;

/// How long a stopping node waits for its last write.
const DISK_WORK_MAX: Duration = Duration::from_secs(5);

/// Why a node's control side did not start.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    #[error(transparent)]
    State(#[from] ReadError),
    #[error("could not write {what} to the state directory")]
    Write {
        what: &'static str,
        source: std::io::Error,
    },
    #[error("the system's random source does not work")]
    Random,
    #[error("CONTROL_PLANE_URL is not usable: {0}")]
    ControlPlaneUrl(#[from] BadControlPlaneUrl),
    #[error("could not prepare calls to the control plane")]
    Client(#[from] reqwest::Error),
    #[error("ENROLL_TOKEN is needed: the state directory holds no enrolment yet")]
    TokenMissing,
    #[error("ENROLL_TOKEN is not usable: {0}")]
    Token(#[from] snapshot::enrol::InvalidToken),
    #[error("could not enrol: {0}")]
    Enrol(#[from] EnrolError),
    #[error("ADMIN_ADDR {addr} cannot be listened on")]
    Admin {
        addr: SocketAddr,
        source: std::io::Error,
    },
}

/// Runs until `shutdown`, which is to come after the cores have ended: then what they counted is
/// handed over and what was leased is given back.
pub(crate) async fn run(
    config: Arc<Config>,
    shared: Arc<Shared>,
    inbox: ControlInbox,
    shutdown: CancellationToken,
) -> Result<(), ControlError> {
    let listener = admin::bind(config.admin_addr).await;
    let listener = listener.map_err(|source| ControlError::Admin {
        addr: config.admin_addr,
        source,
    })?;
    run_on(listener, &config, shared, inbox, shutdown).await
}

async fn run_on(
    listener: TcpListener,
    config: &Config,
    shared: Arc<Shared>,
    inbox: ControlInbox,
    shutdown: CancellationToken,
) -> Result<(), ControlError> {
    let url = client::parse_url(&config.control_plane_url)?;
    let dir = Arc::new(StateDir::open(&config.state_dir)?);
    let control_plane = ControlPlane::new(url, shared.clock)?;
    let health = Arc::new(Health::default());
    let admin = Admin::new(shared.clone(), health.clone());
    let node = Node {
        dir,
        shared,
        health,
        shutdown,
    };
    tokio::select! {
        result = node.run(config, control_plane, inbox) => result,
        never = admin.serve(listener) => match never {},
    }
}

struct Node {
    dir: Arc<StateDir>,
    shared: Arc<Shared>,
    health: Arc<Health>,
    shutdown: CancellationToken,
}

impl Node {
    async fn run(
        self,
        config: &Config,
        control_plane: ControlPlane,
        inbox: ControlInbox,
    ) -> Result<(), ControlError> {
        let keys = NodeKeys::load_or_generate(&self.dir)?;
        let stored = Enrolment::load(&self.dir)?;
        if stored.is_none() {
            self.shared.has_looked.cancel();
        }
        let enrolment = match stored {
            Some(enrolment) => enrolment,
            None => match self.enrol(config, &control_plane, &keys).await? {
                Some(enrolment) => enrolment,
                None => return Ok(()),
            },
        };
        self.health.note_enrolled(enrolment.node_id);
        let calls = Arc::new(control_plane.signed(enrolment.node_id, keys.call));
        let ring = KeyRing::load(&self.dir, keys.seal);
        self.work(calls, enrolment, ring, inbox).await
    }

    async fn work(
        self,
        calls: Arc<SignedCalls>,
        enrolment: Enrolment,
        ring: KeyRing,
        inbox: ControlInbox,
    ) -> Result<(), ControlError> {
        let write = |what| move |source| ControlError::Write { what, source };
        let mut keeper = Keeper::open(self.dir.clone(), enrolment, ring, self.shared.clone())
            .map_err(write("chunks"))?;
        let spool =
            Spool::open(self.dir.clone(), SPOOL_BYTES_MAX).map_err(write("the usage spool"))?;
        let (registered, incarnation) = watch::channel(None);
        let usage = Usage {
            calls: calls.clone(),
            health: self.health.clone(),
            spool,
            reports: inbox.reports,
            incarnation: incarnation.clone(),
        };
        let leases = Leases::new(
            calls.clone(),
            self.dir.clone(),
            self.shared.clone(),
            self.health.clone(),
        );
        let shares = RateShares::new(calls.clone(), self.shared.clone(), self.health.clone());
        keeper.load_stored().await;
        self.shared.has_looked.cancel();
        let poller = Poller {
            calls: calls.clone(),
            keeper,
            health: self.health.clone(),
        };
        let registering = async {
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = incarnation::register(calls, registered) => {}
            }
        };
        tokio::join!(
            registering,
            poller.run(self.shutdown.clone()),
            leases.run(inbox.questions, incarnation.clone(), self.shutdown.clone()),
            shares.run(inbox.share_questions, incarnation, self.shutdown.clone()),
            usage.run(self.shutdown.clone()),
        );
        self.end_disk_work().await;
        Ok(())
    }

    /// Disk work that was under way goes on in another thread and holds the state directory; who
    /// waits for this node to end may want to start the next one on it.
    async fn end_disk_work(&self) {
        let ending = async {
            while Arc::strong_count(&self.dir) > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(DISK_WORK_MAX, ending).await.is_err() {
            tracing::warn!("disk work goes on after the node has ended");
        }
    }

    /// Enrols with the token, however long the control plane is away; `None` if the node is to stop
    /// before that.
    async fn enrol(
        &self,
        config: &Config,
        control_plane: &ControlPlane,
        keys: &NodeKeys,
    ) -> Result<Option<Enrolment>, ControlError> {
        let token = config.enroll_token.as_deref().map(str::trim);
        let token = token.filter(|text| !text.is_empty());
        let token = EnrolToken::parse(token.ok_or(ControlError::TokenMissing)?)?;
        let mut backoff = Backoff::default();
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(None),
                () = tokio::time::sleep(pause) => {}
            }
            let enrolled = tokio::select! {
                () = self.shutdown.cancelled() => return Ok(None),
                enrolled = enrol::enrol(control_plane, keys, &token, &config.node_name) => enrolled,
            };
            match enrolled {
                Ok(enrolled) => return self.keep(enrolled).map(Some),
                Err(cause) if cause.is_passing() => {
                    tracing::warn!(%cause, "enrolling is tried again");
                    pause = backoff.pause();
                }
                Err(cause) => return Err(cause.into()),
            }
        }
    }

    /// Stores an enrolment; its own file comes last, so that it is whole or was not.
    fn keep(&self, enrolled: Enrolled) -> Result<Enrolment, ControlError> {
        let write = |what| move |source| ControlError::Write { what, source };
        data_keys::store(&self.dir, &enrolled.data_keys.keys).map_err(write("data keys"))?;
        let mut highest = Highest::default();
        highest.raise_root(&enrolled.root);
        highest
            .store(&self.dir)
            .map_err(write("the high-water mark"))?;
        enrolled
            .enrolment
            .store(&self.dir)
            .map_err(write("the enrolment"))?;
        tracing::info!(node = %enrolled.enrolment.node_id, "enrolled");
        Ok(enrolled.enrolment)
    }
}
