//! Clients that send at a fixed rate, whether or not earlier requests were answered: the time that
//! a request waits for a free connection is part of its latency, so that a subject that stalls
//! cannot hide it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// How long after the last request its answer may come.
const GRACE: Duration = Duration::from_secs(2);
const LOOK_EVERY_MS: u16 = 100;
const TIMER: u64 = u64::MAX;

pub struct OpenLoop {
    pub address: SocketAddr,
    pub request: Vec<u8>,
    pub per_second: u32,
    pub connections: usize,
    pub length: Duration,
}

/// How long each answer took, sorted.
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let place = (last as f64 * quantile).round() as usize;
        self.0
            .get(place)
            .map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    }
}

impl OpenLoop {
    pub fn run(&self) -> anyhow::Result<Latencies> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut connections = self.connect(&epoll)?;
        let mut free: VecDeque<usize> = (0..connections.len()).collect();
        let interval = Duration::from_secs(1) / self.per_second;
        let total = (self.length.as_secs_f64() * f64::from(self.per_second)) as u32;
        let timer = self.timer(&epoll, interval)?;
        let mut latencies = Vec::with_capacity(total as usize);
        let mut events = [EpollEvent::empty(); 64];
        let mut sent = 0;
        let start = Instant::now();
        while latencies.len() < total as usize {
            if start.elapsed() > self.length + GRACE {
                bail!(
                    "{} of {total} requests were not answered",
                    total as usize - latencies.len()
                );
            }
            let due = (start.elapsed().as_nanos() / interval.as_nanos()) as u32 + 1;
            while sent < due.min(total) {
                let Some(place) = free.pop_front() else { break };
                connections[place].send(&self.request, start + interval * sent)?;
                sent += 1;
            }
            let count = wait(&epoll, &mut events)?;
            for event in &events[..count] {
                if event.data() == TIMER {
                    // It only wakes; what is due is read off the clock.
                    let _ = timer.wait();
                    continue;
                }
                let place = event.data() as usize;
                if let Some(latency) = connections[place].receive()? {
                    latencies.push(latency);
                    free.push_back(place);
                }
            }
        }
        latencies.sort_unstable();
        Ok(Latencies(latencies))
    }

    fn connect(&self, epoll: &Epoll) -> anyhow::Result<Vec<Connection>> {
        let connect = |place: usize| -> anyhow::Result<Connection> {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, place as u64))?;
            Ok(Connection {
                stream,
                due: None,
                answer: Vec::with_capacity(4096),
            })
        };
        (0..self.connections).map(connect).collect()
    }

    /// Finer than the milliseconds that waiting for events can be limited to.
    fn timer(&self, epoll: &Epoll, interval: Duration) -> anyhow::Result<TimerFd> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let every = Expiration::Interval(TimeSpec::from_duration(interval));
        timer.set(every, TimerSetTimeFlags::empty())?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(timer)
    }
}

fn wait(epoll: &Epoll, events: &mut [EpollEvent]) -> anyhow::Result<usize> {
    match epoll.wait(events, EpollTimeout::from(LOOK_EVERY_MS)) {
        Err(Errno::EINTR) => Ok(0),
        other => Ok(other?),
    }
}

struct Connection {
    stream: TcpStream,
    /// When the request that is on its way should have been sent.
    due: Option<Instant>,
    answer: Vec<u8>,
}

impl Connection {
    fn send(&mut self, request: &[u8], due: Instant) -> anyhow::Result<()> {
        self.due = Some(due);
        // It fits in the socket's buffer, which is empty.
        self.stream.write_all(request).context("a connection broke")
    }

    /// The latency, once the answer is whole.
    fn receive(&mut self) -> anyhow::Result<Option<Duration>> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => bail!("a connection was closed"),
            Ok(count) => self.answer.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("a connection broke"),
        }
        if !is_whole(&self.answer)? {
            return Ok(None);
        }
        self.answer.clear();
        let due = self.due.take().context("an answer to no request")?;
        Ok(Some(due.elapsed()))
    }
}

/// Whether an answer with a Content-Length has come whole. Fails on any other answer.
fn is_whole(answer: &[u8]) -> anyhow::Result<bool> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(&answer[..end])?;
    if !head.starts_with("HTTP/1.1 200 ") {
        bail!("an answer was {}", head.lines().next().unwrap_or_default());
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("an answer without Content-Length")?
        .1
        .trim()
        .parse::<usize>()?;
    Ok(answer.len() >= end + 4 + length)
}
