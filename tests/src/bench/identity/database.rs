//! PostgreSQL for both, with its usual promises about what was committed, and what it counts.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use cluster::Cluster;

use crate::bench::machine::CpuTime;
use crate::bench::process::{Folder, find_program};

const STATEMENTS: &str = "pg_stat_statements";

pub struct Database {
    cluster: Cluster,
    psql: PathBuf,
    pub counts_statements: bool,
    postmaster: u32,
}

/// One kind of statement, as the server counts it.
#[derive(Debug, Clone)]
pub struct Statement {
    pub calls: u64,
    pub text: String,
}

impl Statement {
    /// What only begins or ends a transaction.
    pub fn is_of_transaction(&self) -> bool {
        let word = self.text.split_whitespace().next().unwrap_or_default();
        let word = word.trim_end_matches(';').to_ascii_lowercase();
        matches!(
            word.as_str(),
            "begin" | "commit" | "rollback" | "set" | "start"
        )
    }
}

impl Database {
    pub fn start(folder: &Folder) -> anyhow::Result<Self> {
        let psql = find_program("psql").context(
            "not measured: psql is missing; install it, e.g. apt-get install postgresql-client",
        )?;
        let binaries = cluster::find(None)?;
        let dir = folder.join("postgres");
        let cluster = Cluster::start(&binaries, &dir)?;
        let mut database = Self {
            cluster,
            psql,
            counts_statements: false,
            postmaster: 0,
        };
        let known =
            format!("select count(*) from pg_available_extensions where name = '{STATEMENTS}'");
        database.counts_statements = database.ask("postgres", &known)? == "1";
        if database.counts_statements {
            let preload = format!("alter system set shared_preload_libraries = '{STATEMENTS}'");
            database.ask("postgres", &preload)?;
            database.cluster.stop()?;
            database.cluster = Cluster::start(&binaries, &dir)?;
            database.ask("postgres", &format!("create extension {STATEMENTS}"))?;
        }
        let file = database.ask("postgres", "select pg_read_file('postmaster.pid')")?;
        let pid = file.lines().next().unwrap_or_default().trim();
        database.postmaster = pid.parse().context("a process id")?;
        Ok(database)
    }

    /// Makes a database; its address.
    pub fn create(&self, name: &str) -> anyhow::Result<String> {
        self.cluster.create_database(name, None)?;
        Ok(self.cluster.url(name))
    }

    /// Of all of the server's processes.
    pub fn cpu_time(&self) -> anyhow::Result<CpuTime> {
        CpuTime::of(self.postmaster)
    }

    pub fn forget_statements(&self) -> anyhow::Result<()> {
        self.ask("postgres", "select pg_stat_statements_reset()")
            .map(drop)
    }

    /// Those of one database, the most frequent first.
    pub fn statements(&self, name: &str) -> anyhow::Result<Vec<Statement>> {
        let sql = format!(
            "select s.calls || ' ' || regexp_replace(s.query, '\\s+', ' ', 'g')
            from {STATEMENTS} s join pg_database d on d.oid = s.dbid
            where d.datname = '{name}' and s.toplevel order by s.calls desc, 1"
        );
        let lines = self.ask("postgres", &sql)?;
        let read = lines.lines().map(|line| {
            let (calls, text) = line.split_once(' ').context("a count")?;
            Ok(Statement {
                calls: calls.parse()?,
                text: text.to_owned(),
            })
        });
        read.collect()
    }

    fn ask(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let mut command = Command::new(&self.psql);
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let output = command.arg(self.cluster.url(database)).output()?;
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}
