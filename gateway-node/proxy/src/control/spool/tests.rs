use super::*;
use crate::control::counts::admitted;
use crate::control::testing::TempDir;
use crate::meter::CoreUsage;

const LARGE: u64 = 1 << 30;

fn open(temp: &TempDir, bytes_max: u64) -> Spool {
    let dir = Arc::new(StateDir::open(temp.path()).expect("opens"));
    Spool::open(dir, bytes_max).expect("opens")
}

fn counts(usages: impl IntoIterator<Item = CoreUsage>) -> Counts {
    let mut counts = Counts::default();
    usages.into_iter().for_each(|usage| counts.absorb(usage));
    counts
}

fn next(spool: &mut Spool) -> (Place, UsageBatch) {
    let outgoing = spool.next().expect("a batch waits");
    let batch = UsageBatch::decode(outgoing.body.as_slice()).expect("ours");
    (outgoing.place, batch)
}

fn requests(batch: &UsageBatch) -> u64 {
    batch.counts.iter().map(|count| count.count).sum()
}

/// Sends everything to a control plane that applies each sequence of an incarnation once and in
/// order; returns the batches that it applied.
fn send_all(spool: &mut Spool) -> Vec<UsageBatch> {
    let mut applied: BTreeMap<u64, u64> = BTreeMap::new();
    let mut batches = Vec::new();
    while spool.next().is_some() {
        let (place, batch) = next(spool);
        let last = applied.entry(batch.incarnation).or_default();
        if batch.sequence == *last + 1 {
            *last += 1;
            batches.push(batch);
        }
        spool.acknowledge(place, *last);
    }
    batches
}

#[test]
fn nothing_is_sent_before_the_run_has_an_incarnation() {
    let temp = TempDir::new();
    let mut spool = open(&temp, LARGE);
    spool.put(counts([admitted(1, 1, 5)])).expect("writes");
    assert!(spool.next().is_none());
    spool.set_incarnation(3).expect("writes");
    let (_, batch) = next(&mut spool);
    assert_eq!((batch.incarnation, batch.sequence), (3, 1));
    assert_eq!(requests(&batch), 5);
}

#[test]
fn what_waits_is_added_to_one_batch_until_it_was_tried() {
    let temp = TempDir::new();
    let mut spool = open(&temp, LARGE);
    spool.set_incarnation(1).expect("writes");
    spool.put(counts([admitted(1, 1, 5)])).expect("writes");
    spool.put(counts([admitted(1, 1, 6)])).expect("writes");
    assert_eq!(spool.size().batches, 1);
    assert_eq!(requests(&next(&mut spool).1), 11);
    spool.put(counts([admitted(1, 1, 7)])).expect("writes");
    assert_eq!(
        requests(&next(&mut spool).1),
        11,
        "a tried batch stays as it is"
    );
    let sent: Vec<u64> = send_all(&mut spool).iter().map(requests).collect();
    assert_eq!(sent, [11, 7]);
}

#[test]
fn a_run_that_never_had_an_incarnation_is_taken_over_by_the_next() {
    let temp = TempDir::new();
    let mut first = open(&temp, LARGE);
    first.put(counts([admitted(1, 1, 5)])).expect("writes");
    drop(first);
    let mut second = open(&temp, LARGE);
    second.put(counts([admitted(1, 1, 6)])).expect("writes");
    second.set_incarnation(9).expect("writes");
    let sent = send_all(&mut second);
    let found: Vec<_> = sent
        .iter()
        .map(|b| (b.incarnation, b.sequence, requests(b)))
        .collect();
    assert_eq!(found, [(9, 1, 5), (9, 2, 6)]);
    drop(second);
    assert_eq!(open(&temp, LARGE).size().batches, 0);
}

#[test]
fn an_earlier_run_is_sent_first_and_under_its_own_incarnation() {
    let temp = TempDir::new();
    let mut first = open(&temp, LARGE);
    first.set_incarnation(1).expect("writes");
    first.put(counts([admitted(1, 1, 5)])).expect("writes");
    let tried = next(&mut first).1;
    first.put(counts([admitted(1, 2, 6)])).expect("writes");
    drop(first);
    let mut second = open(&temp, LARGE);
    second.put(counts([admitted(1, 3, 7)])).expect("writes");
    second.set_incarnation(2).expect("writes");
    let sent = send_all(&mut second);
    assert_eq!(
        sent[0], tried,
        "byte for byte what may have been sent before"
    );
    let found: Vec<_> = sent
        .iter()
        .map(|b| (b.incarnation, b.sequence, requests(b)))
        .collect();
    assert_eq!(found, [(1, 1, 5), (1, 2, 6), (2, 1, 7)]);
}

