//! Needs installed PostgreSQL binaries, nothing else. Every test has a site of its own.

// How a test tells its other process what to do.
#![allow(clippy::disallowed_methods)]

use std::cell::Cell;
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::place::tests::Scratch;
use crate::postmaster;

const SOON: Duration = Duration::from_secs(60);
/// Ends after 0.3 s without a lease.
const SHORT: Watch = Watch {
    every: Duration::from_millis(100),
    idle_looks: 3,
};

fn take(dir: &Path) -> Lease {
    let binaries = binaries::find(None).expect("PostgreSQL server binaries");
    Lease::take(&binaries, Site::at(dir).expect("site"), SHORT).expect("lease")
}

fn copy_of(lease: &Lease, template: &str) -> String {
    lease
        .database_from_template(template, |_| Ok::<_, Infallible>(()))
        .expect("cluster")
        .expect("prepared")
}

fn exists(lease: &Lease, database: &str) -> bool {
    // A copy of a database that is not there says so and makes nothing.
    match lease.address.create("probe", Some(database)) {
        Ok(()) => {
            lease.address.drop_if_exists("probe").expect("dropped");
            true
        }
        Err(ClusterError::NoTemplate { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

fn pid_of(dir: &Path) -> i32 {
    let data = dir.join("data");
    let file = postmaster::read(&data).expect("readable").expect("running");
    assert!(postmaster::serves(file.pid, &data));
    file.pid
}

/// Waits until the watcher has stopped everything; a test leaves no server behind.
fn stops_by_itself(dir: &Path, pid: i32) {
    let data = dir.join("data");
    assert!(postmaster::wait(SOON, || {
        !postmaster::serves(pid, &data) && !data.join("PG_VERSION").exists()
    }));
    let watcher = fs::File::open(dir.join("watcher")).expect("opened");
    lock::exclusive(&watcher, dir, SOON).expect("the watcher has ended");
}

/// A process that leases `dir`, makes a copy, writes its name and the server's pid to `report`, and
/// lives until its standard input ends.
fn another_process(dir: &Path, report: &Path) -> Child {
    Command::new(std::env::current_exe().expect("own path"))
        .args(["--ignored", "--exact", "testing::tests::in_another_process"])
        .env("CLUSTER_TEST_DIR", dir)
        .env("CLUSTER_TEST_REPORT", report)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("spawned")
}

#[test]
#[ignore = "the other process of the tests below"]
fn in_another_process() {
    let (Some(dir), Some(report)) = (
        std::env::var_os("CLUSTER_TEST_DIR").map(PathBuf::from),
        std::env::var_os("CLUSTER_TEST_REPORT").map(PathBuf::from),
    ) else {
        return;
    };
    let lease = take(&dir);
    let has_prepared = Cell::new(false);
    let copy = lease
        .database_from_template("shared", |_| {
            has_prepared.set(true);
            Ok::<_, Infallible>(())
        })
        .expect("cluster")
        .expect("prepared");
    let text = format!("{copy} {} {}", pid_of(&dir), has_prepared.get());
    let draft = report.with_extension("draft");
    fs::write(&draft, text).expect("written");
    fs::rename(&draft, &report).expect("renamed");
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// The words of a report: copy, server, whether this process made the template.
fn wait_for(report: &Path) -> (String, i32, bool) {
    assert!(postmaster::wait(SOON, || report.exists()));
    let text = fs::read_to_string(report).expect("report");
    let words: Vec<&str> = text.split(' ').collect();
    (
        words[0].to_owned(),
        words[1].parse().expect("pid"),
        words[2] == "true",
    )
}

fn kill_and_reap(mut process: Child) {
    process.kill().expect("killed");
    process.wait().expect("reaped");
}

#[test]
fn a_process_has_one_lease_whatever_asks_for_it() {
    let first = lease().expect("lease");
    let second = lease().expect("lease");
    assert!(std::ptr::eq(first, second));
    assert!(exists(first, &copy_of(first, "cluster_own_tests")));
}

#[test]
fn processes_share_one_server_and_one_template() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("site");
    let reports = [0, 1, 2, 3].map(|number| scratch.path().join(format!("report{number}")));
    let processes = reports
        .each_ref()
        .map(|report| another_process(&dir, report));
    let told = reports.each_ref().map(|report| wait_for(report));

    assert!(told.iter().all(|(_, pid, _)| *pid == told[0].1), "{told:?}");
    let prepared = told.iter().filter(|(_, _, has_prepared)| *has_prepared);
    assert_eq!(prepared.count(), 1, "{told:?}");
    let mut names: Vec<_> = told.iter().map(|(copy, _, _)| copy).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "{told:?}");

    processes.into_iter().for_each(kill_and_reap);
    stops_by_itself(&dir, told[0].1);
}

#[test]
fn a_server_is_started_anew_after_it_stopped_by_itself() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("site");
    for _ in 0..2 {
        let lease = take(&dir);
        let copy = copy_of(&lease, "again");
        assert!(exists(&lease, &copy));
        let pid = pid_of(&dir);
        drop(lease);
        stops_by_itself(&dir, pid);
    }
}

#[test]
fn databases_of_dead_processes_are_dropped_while_others_work() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("site");
    let lease = take(&dir);
    let own = copy_of(&lease, "shared");
    let report = scratch.path().join("report");
    let process = another_process(&dir, &report);
    let (copy, pid, _) = wait_for(&report);
    assert!(exists(&lease, &copy));
    kill_and_reap(process);
    assert!(postmaster::wait(SOON, || !exists(&lease, &copy)));
    assert!(exists(&lease, &own));
    assert!(exists(&lease, "t_shared"));
    drop(lease);
    stops_by_itself(&dir, pid);
}

#[test]
fn a_failed_preparation_leaves_no_template() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("site");
    let lease = take(&dir);
    let failed = lease.database_from_template("broken", |_| Err("no"));
    assert_eq!(failed.expect("cluster"), Err("no"));
    assert!(!exists(&lease, "t_broken"));
    let has_prepared = Cell::new(false);
    let copy = lease.database_from_template("broken", |url| {
        assert!(url.contains("/d_broken?host="), "{url}");
        has_prepared.set(true);
        Ok::<_, Infallible>(())
    });
    assert!(has_prepared.get());
    assert!(exists(&lease, &copy.expect("cluster").expect("prepared")));
    let pid = pid_of(&dir);
    drop(lease);
    stops_by_itself(&dir, pid);
}

