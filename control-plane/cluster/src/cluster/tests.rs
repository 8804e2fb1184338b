//! Needs installed PostgreSQL binaries, nothing else.

// How a test tells its other process what to do.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, getpgid};

use super::*;
use crate::binaries::find;
use crate::place::tests::Scratch;

const SOON: Duration = Duration::from_secs(30);

fn binaries() -> Binaries {
    find(None).expect("PostgreSQL server binaries")
}

fn start(dir: &Path) -> Cluster {
    Cluster::start(&binaries(), dir).expect("started")
}

fn data_of(cluster: &Cluster) -> PathBuf {
    cluster.place.data()
}

fn postmaster_of(data: &Path) -> i32 {
    let file = postmaster::read(data).expect("readable").expect("running");
    assert!(postmaster::serves(file.pid, data));
    file.pid
}

/// Runs `in_another_process` of this binary on `dir`; `SIGKILL` it with `kill` and `wait`.
fn owner_in_another_process(dir: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().expect("own path"))
        .args(["--ignored", "--exact", "cluster::tests::in_another_process"])
        .env("CLUSTER_TEST_DIR", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("spawned")
}

#[test]
#[ignore = "the other process of the tests below"]
fn in_another_process() {
    let Some(dir) = std::env::var_os("CLUSTER_TEST_DIR") else {
        return;
    };
    let dir = PathBuf::from(dir);
    let cluster = start(&dir);
    let made = cluster.create_database("kept", None);
    assert!(matches!(
        made,
        Ok(()) | Err(ClusterError::AlreadyExists { .. })
    ));
    fs::write(dir.join("started"), "").expect("written");
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[track_caller]
fn has_kept_its_data(dir: &Path) {
    let cluster = start(dir);
    let again = cluster.create_database("kept", None);
    assert!(
        matches!(again, Err(ClusterError::AlreadyExists { .. })),
        "{again:?}"
    );
    cluster.stop().expect("stopped");
}

#[test]
fn databases_outlive_a_stop() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("pg");
    let cluster = start(&dir);
    cluster.create_database("kept", None).expect("created");
    cluster
        .create_database("copy", Some("kept"))
        .expect("copied");
    let missing = cluster.create_database("other", Some("missing"));
    assert!(
        matches!(missing, Err(ClusterError::NoTemplate { .. })),
        "{missing:?}"
    );
    let invalid = cluster.create_database("No", None);
    assert!(matches!(invalid, Err(ClusterError::InvalidName { .. })));
    let data = data_of(&cluster);
    cluster.stop().expect("stopped");
    assert_eq!(postmaster::read(&data).expect("readable"), None);
    has_kept_its_data(&dir);
}

#[test]
fn dropping_stops_the_server() {
    let scratch = Scratch::new();
    let cluster = start(&scratch.path().join("pg"));
    let data = data_of(&cluster);
    let pid = postmaster_of(&data);
    drop(cluster);
    assert!(!postmaster::serves(pid, &data));
}

#[test]
fn a_directory_in_use_is_refused() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("pg");
    let _cluster = start(&dir);
    let second = Cluster::start(&binaries(), &dir);
    assert!(
        matches!(second, Err(ClusterError::Busy { .. })),
        "{second:?}"
    );
}

#[test]
fn nobody_else_can_reach_the_server() {
    let scratch = Scratch::new();
    let cluster = start(&scratch.path().join("pg"));
    let data = data_of(&cluster);
    let pid_file = fs::read_to_string(postmaster::path(&data)).expect("pid file");
    let lines: Vec<&str> = pid_file.lines().collect();
    assert_eq!(lines[5], "", "no TCP address");
    let socket_dir = fs::metadata(lines[4]).expect("socket directory");
    assert_eq!(socket_dir.permissions().mode() & 0o777, 0o700);
    assert_ne!(fs::metadata(&data).expect("data").uid(), 0);
    assert_eq!(fs::metadata(&data).expect("data").uid(), socket_dir.uid());
}

