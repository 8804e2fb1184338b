//! Where upstream connections lead, and those that rest there between requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::link::Link;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::data) struct Address {
    pub(super) is_tls: bool,
    /// Name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// An address with the core's connections that rest; those in use are with their requests.
pub(in crate::data) struct Origin {
    pub(super) address: Address,
    idle_max: usize,
    #[expect(
        clippy::vec_box,
        reason = "links are large and go to and fro between requests"
    )]
    idle: RefCell<Vec<Box<Link>>>,
    /// After the last sweep, some connection was used or opened.
    is_warm: Cell<bool>,
}

impl Origin {
    pub(super) fn new(address: Address, idle_max: usize) -> Rc<Self> {
        Rc::new(Self {
            address,
            idle_max,
            idle: RefCell::default(),
            is_warm: Cell::new(true),
        })
    }

    /// The connection that rested last and still stands.
    pub(super) fn take(&self) -> Option<Box<Link>> {
        self.is_warm.set(true);
        loop {
            let mut link = self.idle.borrow_mut().pop()?;
            if link.is_usable() {
                return Some(link);
            }
        }
    }

    pub(super) fn rest(&self, link: Box<Link>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.idle_max {
            idle.push(link);
        }
    }

    /// Closes what has rested since before `before_ns` or was closed by the upstream.
    pub(super) fn sweep(&self, before_ns: u64) {
        self.is_warm.set(false);
        self.idle
            .borrow_mut()
            .retain_mut(|link| link.idle_since_ns >= before_ns && link.is_usable());
    }

    /// Closes the connection that has rested longest; false where none rests.
    pub(super) fn close_one(&self) -> bool {
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() {
            return false;
        }
        drop(idle.remove(0));
        true
    }

    /// Nothing rests here, and nobody came by of late.
    pub(super) fn is_deserted(&self) -> bool {
        !self.is_warm.get() && self.idle.borrow().is_empty()
    }
}
