//! The command line.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

const USAGE: &str =
    "usage: bench data-plane [--json FILE] [--node FILE], or bench identity [--json FILE]";

/// What is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Subjects {
    #[default]
    DataPlane,
    Identity,
}

#[derive(Debug, Default)]
pub struct Arguments {
    pub subjects: Subjects,
    /// Where the figures go as JSON, besides the table.
    pub json: Option<PathBuf>,
    /// A `gateway-node` program to be measured instead of one built from here: for comparing builds.
    pub node: Option<PathBuf>,
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let subjects = match words.next().as_deref() {
            Some("data-plane") => Subjects::DataPlane,
            Some("identity") => Subjects::Identity,
            _ => bail!(USAGE),
        };
        let mut arguments = Self {
            subjects,
            ..Self::default()
        };
        while let Some(word) = words.next() {
            let place = match word.as_str() {
                "--json" => &mut arguments.json,
                "--node" if subjects == Subjects::DataPlane => &mut arguments.node,
                _ => bail!("{word} is not known; {USAGE}"),
            };
            let file = words
                .next()
                .with_context(|| format!("{word} takes a file; {USAGE}"))?;
            *place = Some(PathBuf::from(file));
        }
        Ok(arguments)
    }
}
