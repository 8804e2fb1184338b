//! The serving half over real sockets: a node built from hand-made documents, an upstream that is
//! scripted byte by byte, clients that write what they like.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bodies;
mod forwarding;
mod limits;
mod malformed;
mod shutdown;
mod support;
mod tls;
mod upstreams;
