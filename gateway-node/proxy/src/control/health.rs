//! What the control side knows about itself, for `/healthz` and `/metrics`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use snapshot::id::NodeId;
use snapshot::poll::RejectedReport;

use super::client::CallError;
use super::spool::SpoolSize;
use super::traffic::Traffic;

#[derive(Debug, Default)]
pub(crate) struct Health {
    pub(crate) traffic: Traffic,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) node_id: Option<NodeId>,
    pub(crate) polls: Tally,
    /// Set from a rejection until a snapshot is taken.
    pub(crate) rejected: Option<RejectedReport>,
    pub(crate) rejections: u64,
    pub(crate) applied: u64,
    pub(crate) usage: Tally,
    pub(crate) spool: SpoolSize,
    pub(crate) state_dir_fault: Option<String>,
    pub(crate) leases: Tally,
    pub(crate) shares: Tally,
    pub(crate) units_granted: u64,
    pub(crate) units_returned: u64,
}

/// How one kind of call goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    /// Code of the failure that lasts, none after a success.
    pub(crate) failing_with: Option<String>,
}

impl Tally {
    fn succeed(&mut self) {
        self.successes += 1;
        self.failing_with = None;
    }

    /// `true` if this is the first of its kind in a row.
    fn fail(&mut self, code: &str) -> bool {
        self.failures += 1;
        let is_new = self.failing_with.as_deref() != Some(code);
        if is_new {
            self.failing_with = Some(code.to_owned());
        }
        is_new
    }
}

impl Health {
    pub(crate) fn state(&self) -> State {
        self.lock().clone()
    }

    pub(crate) fn note_enrolled(&self, node_id: NodeId) {
        self.lock().node_id = Some(node_id);
    }

    /// A poll was answered. Unless the answer vouches for the snapshot in force, that is no
    /// success: staleness grows.
    pub(crate) fn note_poll(&self, is_confirmed: bool) {
        let mut state = self.lock();
        if is_confirmed {
            state.polls.succeed();
        } else {
            state.polls.fail("not_confirmed");
        }
    }

    pub(crate) fn note_applied(&self) {
        let mut state = self.lock();
        state.polls.succeed();
        state.applied += 1;
        state.rejected = None;
    }

    pub(crate) fn note_poll_failure(&self, cause: &CallError) -> bool {
        self.lock().polls.fail(cause.code())
    }

    /// `true` if it is another rejection than the last one.
    pub(crate) fn note_rejection(&self, report: &RejectedReport) -> bool {
        let mut state = self.lock();
        state.rejections += 1;
        let is_new = state.rejected.as_ref() != Some(report);
        state.rejected = Some(report.clone());
        is_new
    }

    pub(crate) fn note_spool(&self, size: SpoolSize) {
        self.lock().spool = size;
    }

    /// Logs the first of a row of failures to write the state directory.
    pub(crate) fn note_state_dir(&self, written: &std::io::Result<()>) {
        let fault = written.as_ref().err().map(ToString::to_string);
        let mut state = self.lock();
        if let Some(cause) = &fault
            && state.state_dir_fault.is_none()
        {
            tracing::error!(cause, "the state directory cannot be written");
        }
        state.state_dir_fault = fault;
    }

    pub(crate) fn note_usage_sent(&self) {
        self.lock().usage.succeed();
    }

    pub(crate) fn note_usage_failure(&self, code: &str) -> bool {
        self.lock().usage.fail(code)
    }

    pub(crate) fn note_granted(&self, units: u64) {
        let mut state = self.lock();
        state.leases.succeed();
        state.units_granted += units;
    }

    pub(crate) fn note_returned(&self, units: u64) {
        self.lock().units_returned += units;
    }

    pub(crate) fn is_lease_failing(&self) -> bool {
        self.lock().leases.failing_with.is_some()
    }

    pub(crate) fn note_shares(&self) {
        self.lock().shares.succeed();
    }

    /// `true` if this is the first of its kind in a row.
    pub(crate) fn note_share_failure(&self, code: &str) -> bool {
        self.lock().shares.fail(code)
    }

    pub(crate) fn note_lease_failure(&self, code: &str) -> bool {
        self.lock().leases.fail(code)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Figures stay usable whatever happened to a thread that held them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