#[test]
fn threads_get_databases_of_their_own() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("site");
    let lease = take(&dir);
    let mut names: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| copy_of(&lease, "threads")))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("joined"))
            .collect()
    });
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8);
    let pid = pid_of(&dir);
    drop(lease);
    stops_by_itself(&dir, pid);
}

#[test]
fn a_killed_server_is_replaced_at_the_next_lease() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("site");
    let lease = take(&dir);
    let pid = pid_of(&dir);
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("killed");
    assert!(postmaster::wait(SOON, || !postmaster::serves(
        pid,
        &dir.join("data")
    )));
    let next = take(&dir);
    assert!(exists(&next, &copy_of(&next, "again")));
    let pid = pid_of(&dir);
    drop((lease, next));
    stops_by_itself(&dir, pid);
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_watcher_is_replaced_and_the_server_kept() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("site");
    let lease = take(&dir);
    let pid = pid_of(&dir);
    kill(Pid::from_raw(watcher_of(&dir)), Signal::SIGKILL).expect("killed");
    let watcher = fs::File::open(dir.join("watcher")).expect("opened");
    lock::exclusive(&watcher, &dir, SOON).expect("its lock is free");
    drop((watcher, lease));

    let lease = take(&dir);
    assert_eq!(pid_of(&dir), pid);
    drop(lease);
    stops_by_itself(&dir, pid);
}

#[cfg(target_os = "linux")]
fn watcher_of(dir: &Path) -> i32 {
    let wanted = dir.join("leases").into_os_string().into_encoded_bytes();
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let is_watcher = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0).any(|word| word == wanted)
    };
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(is_watcher)
        .expect("a watcher")
}
