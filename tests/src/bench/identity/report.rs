//! The figures, as a table and as JSON.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::database::Statement;
use super::{CLIENTS, Kind, Measured, ROUND};
use crate::bench::ROUNDS;
use crate::bench::machine::{Cores, CpuTime, processor};

/// What the project holds itself to: statements per token, those of transactions aside.
const STATEMENTS_MAX: f64 = 4.0;
/// Fewer calls per token than this are of other work: upkeep, watching.
const OF_A_TOKEN_MIN: f64 = 0.5;

pub struct Report {
    cores: Cores,
    counts_statements: bool,
    figures: Vec<Figures>,
}

/// Of one kind at one provider.
struct Figures {
    name: &'static str,
    kind: Kind,
    rounds: Vec<Figure>,
    /// Calls per token, and the statement.
    statements: Vec<(f64, Statement)>,
}

#[derive(Clone, Copy)]
struct Figure {
    per_second: f64,
    provider_us: f64,
    database_us: f64,
    p50_us: f64,
    p99_us: f64,
}

impl Figures {
    /// Of all rounds.
    fn median(&self, of: impl Fn(&Figure) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn statements_per_token(&self) -> f64 {
        let own = self.statements.iter();
        let own = own.filter(|(_, statement)| !statement.is_of_transaction());
        own.fold(0.0, |sum, (per_token, _)| sum + per_token)
    }

    fn as_json(&self) -> Value {
        let statements: Vec<Value> = self
            .statements
            .iter()
            .map(|(per_token, statement)| json!({"per_token": per_token, "text": statement.text}))
            .collect();
        json!({
            "provider": self.name,
            "grant": self.kind.as_str(),
            "tokens_per_second": self.median(|one| one.per_second),
            "tokens_per_second_of_a_core": 1e6 / self.median(|one| one.provider_us),
            "cpu_us_per_token": self.median(|one| one.provider_us),
            "database_cpu_us_per_token": self.median(|one| one.database_us),
            "p50_us": self.median(|one| one.p50_us),
            "p99_us": self.median(|one| one.p99_us),
            "statements_per_token": self.statements_per_token(),
            "statements": statements,
        })
    }
}

impl Report {
    pub fn new(cores: Cores, counts_statements: bool) -> Self {
        Self {
            cores,
            counts_statements,
            figures: Vec::new(),
        }
    }

    pub fn add(
        &mut self,
        name: &'static str,
        kind: Kind,
        measured: &Measured,
    ) -> anyhow::Result<()> {
        let tokens = measured.round.latencies_us.len().max(1) as f64;
        let us = |time: CpuTime| -> anyhow::Result<f64> {
            Ok((time.user_us()? + time.system_us()?) / tokens)
        };
        let figure = Figure {
            per_second: measured.round.per_second(),
            provider_us: us(measured.provider)?,
            database_us: us(measured.database)?,
            p50_us: measured.round.quantile_us(0.5),
            p99_us: measured.round.quantile_us(0.99),
        };
        self.of(name, kind).rounds.push(figure);
        Ok(())
    }

    pub fn add_statements(
        &mut self,
        name: &'static str,
        kind: Kind,
        issued: usize,
        statements: Vec<Statement>,
    ) {
        let per_token = |calls: u64| calls as f64 / issued.max(1) as f64;
        self.of(name, kind).statements = statements
            .into_iter()
            .map(|statement| (per_token(statement.calls), statement))
            .filter(|(per_token, _)| *per_token >= OF_A_TOKEN_MIN)
            .collect();
    }

    fn of(&mut self, name: &'static str, kind: Kind) -> &mut Figures {
        let is_it = |one: &Figures| one.name == name && one.kind == kind;
        if let Some(place) = self.figures.iter().position(is_it) {
            return &mut self.figures[place];
        }
        self.figures.push(Figures {
            name,
            kind,
            rounds: Vec::new(),
            statements: Vec::new(),
        });
        let last = self.figures.len() - 1;
        &mut self.figures[last]
    }

    pub fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        writeln!(
            out,
            "{}; {CLIENTS} clients, {ROUNDS} rounds of {} s, medians; providers on core {}, clients \
             and PostgreSQL on core {}\n",
            processor(),
            ROUND.as_secs(),
            self.cores.subject,
            self.cores.load
        )?;
        for kind in Kind::ALL {
            writeln!(
                out,
                "{:<22}{:>10}{:>14}{:>12}{:>12}{:>10}{:>10}{:>12}",
                kind.as_str(),
                "tokens/s",
                "/s of a core",
                "CPU/token",
                "database",
                "p50",
                "p99",
                "statements"
            )?;
            for figures in self.figures.iter().filter(|one| one.kind == kind) {
                let statements = match self.counts_statements {
                    true => format!("{:.1}", figures.statements_per_token()),
                    false => "-".to_owned(),
                };
                writeln!(
                    out,
                    "{:<22}{:>10.0}{:>14.0}{:>9.0} µs{:>9.0} µs{:>7.1} ms{:>7.1} ms{statements:>12}",
                    figures.name,
                    figures.median(|one| one.per_second),
                    1e6 / figures.median(|one| one.provider_us),
                    figures.median(|one| one.provider_us),
                    figures.median(|one| one.database_us),
                    figures.median(|one| one.p50_us) / 1e3,
                    figures.median(|one| one.p99_us) / 1e3,
                )?;
            }
            if let Some(ratio) = self.ratio(kind) {
                writeln!(
                    out,
                    "A token costs {ratio:.2} times the CPU of oidc-provider's."
                )?;
            }
            writeln!(out)?;
        }
        writeln!(
            out,
            "oidc-provider keeps no access tokens: a token of client_credentials takes it no \
             statement, and cannot be refused before it expires.\n"
        )?;
        self.print_statements(out)
    }

    fn print_statements(&self, out: &mut impl Write) -> anyhow::Result<()> {
        if !self.counts_statements {
            writeln!(
                out,
                "Statements: not measured, the server has no pg_stat_statements; install \
                 postgresql-contrib."
            )?;
            return Ok(());
        }
        for figures in self.figures.iter().filter(|one| one.name == "Tollgate") {
            let per_token = figures.statements_per_token();
            let verdict = if per_token.round() <= STATEMENTS_MAX {
                "as promised"
            } else {
                "MORE THAN PROMISED"
            };
            writeln!(
                out,
                "{}: {per_token:.1} statements per token beside those of transactions, at most \
                 {STATEMENTS_MAX:.0}: {verdict}",
                figures.kind.as_str()
            )?;
            for (per_token, statement) in &figures.statements {
                let text: String = statement.text.chars().take(90).collect();
                writeln!(out, "  {per_token:>4.1}  {text}")?;
            }
        }
        Ok(())
    }

    /// Ours by theirs.
    fn ratio(&self, kind: Kind) -> Option<f64> {
        let mut costs = self.figures.iter().filter(|one| one.kind == kind);
        let (ours, theirs) = (costs.next()?, costs.next()?);
        let cost = |figures: &Figures| figures.median(|one| one.provider_us);
        Some(cost(ours) / cost(theirs))
    }

    pub fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let figures: Vec<Value> = self.figures.iter().map(Figures::as_json).collect();
        let ratios = Kind::ALL.map(|kind| json!({"grant": kind.as_str(), "cpu": self.ratio(kind)}));
        let all = json!({
            "processor": processor(),
            "clients": CLIENTS,
            "rounds": ROUNDS,
            "round_seconds": ROUND.as_secs(),
            "statements_are_counted": self.counts_statements,
            "figures": figures,
            "ratios": ratios,
        });
        let text = serde_json::to_string_pretty(&all)?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
