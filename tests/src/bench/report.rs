//! The figures, as a table and as JSON.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::closed_loop::Done;
use super::machine::{Cores, CpuTime, processor};
use super::subject::Subject;
use super::{BODY_BYTES, CLOSED_ROUND, CONNECTIONS, OPEN_ROUND, ROUNDS};

/// The subjects' places.
const NODE: usize = 0;
const NGINX: usize = 1;
/// What the project holds itself to, for now.
const RATIO_MAX: f64 = 1.3;
/// What an idle node may use.
const IDLE_BYTES_MAX: u64 = 40 << 20;

pub struct Report {
    cores: Cores,
    nginx_version: String,
    figures: Vec<Figures>,
    pub open_loop_rate: u32,
    not_measured: Vec<String>,
}

/// Of one subject.
#[derive(Default)]
struct Figures {
    name: &'static str,
    /// By round; none where the round does not count.
    closed: Vec<Option<Closed>>,
    latencies: Vec<Latency>,
    idle_bytes: Option<u64>,
    loaded_bytes: Option<u64>,
}

#[derive(Clone, Copy)]
struct Closed {
    user_us: f64,
    system_us: f64,
    per_second: f64,
}

impl Closed {
    fn cpu_us(&self) -> f64 {
        self.user_us + self.system_us
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Latency {
    pub p50_us: f64,
    pub p99_us: f64,
    pub load_core_busy: f64,
}

impl Report {
    pub fn new(cores: Cores, nginx: &Path, subjects: &[Subject]) -> Self {
        let figures = subjects.iter().map(|subject| Figures {
            name: subject.name,
            ..Figures::default()
        });
        Self {
            cores,
            nginx_version: nginx_version(nginx),
            figures: figures.collect(),
            open_loop_rate: 0,
            not_measured: Vec::new(),
        }
    }

    pub fn could_not(&mut self, what: &str) {
        self.not_measured.push(what.to_owned());
    }

    pub fn note_idle(&mut self, subjects: &[Subject]) {
        for (figures, subject) in self.figures.iter_mut().zip(subjects) {
            figures.idle_bytes = subject.resident_bytes().ok();
        }
    }

    pub fn note_after_load(&mut self, subjects: &[Subject]) {
        for (figures, subject) in self.figures.iter_mut().zip(subjects) {
            figures.loaded_bytes = subject.resident_bytes().ok();
        }
    }

    /// A round whose requests were not all answered with success says nothing.
    pub fn add_closed(&mut self, place: usize, done: Done, spent: CpuTime) {
        let per_request = |us: anyhow::Result<f64>| us.map(|us| us / done.requests.max(1) as f64);
        let closed = match (per_request(spent.user_us()), per_request(spent.system_us())) {
            (Ok(user_us), Ok(system_us))
                if done.refused + done.broken == 0 && done.requests > 0 =>
            {
                Some(Closed {
                    user_us,
                    system_us,
                    per_second: done.per_second,
                })
            }
            _ => None,
        };
        if closed.is_none() {
            let name = self.figures[place].name;
            let Done {
                requests,
                refused,
                broken,
                ..
            } = done;
            self.could_not(&format!(
                "a round of {name}: of {requests} requests {refused} were refused and {broken} \
                 broke off or took longer than 2 s"
            ));
        }
        self.figures[place].closed.push(closed);
    }

    pub fn add_open(&mut self, place: usize, outcome: Result<Latency, String>) {
        match outcome {
            Ok(latency) => self.figures[place].latencies.push(latency),
            Err(reason) => {
                let name = self.figures[place].name;
                self.could_not(&format!("a round of latencies of {name}: {reason}"));
            }
        }
    }

    /// Requests per second of the slowest subject.
    pub fn slowest_rate(&self) -> Option<f64> {
        let rates = self
            .figures
            .iter()
            .map(|figures| figures.median(|round| round.per_second));
        rates
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .reduce(f64::min)
    }

    /// CPU per request of a subject in relation to nginx in the same round, median of the rounds.
    fn ratio(&self, place: usize) -> Option<f64> {
        let rounds = self.figures[place]
            .closed
            .iter()
            .zip(&self.figures[NGINX].closed);
        median(
            rounds
                .filter_map(|(own, nginx)| Some(own.as_ref()?.cpu_us() / nginx.as_ref()?.cpu_us())),
        )
    }

    pub fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let Cores {
            subject,
            load,
            upstream,
        } = self.cores;
        writeln!(out, "\n{}, {}", processor(), self.nginx_version)?;
        writeln!(
            out,
            "subject on core {subject}, clients on core {load}, upstream on core {upstream}; \
             GET, answer of {BODY_BYTES} bytes, {CONNECTIONS} connections, {ROUNDS} rounds of {} s",
            CLOSED_ROUND.as_secs()
        )?;
        writeln!(
            out,
            "\n{:<34}{:>9}{:>9}{:>9}{:>8}{:>11}{:>9}{:>9}{:>10}{:>10}",
            "",
            "CPU us/",
            "user",
            "system",
            "ratio",
            "requests",
            "p50 us",
            "p99 us",
            "idle",
            "loaded"
        )?;
        writeln!(
            out,
            "{:<34}{:>9}{:>9}{:>9}{:>8}{:>11}{:>18}{:>10}{:>10}",
            "",
            "request",
            "",
            "",
            "",
            "/s",
            format!("at {}/s", self.open_loop_rate),
            "MB",
            "MB"
        )?;
        for (place, figures) in self.figures.iter().enumerate() {
            self.print_row(out, place, figures)?;
        }
        writeln!(out)?;
        self.print_verdict(out)?;
        for what in &self.not_measured {
            writeln!(out, "not measured: {what}")?;
        }
        Ok(out.flush()?)
    }

    fn print_row(
        &self,
        out: &mut impl Write,
        place: usize,
        figures: &Figures,
    ) -> anyhow::Result<()> {
        let mb = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / (1 << 20) as f64);
        Ok(writeln!(
            out,
            "{:<34}{:>9}{:>9}{:>9}{:>8}{:>11}{:>9}{:>9}{:>10}{:>10}",
            figures.name,
            shown(figures.median(Closed::cpu_us), 1),
            shown(figures.median(|round| round.user_us), 1),
            shown(figures.median(|round| round.system_us), 1),
            shown(self.ratio(place), 2),
            shown(figures.median(|round| round.per_second), 0),
            shown(figures.median_latency(|latency| latency.p50_us), 0),
            shown(figures.median_latency(|latency| latency.p99_us), 0),
            shown(mb(figures.idle_bytes), 1),
            shown(mb(figures.loaded_bytes), 1),
        )?)
    }