#[test]
fn the_locale_and_encoding_do_not_depend_on_the_machine() {
    let scratch = Scratch::new();
    let cluster = start(&scratch.path().join("pg"));
    let text = fs::read_to_string(data_of(&cluster).join("postgresql.conf")).expect("settings");
    for line in ["lc_messages = 'C'", "lc_time = 'C'", "timezone = 'UTC'"] {
        let is_set = text.lines().any(|set| {
            let words: Vec<&str> = set.split_whitespace().take(3).collect();
            words.join(" ") == line
        });
        assert!(is_set, "{line}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_server_inherits_neither_environment_nor_process_group() {
    let scratch = Scratch::new();
    let cluster = start(&scratch.path().join("pg"));
    let pid = postmaster_of(&data_of(&cluster));
    let environment = fs::read(format!("/proc/{pid}/environ")).expect("environment");
    let names: Vec<String> = String::from_utf8_lossy(&environment)
        .split('\0')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.starts_with("PG") || name == "PGDATA")
        .collect();
    assert!(!names.contains(&String::from("PATH")), "{names:?}");
    assert!(!names.contains(&String::from("HOME")), "{names:?}");
    assert_eq!(
        getpgid(Some(Pid::from_raw(pid))),
        Ok(Pid::from_raw(pid)),
        "Ctrl-C in our terminal must not reach it"
    );
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:"));
    if Uid::effective().is_root() {
        assert_eq!(groups.map(str::trim), Some(""), "no groups of root's");
    }
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("pg");
    let cluster = thread::spawn(move || start(&dir)).join().expect("joined");
    // A signal at the end of that thread would have arrived before this answer.
    cluster.create_database("later", None).expect("created");
    cluster.stop().expect("stopped");
}

#[cfg(target_os = "linux")]
#[test]
fn the_server_ends_with_a_killed_owner_and_keeps_its_data() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("pg");
    let mut owner = owner_in_another_process(&dir);
    assert!(postmaster::wait(SOON, || dir.join("started").exists()));
    let data = dir.join("data");
    let pid = postmaster_of(&data);
    owner.kill().expect("killed");
    owner.wait().expect("reaped");
    assert!(postmaster::wait(SOON, || !postmaster::serves(pid, &data)));
    has_kept_its_data(&dir);
}

#[test]
fn a_start_right_after_the_owner_was_killed_succeeds() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("pg");
    let mut owner = owner_in_another_process(&dir);
    assert!(postmaster::wait(SOON, || dir.join("started").exists()));
    owner.kill().expect("killed");
    owner.wait().expect("reaped");
    has_kept_its_data(&dir);
}

#[test]
fn an_owner_killed_while_initialising_leaves_nothing_half_made() {
    // Where the machine lets this process wait, the owner may be done before it is killed.
    const ATTEMPTS_MAX: usize = 20;
    let scratch = Scratch::new();
    let was_in_time = (0..ATTEMPTS_MAX).any(|attempt| {
        let dir = scratch.path().join(format!("pg{attempt}"));
        let drafts = || {
            let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
            entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with("data.new-"))
                .map(|entry| entry.path())
                .collect::<Vec<_>>()
        };
        let is_begun = || drafts().iter().any(|draft| draft.join("global").exists());
        let mut owner = owner_in_another_process(&dir);
        assert!(postmaster::wait(SOON, || {
            is_begun() || dir.join("data").exists()
        }));
        owner.kill().expect("killed");
        owner.wait().expect("reaped");
        let was_in_time = !dir.join("data").exists();
        start(&dir).stop().expect("stopped");
        assert_eq!(drafts().len(), 0);
        was_in_time
    });
    assert!(was_in_time, "it was done {ATTEMPTS_MAX} times");
}

#[test]
fn a_killed_server_recovers_with_its_data() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("pg");
    let cluster = start(&dir);
    cluster.create_database("kept", None).expect("created");
    let pid = postmaster_of(&data_of(&cluster));
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("killed");
    drop(cluster);
    assert!(postmaster::path(&dir.join("data")).exists(), "left behind");
    has_kept_its_data(&dir);
}