/// A spool with one tried batch and three hours of minutes behind it, over its bound.
fn overfull(temp: &TempDir, bytes_max: u64) -> Spool {
    let mut spool = open(temp, bytes_max);
    spool.set_incarnation(1).expect("writes");
    spool.put(counts([admitted(9, 0, 1)])).expect("writes");
    next(&mut spool);
    for minute in 0..180 {
        let tenants = (0..50).map(|tenant| admitted(tenant, minute, 2));
        spool.put(counts(tenants)).expect("writes");
    }
    spool
}

#[test]
fn a_full_spool_folds_to_hours_and_loses_nothing() {
    let temp = TempDir::new();
    let mut spool = overfull(&temp, 60_000);
    assert!(spool.size().bytes <= 60_000, "{:?}", spool.size());
    assert_eq!(spool.size().dropped, 0);
    let sent = send_all(&mut spool);
    assert_eq!(sent.iter().map(requests).sum::<u64>(), 1 + 180 * 50 * 2);
    assert_eq!(sent.iter().map(|batch| batch.dropped).sum::<u64>(), 0);
    let sequences: Vec<u64> = sent.iter().map(|batch| batch.sequence).collect();
    assert!(sequences.is_sorted() && sequences[0] == 1);
}

#[test]
fn what_a_spool_cannot_hold_is_dropped_and_told() {
    let temp = TempDir::new();
    let mut spool = overfull(&temp, 2_000);
    assert!(spool.size().bytes <= 2_000);
    let dropped = spool.size().dropped;
    assert!(dropped > 0);
    spool.put(counts([admitted(9, 500, 1)])).expect("writes");
    let sent = send_all(&mut spool);
    let told: u64 = sent.iter().map(|batch| batch.dropped).sum();
    assert_eq!(told, dropped);
    let counted: u64 = sent.iter().map(requests).sum();
    assert_eq!(
        counted + dropped,
        2 + 180 * 50 * 2,
        "every request is counted or told"
    );
}

#[test]
fn a_crash_in_the_middle_of_folding_counts_nothing_twice() {
    let temp = TempDir::new();
    let mut spool = open(&temp, LARGE);
    spool.set_incarnation(1).expect("writes");
    for tenants in 0..3 {
        // Too many for the batch to stay open.
        let many = (0..OPEN_ENTRIES_MAX as u128).map(|n| admitted(tenants * 10_000 + n, 1, 1));
        spool.put(counts(many)).expect("writes");
    }
    assert_eq!(spool.size().batches, 3);
    let before: Vec<String> = names(&spool);
    let kept: Vec<(String, Vec<u8>)> = before
        .iter()
        .map(|name| {
            let path = spool.dir.path(&format!("{DIR}/{name}"));
            (name.clone(), std::fs::read(path).expect("reads"))
        })
        .collect();
    spool.fold().expect("folds");
    assert!(spool.size().batches < 3);
    for (name, bytes) in kept {
        let path = spool.dir.path(&format!("{DIR}/{name}"));
        std::fs::write(path, bytes).expect("writes");
    }
    drop(spool);
    let mut spool = open(&temp, LARGE);
    let sent = send_all(&mut spool);
    assert_eq!(
        sent.iter().map(requests).sum::<u64>(),
        3 * OPEN_ENTRIES_MAX as u64
    );
}

fn names(spool: &Spool) -> Vec<String> {
    let found = spool.dir.list(DIR).expect("lists");
    found.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_batch_that_cannot_be_read_is_sent_empty_so_that_the_next_ones_count() {
    let temp = TempDir::new();
    let mut spool = open(&temp, LARGE);
    spool.set_incarnation(1).expect("writes");
    spool.put(counts([admitted(1, 1, 5)])).expect("writes");
    next(&mut spool);
    spool.put(counts([admitted(1, 1, 6)])).expect("writes");
    let first = names(&spool).swap_remove(0);
    drop(spool);
    let path = temp.path().join(DIR).join(first);
    let mut bytes = std::fs::read(&path).expect("reads");
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).expect("writes");
    let mut spool = open(&temp, LARGE);
    let sent: Vec<u64> = send_all(&mut spool).iter().map(requests).collect();
    assert_eq!(sent, [0, 6]);
}

#[test]
fn where_the_disk_takes_nothing_usage_is_sent_from_memory() {
    let temp = TempDir::new();
    let mut spool = open(&temp, LARGE);
    spool.set_incarnation(1).expect("writes");
    std::fs::remove_dir_all(temp.path().join(DIR)).expect("removes");
    assert!(spool.put(counts([admitted(1, 1, 5)])).is_err());
    assert!(spool.put(counts([admitted(1, 1, 6)])).is_err());
    let sent: Vec<u64> = send_all(&mut spool).iter().map(requests).collect();
    assert_eq!(sent, [11]);
}
