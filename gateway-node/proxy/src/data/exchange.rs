//! One request and its answer, from the first decision to the last byte. However it ends, by
//! answer, refusal or a client that left, it is settled, counted and logged exactly once: on drop.

use std::borrow::Cow;
use std::rc::Rc;

use http::{HeaderValue, Method, Uri};
use policy::{Now, Outcome, Permit};
use snapshot::id::{ApiKeyId, RouteId, TenantId};
use snapshot::usage::Class;

use super::body::Upload;
use super::connection::Client;
use super::core::Core;
use crate::log::Record;
use crate::meter::CountKey;

pub(super) const MINUTE_MS: i64 = 60_000;

pub(super) struct Exchange {
    core: Rc<Core>,
    pub(super) client: Rc<Client>,
    pub(super) begun: Now,
    pub(super) client_ip: std::net::IpAddr,
    pub(super) request_id: HeaderValue,
    pub(super) method: Method,
    pub(super) uri: Uri,
    /// Where it is not the same as in `uri`.
    pub(super) normal_path: Option<String>,
    /// As the client wrote it.
    pub(super) host: Option<HeaderValue>,
    /// The request's `Origin`, which CORS answers depend on.
    pub(super) origin: Option<HeaderValue>,
    pub(super) subject: Subject,
    pub(super) permit: Option<Permit>,
    pub(super) upload: Option<Rc<Upload>>,
    /// 0: no answer was begun.
    pub(super) status: u16,
    /// Of a refusal.
    pub(super) code: Option<&'static str>,
    /// How a refused request is counted.
    pub(super) refused_as: Class,
    /// No upstream was reached: what was taken is given back.
    pub(super) was_not_reached: bool,
    /// The answer has passed whole.
    pub(super) is_complete: bool,
    pub(super) upstream_us: Option<u64>,
    pub(super) response_bytes: u64,
}

/// Whom and what a request is counted under, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) tenant_id: Option<TenantId>,
    pub(super) key_id: Option<ApiKeyId>,
    pub(super) route_id: Option<RouteId>,
}

impl Subject {
    pub(super) fn of(permit: &Permit) -> Self {
        let identity = permit.identity();
        Self {
            tenant_id: identity.map(|identity| identity.tenant_id),
            key_id: identity.and_then(|identity| identity.key_id),
            route_id: Some(permit.route().id),
        }
    }
}

impl Exchange {
    pub(super) fn begin(core: Rc<Core>, client: Rc<Client>, head: Head, begun: Now) -> Box<Self> {
        Box::new(Self {
            core,
            client_ip: client.peer,
            client,
            begun,
            request_id: head.request_id,
            method: head.method,
            uri: head.uri,
            normal_path: None,
            host: None,
            origin: head.origin,
            subject: Subject::default(),
            permit: None,
            upload: None,
            status: 0,
            code: None,
            refused_as: Class::Denied,
            was_not_reached: false,
            is_complete: false,
            upstream_us: None,
            response_bytes: 0,
        })
    }

    /// The path in its one form, which the decision was about.
    pub(super) fn path(&self) -> &str {
        self.normal_path
            .as_deref()
            .unwrap_or_else(|| self.uri.path())
    }

    /// The answer's head has come.
    pub(super) fn note_first_byte(&mut self) {
        let since_ns = self.core.clock.mono_ns().saturating_sub(self.begun.mono_ns);
        self.upstream_us = Some(since_ns / 1000);
    }

    /// The request was admitted: counted now, whatever becomes of it.
    pub(super) fn admit(&mut self, permit: Permit) {
        self.subject = Subject::of(&permit);
        self.permit = Some(permit);
        self.count(Class::Admitted);
    }

    /// Ends the exchange, and says when that was.
    pub(super) fn finish(self: Box<Self>) -> u64 {
        let core = self.core.clone();
        drop(self);
        core.latest_ns.get()
    }

    fn count(&self, class: Class) {
        self.core.meter.count(CountKey {
            tenant_id: self.subject.tenant_id,
            key_id: self.subject.key_id,
            route_id: self.subject.route_id,
            class,
            minute: self.minute(),
        });
    }

    fn minute(&self) -> u32 {
        u32::try_from(self.begun.unix_ms / MINUTE_MS).unwrap_or(0)
    }

    fn settle(&mut self) -> Class {
        let Some(permit) = self.permit.take() else {
            return self.refused_as;
        };
        let (outcome, class) = if self.was_not_reached {
            (Outcome::NotReached, Class::GivenBack)
        } else if self.is_complete {
            let status = self.status;
            (Outcome::Completed { status }, Class::of_status(status))
        } else {
            (Outcome::Aborted, Class::Aborted)
        };
        permit.settle(outcome);
        class
    }

    fn log(&self, duration_us: u64) {
        let client = &self.client;
        let client_ip = if self.client_ip == client.peer {
            Cow::Borrowed(client.peer_value.to_str().unwrap_or_default())
        } else {
            Cow::Owned(self.client_ip.to_string())
        };
        self.core.log.write(&Record {
            at_ms: self.begun.unix_ms,
            request_id: self.request_id.to_str().unwrap_or_default(),
            client: &client_ip,
            method: self.method.as_str(),
            host: self
                .host
                .as_ref()
                .and_then(|host| host.to_str().ok())
                .unwrap_or_default(),
            path: self.path(),
            status: self.status,
            code: self.code,
            route_id: self.subject.route_id,
            tenant_id: self.subject.tenant_id,
            key_id: self.subject.key_id,
            duration_us,
            upstream_us: self.upstream_us,
            request_bytes: self
                .upload
                .as_ref()
                .map_or(0, |upload| upload.received_bytes()),
            response_bytes: self.response_bytes,
            is_aborted: !self.is_complete,
        });
    }
}

/// The parts of a request's head that outlive its forwarding.
pub(super) struct Head {
    pub(super) request_id: HeaderValue,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) origin: Option<HeaderValue>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let was_admitted = self.permit.is_some();
        let was_answered = self.status != 0;
        let class = self.settle();
        if was_admitted || was_answered {
            self.count(class);
        }
        let now_ns = self.core.clock.mono_ns();
        self.core.latest_ns.set(now_ns);
        let duration_us = now_ns.saturating_sub(self.begun.mono_ns) / 1000;
        if was_admitted && let Some(route_id) = self.subject.route_id {
            self.core
                .meter
                .latency(route_id, self.minute(), duration_us);
        }
        if was_answered {
            self.core.meter.status(self.status);
        }
        if let Some(code) = self.code {
            self.core.meter.refusal(code);
        }
        if self.core.log.is_on() {
            self.log(duration_us);
        }
        self.client
            .end(self.core.config.timeouts.keep_alive, now_ns);
    }
}