#[test]
fn the_pid_of_a_killed_server_may_be_taken_by_another_process() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("pg");
    let cluster = start(&dir);
    cluster.create_database("kept", None).expect("created");
    let data = data_of(&cluster);
    let socket_lock = cluster.address.socket_dir.join(".s.PGSQL.5432.lock");
    kill(Pid::from_raw(postmaster_of(&data)), Signal::SIGKILL).expect("killed");
    drop(cluster);

    let owner = fs::metadata(&data).expect("data");
    let mut other = Command::new("sleep");
    if Uid::effective().is_root() {
        other.uid(owner.uid()).gid(owner.gid());
    }
    let mut other = other.arg("600").spawn().expect("spawned");
    for path in [postmaster::path(&data), socket_lock] {
        let text = fs::read_to_string(&path).expect("left behind");
        let (_, rest) = text.split_once('\n').expect("lines");
        fs::write(&path, format!("{}\n{rest}", other.id())).expect("written");
    }
    has_kept_its_data(&dir);
    assert!(other.try_wait().expect("asked").is_none(), "unharmed");
    other.kill().expect("killed");
    other.wait().expect("reaped");
}

/// Where the system has no parent-death signal, this is what a killed owner leaves.
#[test]
fn a_server_left_running_is_replaced() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("pg");
    let mut place = Place::own(&dir, scratch.path()).expect("place");
    let detached = Profile {
        lifetime: Lifetime::Detached,
        ..PROFILE
    };
    let mut left = server::launch(&binaries(), &place, &detached).expect("launched");
    left.address.create("kept", None).expect("created");
    place.release();
    let reaper = thread::spawn(move || left.child.wait());
    has_kept_its_data(&dir);
    assert!(reaper.join().expect("joined").expect("reaped").success());
}

#[test]
fn data_behind_a_closed_parent_runs_elsewhere_and_says_so() {
    if !Uid::effective().is_root() {
        return; // only root changes accounts
    }
    let scratch = Scratch::new();
    let closed = scratch.path().join("closed");
    fs::create_dir(&closed).expect("directory");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("mode");
    let elsewhere = scratch.path().join("elsewhere");
    let place = Place::own(&closed.join("pg"), &elsewhere).expect("place");
    let cluster = Cluster::start_in(&binaries(), place).expect("started");
    let moved = cluster.moved().expect("moved").clone();
    assert_eq!(moved.blocked_by, closed);
    assert!(data_of(&cluster).starts_with(&elsewhere));
    cluster.create_database("works", None).expect("created");
}

#[test]
fn a_deep_directory_gets_a_short_socket_path() {
    let scratch = Scratch::new();
    let deep = scratch.path().join("d".repeat(80)).join("e".repeat(80));
    let cluster = start(&deep);
    let socket_dir = cluster.address.socket_dir.clone();
    assert!(!socket_dir.starts_with(&deep));
    cluster.create_database("works", None).expect("created");
    cluster.stop().expect("stopped");
    fs::remove_dir(&socket_dir).expect("empty after a stop");
}

#[test]
fn data_of_a_version_that_is_not_installed_is_left_alone() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("pg");
    fs::create_dir_all(dir.join("data")).expect("directory");
    fs::write(dir.join("data/PG_VERSION"), "9\n").expect("version");
    let refused = Cluster::start(&binaries(), &dir);
    assert!(
        matches!(refused, Err(ClusterError::OtherMajor { data: 9, .. })),
        "{refused:?}"
    );

    fs::remove_file(dir.join("data/PG_VERSION")).expect("removed");
    fs::write(dir.join("data/notes"), "mine").expect("file");
    let refused = Cluster::start(&binaries(), &dir);
    assert!(
        matches!(refused, Err(ClusterError::NotACluster { .. })),
        "{refused:?}"
    );
    assert!(dir.join("data/notes").exists());
}
