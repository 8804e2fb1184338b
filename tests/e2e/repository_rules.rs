//! Which crate may know which, and what only one crate may touch, read off the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// crate, what it may depend on directly, what it may use in tests besides.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("snapshot", &[], &[]),
    ("policy", &["snapshot"], &[]),
    ("proxy", &["policy", "snapshot"], &[]),
    ("domain", &["snapshot"], &[]),
    ("store", &["domain", "snapshot"], &["cluster"]),
    ("web", &["domain", "snapshot"], &[]),
    (
        "server",
        &["store", "web", "domain", "snapshot"],
        &["cluster"],
    ),
    ("cluster", &[], &[]),
    (
        "tollgate",
        &[
            "server", "proxy", "cluster", "store", "web", "domain", "policy", "snapshot",
        ],
        &[],
    ),
];

/// Crates that only one of ours may list.
const OWNED: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("hyper", &["proxy", "server", "tollgate", "e2e"]),
    ("askama", &["web"]),
    ("axum", &["server"]),
    ("nix", &["cluster", "proxy", "e2e"]),
];

/// What a pure crate never lists.
const PURE: &[&str] = &["snapshot", "policy", "domain", "web"];
const IMPURE: &[&str] = &[
    "tokio", "hyper", "reqwest", "sqlx", "axum", "socket2", "nix",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

struct Member {
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

fn members() -> BTreeMap<String, Member> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--locked",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            (
                package["name"].as_str().unwrap().to_owned(),
                member(package),
            )
        })
        .collect()
}

fn member(package: &serde_json::Value) -> Member {
    let listed = |is_dev: bool| {
        let all = package["dependencies"].as_array().unwrap();
        all.iter()
            .filter(|dependency| is_for_tests(dependency) == is_dev)
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect()
    };
    Member {
        normal: listed(false),
        dev: listed(true),
    }
}

/// A development dependency, or one that only the feature `testing` brings.
fn is_for_tests(dependency: &serde_json::Value) -> bool {
    dependency["kind"] == "dev" || dependency["optional"] == true
}

#[test]
fn crates_depend_on_each_other_only_along_the_arrows() {
    let members = members();
    assert_eq!(members.len(), 10, "{:?}", members.keys());
    for (name, allowed, in_tests) in ARROWS {
        let member = &members[*name];
        for other in members.keys().filter(|other| *other != name) {
            let may = allowed.contains(&other.as_str());
            let may_in_tests = may || in_tests.contains(&other.as_str());
            assert!(
                may || !member.normal.contains(other),
                "{name} must not depend on {other}"
            );
            assert!(
                may_in_tests || !member.dev.contains(other),
                "{name} must not test with {other}"
            );
        }
    }
}

#[test]
fn what_one_crate_owns_no_other_lists() {
    for (name, member) in members() {
        for (owned, owners) in OWNED {
            let lists = member.normal.contains(*owned) || member.dev.contains(*owned);
            assert!(
                !lists || owners.contains(&name.as_str()),
                "{name} must not list {owned}"
            );
        }
    }
}

#[test]
fn pure_crates_list_nothing_that_does_io() {
    let members = members();
    for name in PURE {
        for impure in IMPURE {
            assert!(
                !members[*name].normal.contains(*impure),
                "{name} must not list {impure}"
            );
        }
    }
}

fn files_below(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn the_policy_reads_no_clock_and_awaits_nothing() {
    let mut files = Vec::new();
    files_below(&root().join("gateway-node/policy/src"), &mut files);
    files_below(&root().join("gateway-node/snapshot/src"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for forbidden in ["Instant::now", "SystemTime::now", "async fn", ".await"] {
            assert!(
                !text.contains(forbidden),
                "{} has {forbidden}",
                file.display()
            );
        }
    }
}

#[test]
fn every_main_is_a_screenful() {
    for main in [
        "control-plane/server/src/main.rs",
        "control-plane/tollgate/src/main.rs",
        "gateway-node/proxy/src/main.rs",
    ] {
        let lines = std::fs::read_to_string(root().join(main))
            .unwrap()
            .lines()
            .count();
        assert!(lines < 40, "{main} has {lines} lines");
    }
}