    fn print_verdict(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let (node, nginx) = (self.figures[NODE].name, self.figures[NGINX].name);
        if let Some(ratio) = self.ratio(NODE) {
            let is_kept = if ratio <= RATIO_MAX { "kept" } else { "MISSED" };
            writeln!(
                out,
                "{node} takes {ratio:.2} times the CPU of \"{nginx}\" per request \
                 (goal: at most {RATIO_MAX}: {is_kept})"
            )?;
        }
        if let Some(bytes) = self.figures[NODE].idle_bytes {
            let is_kept = if bytes < IDLE_BYTES_MAX {
                "kept"
            } else {
                "MISSED"
            };
            let (found, max) = (bytes >> 20, IDLE_BYTES_MAX >> 20);
            writeln!(
                out,
                "{node} idles at {found} MB (goal: under {max}: {is_kept})"
            )?;
        }
        Ok(())
    }

    pub fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(&self.as_json())?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn as_json(&self) -> Value {
        let subjects: Vec<Value> = self
            .figures
            .iter()
            .enumerate()
            .map(|(place, figures)| self.subject_as_json(place, figures))
            .collect();
        json!({
            "processor": processor(),
            "nginx": self.nginx_version,
            "cores": {
                "subject": self.cores.subject,
                "load": self.cores.load,
                "upstream": self.cores.upstream,
            },
            "rounds": ROUNDS,
            "connections": CONNECTIONS,
            "body_bytes": BODY_BYTES,
            "closed_round_seconds": CLOSED_ROUND.as_secs(),
            "open_round_seconds": OPEN_ROUND.as_secs(),
            "open_loop_requests_per_second": self.open_loop_rate,
            "ratio_max": RATIO_MAX,
            "subjects": subjects,
            "not_measured": self.not_measured,
        })
    }

    fn subject_as_json(&self, place: usize, figures: &Figures) -> Value {
        let rounds: Vec<Option<f64>> = figures
            .closed
            .iter()
            .map(|round| round.as_ref().map(Closed::cpu_us))
            .collect();
        let busy = figures
            .latencies
            .iter()
            .map(|latency| latency.load_core_busy);
        json!({
            "name": figures.name,
            "cpu_us_per_request": figures.median(Closed::cpu_us),
            "cpu_us_per_request_by_round": rounds,
            "user_us_per_request": figures.median(|round| round.user_us),
            "system_us_per_request": figures.median(|round| round.system_us),
            "ratio_to_nginx": self.ratio(place),
            "requests_per_second": figures.median(|round| round.per_second),
            "p50_us": figures.median_latency(|latency| latency.p50_us),
            "p99_us": figures.median_latency(|latency| latency.p99_us),
            "load_core_busy_max": busy.reduce(f64::max),
            "resident_bytes_idle": figures.idle_bytes,
            "resident_bytes_after_load": figures.loaded_bytes,
        })
    }
}

impl Figures {
    fn median(&self, of: impl Fn(&Closed) -> f64) -> Option<f64> {
        median(self.closed.iter().flatten().map(of))
    }

    fn median_latency(&self, of: impl Fn(&Latency) -> f64) -> Option<f64> {
        median(self.latencies.iter().map(of))
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn shown(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn nginx_version(program: &Path) -> String {
    let output = Command::new(program).arg("-v").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    let text = text.unwrap_or_default();
    text.trim().trim_start_matches("nginx version: ").to_owned()
}
