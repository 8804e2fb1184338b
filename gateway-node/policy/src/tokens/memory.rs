//! What a core remembers of tokens: those that it verified, and how many it may verify.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Token;
use crate::gcra::{Gcra, RateLimit};

/// Bytes of remembered tokens on a core, some ten thousand of them.
const BYTES_MAX: usize = 16 << 20;
/// What an entry takes beside what its token holds: key, slots of the table that are free.
const ENTRY_BYTES: usize = 128;
/// Signatures that a core verifies per second, in thousandths, and at once. A tenth to a fifth of
/// the core goes there at most.
const CHECKS_PER_SECOND_MILLI: u64 = 4_000_000;
const CHECKS_BURST: u64 = 1_000;

/// SHA-256 of a token.
pub(crate) type TokenHash = [u8; 32];

/// A core's own; never shared, so never locked.
pub struct TokenMemory {
    remembered: RefCell<Remembered>,
    checks: Gcra,
    checks_limit: RateLimit,
}

impl Default for TokenMemory {
    fn default() -> Self {
        Self {
            remembered: RefCell::new(Remembered::new(BYTES_MAX)),
            checks: Gcra::default(),
            checks_limit: RateLimit::new(CHECKS_PER_SECOND_MILLI, CHECKS_BURST),
        }
    }
}

impl TokenMemory {
    pub(crate) fn find(&self, hash: &TokenHash) -> Option<Rc<Token>> {
        self.remembered.borrow_mut().find(hash)
    }

    pub(crate) fn remember(&self, hash: TokenHash, token: Rc<Token>) {
        self.remembered.borrow_mut().insert(hash, token);
    }

    /// Whether another signature may be verified now.
    pub(crate) fn may_check(&self, now_ns: u64) -> bool {
        // A check that took place is never given back.
        self.checks.take(&self.checks_limit, now_ns).is_ok()
    }
}

/// Two generations: what is looked up stays, what nobody asks for goes with the older one. Only
/// verified tokens come in, so that strangers cannot push anything out.
struct Remembered {
    young: Generation,
    old: Generation,
    bytes_max: usize,
}

#[derive(Default)]
struct Generation {
    tokens: HashMap<TokenHash, Rc<Token>, foldhash::fast::RandomState>,
    bytes: usize,
}

impl Remembered {
    fn new(bytes_max: usize) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            bytes_max,
        }
    }

    fn find(&mut self, hash: &TokenHash) -> Option<Rc<Token>> {
        if let Some(token) = self.young.tokens.get(hash) {
            return Some(token.clone());
        }
        let token = self.old.tokens.remove(hash)?;
        self.old.bytes -= size(&token);
        self.insert(*hash, token.clone());
        Some(token)
    }

    fn insert(&mut self, hash: TokenHash, token: Rc<Token>) {
        let added = size(&token);
        if self.young.bytes + added > self.bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.bytes += added;
        if let Some(before) = self.young.tokens.insert(hash, token) {
            self.young.bytes -= size(&before);
        }
    }
}

fn size(token: &Token) -> usize {
    ENTRY_BYTES + token.bytes()
}

#[cfg(test)]
mod tests {
    use super::super::tests::token_of_bytes;
    use super::*;

    fn hash(number: u64) -> TokenHash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    #[test]
    fn memory_is_bounded_in_bytes_and_keeps_what_is_asked_for() {
        let mut remembered = Remembered::new(64 << 10);
        for number in 0..2_000 {
            remembered.insert(hash(number), Rc::new(token_of_bytes(number as usize % 500)));
            assert!(remembered.find(&hash(0)).is_some(), "{number}");
            let held = |generation: &Generation| -> usize {
                generation.tokens.values().map(|token| size(token)).sum()
            };
            let bytes = held(&remembered.young) + held(&remembered.old);
            assert_eq!(bytes, remembered.young.bytes + remembered.old.bytes);
            assert!(bytes <= 64 << 10, "{bytes}");
        }
        assert!(remembered.find(&hash(1)).is_none());
    }

    #[test]
    fn a_core_verifies_no_more_than_its_budget() {
        let memory = TokenMemory::default();
        let now = 1_000_000_000;
        let checked = (0..2_000).filter(|_| memory.may_check(now)).count();
        assert_eq!(checked as u64, CHECKS_BURST);
        assert!(memory.may_check(now + 1_000_000));
    }
}
