//! The serving half of a node: one thread per core, each with a runtime, a listener and upstream
//! connections of its own. What a request does is in `service.rs`; read that first.

mod address;
mod answer;
mod body;
mod connection;
mod core;
mod door;
mod exchange;
mod farewell;
mod forward;
mod headers;
mod identity;
mod io;
mod listen;
mod pace;
mod random;
mod refusal;
mod service;
mod strict;
#[cfg(test)]
mod tests;
mod tls;
mod upstream;

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::LocalOptions;
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use self::listen::ListenError;
pub use self::tls::TlsError;

use self::core::Core;
use self::door::Door;
use self::io::Stream;
use self::tls::Tls;
use crate::config::Config;
use crate::log::Queue;
use crate::shared::Shared;

/// Meters, log and idle upstream connections are looked after this often.
/// With what the control side takes to store them, counts are lost to a kill for less than a second.
const TICK: Duration = Duration::from_millis(250);
/// TLS files are looked at this often.
const TLS_TICKS: u64 = 40;
/// A node serves by now, whatever became of its stored snapshot.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// After a failed accept (mostly: no file descriptors left) a pause gives others time to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the last counts may wait for the control side.
const LAST_REPORT_TRIES: usize = 50;

/// The running serving threads.
pub(crate) struct Cores {
    addr: SocketAddr,
    threads: Vec<JoinHandle<()>>,
    shutdown: CancellationToken,
    ended: CancellationToken,
}

/// What a core's thread is started with.
struct Start {
    config: Arc<Config>,
    shared: Arc<Shared>,
    log: Queue,
    tls: Option<Arc<Tls>>,
    door: Arc<Door>,
    shutdown: CancellationToken,
    place: usize,
}

impl Cores {
    pub(crate) fn start(
        config: &Arc<Config>,
        shared: &Arc<Shared>,
        log: &Queue,
    ) -> Result<Self, ListenError> {
        let tls = match &config.tls {
            Some(files) => Some(Arc::new(Tls::load(files).map_err(ListenError::Tls)?)),
            None => None,
        };
        let listeners = listen::listen(config.listen_addr, config.cores.max(1))?;
        let addr = listeners
            .first()
            .and_then(|listener| listener.local_addr().ok())
            .unwrap_or(config.listen_addr);
        let door = Door::new(&config.limits, shared.clone());
        let mut cores = Self {
            addr,
            threads: Vec::with_capacity(listeners.len()),
            shutdown: CancellationToken::new(),
            ended: CancellationToken::new(),
        };
        for (place, listener) in listeners.into_iter().enumerate() {
            let start = Start {
                config: config.clone(),
                shared: shared.clone(),
                log: log.clone(),
                tls: tls.clone(),
                door: door.clone(),
                shutdown: cores.shutdown.clone(),
                place,
            };
            let thread = cores.spawn(listener, start);
            // Those that run already end with `shutdown`, which is cancelled on this error.
            match thread {
                Ok(thread) => cores.threads.push(thread),
                Err(error) => {
                    cores.shutdown.cancel();
                    return Err(ListenError::Thread(error));
                }
            }
        }
        Ok(cores)
    }

    fn spawn(&self, listener: TcpListener, start: Start) -> std::io::Result<JoinHandle<()>> {
        let ended = self.ended.clone().drop_guard();
        std::thread::Builder::new()
            .name(format!("core-{}", start.place))
            .spawn(move || {
                let _ended = ended;
                // Wakes tasks with one step less than a LocalSet; it cannot change threads.
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build_local(LocalOptions::default());
                match runtime {
                    Ok(runtime) => runtime.block_on(run_core(listener, start)),
                    Err(error) => tracing::error!(%error, "a serving thread cannot start"),
                }
            })
    }

    /// Where requests are served: `listen_addr` with its port 0 made concrete.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until some core has ended, which none does by itself.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Takes no more connections, lets requests in flight end for a while, sends the last counts.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a serving thread panicked");
                }
            }
        });
        drop(joined.await);
    }
}

impl Drop for Cores {
    /// Threads do not outlive a start that failed further on.
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn run_core(listener: TcpListener, start: Start) {
    let Start {
        config,
        shared,
        log,
        tls,
        door,
        shutdown,
        place,
    } = start;
    let core = Rc::new(Core::new(config, shared, log));
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot listen");
            return;
        }
    };
    // One core is enough to look at the files.
    let ticker = spawn_local(tick(core.clone(), tls.clone().filter(|_| place == 0)));
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accept_all(&core, &listener, tls.as_deref(), &door) => {}
    }
    drop(listener);
    core.is_draining.set(true);
    core.connections.wake_all();
    let drained = timeout(core.config.timeouts.drain, core.connections.all_ended());
    if drained.await.is_err() {
        tracing::warn!("requests in flight were cut off");
    }
    ticker.abort();
    core.log.flush();
    for _ in 0..LAST_REPORT_TRIES {
        if core.meter.drain() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn accept_all(
    core: &Rc<Core>,
    listener: &tokio::net::TcpListener,
    tls: Option<&Tls>,
    door: &Arc<Door>,
) {
    // Who connects meanwhile waits in the backlog.
    drop(timeout(LOOK_MAX, core.shared.has_looked.cancelled()).await);
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(entered) = door.enter(peer.ip().to_canonical()) else {
            continue;
        };
        let acceptor = tls.map(|tls| TlsAcceptor::from(tls.config()));
        let core = core.clone();
        spawn_local(async move {
            if let Some(stream) = greet(&core, socket, acceptor).await {
                connection::serve(core, stream, peer).await;
            }
            drop(entered);
        });
    }
}

/// Makes a socket ready for HTTP; none where the client does not get through the handshake.
async fn greet(core: &Core, socket: TcpStream, acceptor: Option<TlsAcceptor>) -> Option<Stream> {
    socket.set_nodelay(true).ok()?;
    let Some(acceptor) = acceptor else {
        return Some(Stream::Plain(socket));
    };
    let handshake = acceptor.accept(socket);
    match timeout(core.config.timeouts.header_read, handshake).await {
        Ok(Ok(stream)) => Some(Stream::Tls(Box::new(stream))),
        Ok(Err(_)) | Err(_) => None,
    }
}

async fn tick(core: Rc<Core>, tls: Option<Arc<Tls>>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count: u64 = 0;
    loop {
        ticks.tick().await;
        count += 1;
        core.log.flush();
        core.meter.drain();
        core.upstreams.sweep(&core, core.clock.mono_ns());
        if let Some(tls) = tls.clone().filter(|_| count.is_multiple_of(TLS_TICKS)) {
            drop(tokio::task::spawn_blocking(move || tls.reload_if_changed()).await);
        }
    }
}
