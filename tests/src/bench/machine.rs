//! Cores, and what the kernel counts of them and of processes.

use std::fs;
use std::ops::{Add, Sub};

use anyhow::{Context as _, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// Which core runs what.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    pub subject: usize,
    /// Clients and control plane.
    pub load: usize,
    /// The clients' core, or one of its own where there are three.
    pub upstream: usize,
}

impl Cores {
    pub fn choose() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(this_thread())?;
        let cores: Vec<usize> = (0..CpuSet::count())
            .filter(|core| allowed.is_set(*core).unwrap_or(false))
            .collect();
        match cores[..] {
            [subject, load] => Ok(Self {
                subject,
                load,
                upstream: load,
            }),
            [subject, load, upstream, ..] => Ok(Self {
                subject,
                load,
                upstream,
            }),
            _ => {
                bail!("not measured: it takes two cores, one for the subject and one for the load")
            }
        }
    }
}

fn this_thread() -> Pid {
    Pid::from_raw(0)
}

/// Processes that this thread starts from now on inherit it.
pub fn pin_this_thread(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(this_thread(), &set).with_context(|| format!("cannot pin to core {core}"))
}

/// CPU time in clock ticks, as the kernel shows it.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuTime {
    user: u64,
    system: u64,
}

impl CpuTime {
    /// Of a process and those that it started.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let own = Stat::read(pid)?;
        let children = all_stats().filter(|stat| stat.parent == pid);
        Ok(children.fold(own.time, |sum, stat| sum + stat.time))
    }

    pub fn user_us(self) -> anyhow::Result<f64> {
        in_us(self.user)
    }

    pub fn system_us(self) -> anyhow::Result<f64> {
        in_us(self.system)
    }
}

fn in_us(ticks: u64) -> anyhow::Result<f64> {
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("the kernel does not say its clock")?;
    Ok(ticks as f64 * 1e6 / per_second as f64)
}

impl Add for CpuTime {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            user: self.user + other.user,
            system: self.system + other.system,
        }
    }
}

impl Sub for CpuTime {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            user: self.user - other.user,
            system: self.system - other.system,
        }
    }
}

/// What is used of `/proc/<pid>/stat`.
struct Stat {
    parent: u32,
    time: CpuTime,
}

impl Stat {
    fn read(pid: u32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} is gone"))?;
        Self::parse(&text).with_context(|| format!("/proc/{pid}/stat is not understood"))
    }

    /// proc_pid_stat(5). The name, second of all, may hold anything and ends at the last `)`.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // The first of these is field 3; parent is 4, user 14 and system 15.
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            time: CpuTime {
                user: fields.get(11)?.parse().ok()?,
                system: fields.get(12)?.parse().ok()?,
            },
        })
    }
}

/// Of all processes; those that end meanwhile are left out.
fn all_stats() -> impl Iterator<Item = Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Stat::read(pid).ok())
}

/// Memory in use by a process and those that it started. Pages that they share count twice.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let of_one = |pid: u32| -> anyhow::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next());
        Ok(kib.context("no VmRSS")?.parse::<u64>()? * 1024)
    };
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let mut sum = of_one(pid)?;
    for child in children.split_ascii_whitespace() {
        sum += of_one(child.parse()?)?;
    }
    Ok(sum)
}

/// What a core did since the machine started, in clock ticks.
#[derive(Debug)]
pub struct CoreTimes {
    idle: u64,
    total: u64,
}

impl CoreTimes {
    pub fn read(core: usize) -> anyhow::Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let name = format!("cpu{core} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        let fields = line.with_context(|| format!("/proc/stat has no core {core}"))?;
        let ticks: Vec<u64> = fields
            .split_ascii_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        // proc_stat(5): idle and iowait are fourth and fifth, guests are counted in the first two.
        let idle = ticks.iter().skip(3).take(2).sum();
        Ok(Self {
            idle,
            total: ticks.iter().take(8).sum(),
        })
    }

    /// Between 0 and 1.
    pub fn busy_since(&self, earlier: &Self) -> f64 {
        let total = (self.total - earlier.total).max(1) as f64;
        1.0 - self.idle.saturating_sub(earlier.idle) as f64 / total
    }
}

/// The processor's name.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    name.map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':']))
        .to_owned()
}
