use snapshot::lease::Outcome;

use super::*;

const MS: u64 = 1_000_000;
const DAY_MS: u64 = 86_400_000;

fn slot() -> QuotaSlot {
    QuotaSlot::new(TenantId(uuid::Uuid::from_u128(7)), "default".into())
}

fn lease(period_start_ms: i64, granted_total: u64, ends_in_ms: u64) -> Lease {
    Lease {
        group: "default".to_owned(),
        period_start_ms,
        granted_total,
        limit: 1000,
        available: 1000u64.saturating_sub(granted_total),
        ends_in_ms,
        ..Lease::default()
    }
}

/// Lets the slot spend what it may, as the lease task does after each change.
fn write(slot: &QuotaSlot, now_ns: u64) -> Vec<Held> {
    slot.set_aside(now_ns);
    let (held, mark) = slot.draft(now_ns);
    slot.written(&mark);
    held
}

/// An answer that comes at once.
fn apply(slot: &QuotaSlot, lease: &Lease, at_ns: u64) -> Applied {
    slot.apply(lease, at_ns, at_ns)
}

fn spend(slot: &QuotaSlot, now_ns: u64) -> u64 {
    let mut units = 0;
    loop {
        match slot.take(now_ns) {
            QuotaTake::Taken(_) => units += 1,
            QuotaTake::Empty | QuotaTake::Exhausted if write_more(slot, now_ns) => {}
            QuotaTake::Empty | QuotaTake::Exhausted => return units,
        }
    }
}

fn write_more(slot: &QuotaSlot, now_ns: u64) -> bool {
    let moved = slot.set_aside(now_ns);
    let (_, mark) = slot.draft(now_ns);
    slot.written(&mark);
    moved > 0
}

fn take(slot: &QuotaSlot, now_ns: u64) -> Unit {
    match slot.take(now_ns) {
        QuotaTake::Taken(unit) => unit,
        other => panic!("nothing to take: {other:?}"),
    }
}

#[test]
fn a_new_slot_asks_for_a_lease_when_somebody_waits() {
    let slot = slot();
    assert!(slot.items_to_ask(0).is_empty());
    assert_eq!(slot.take(0), QuotaTake::Empty);
    let items = slot.items_to_ask(1);
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].period_start_ms, items[0].wanted), (0, 1));
    assert_eq!(items[0].tenant_id, slot.tenant_id().to_bytes());
    assert!(slot.items_to_ask(2).is_empty(), "one question at a time");
    slot.ask_failed();
    assert_eq!(slot.items_to_ask(3).len(), 1);
    assert_eq!(slot.items_to_ask(3 + 10 * SECOND_NS).len(), 1);
}

#[test]
fn granted_units_are_spendable_only_once_they_left_the_file() {
    let slot = slot();
    assert_eq!(apply(&slot, &lease(5, 3, DAY_MS), 0), Applied::Added(3));
    assert_eq!(slot.take(0), QuotaTake::Empty);
    assert_eq!(slot.set_aside(0), 1);
    assert_eq!(slot.take(0), QuotaTake::Empty);
    let (held, mark) = slot.draft(0);
    assert_eq!(held.iter().map(|held| held.units).sum::<u64>(), 2);
    assert_eq!(slot.take(0), QuotaTake::Empty);
    slot.written(&mark);
    take(&slot, 0);
    slot.written(&mark);
    assert_eq!(slot.take(0), QuotaTake::Empty, "told twice");
}

#[test]
fn a_write_that_failed_is_to_be_made_again() {
    let slot = slot();
    apply(&slot, &lease(5, 3, DAY_MS), 0);
    slot.set_aside(0);
    let (first, _lost) = slot.draft(0);
    assert!(slot.needs_writing());
    assert_eq!(slot.set_aside(0), 0);
    let (second, mark) = slot.draft(0);
    assert_eq!(first, second);
    slot.written(&mark);
    assert!(!slot.needs_writing());
    assert_eq!(slot.balance(0), 1);
    assert_eq!(slot.balance(DAY_MS * MS), 0);
    // What changes while the file is written needs another write.
    apply(&slot, &lease(5, 4, DAY_MS), 0);
    let (_, mark) = slot.draft(0);
    apply(&slot, &lease(5, 5, DAY_MS), 0);
    slot.written(&mark);
    assert!(slot.needs_writing());
}

#[test]
fn a_long_outage_does_not_pile_up_demand() {
    let slot = slot();
    (0..100_000).for_each(|_| assert_eq!(slot.take(0), QuotaTake::Empty));
    apply(&slot, &lease(5, 1, DAY_MS), 0);
    assert_eq!(slot.take_back_all(), 1);
    let mut large = lease(5, 500_000, DAY_MS);
    large.available = 500_000;
    apply(&slot, &large, 0);
    assert_eq!(slot.set_aside(0), 1024);
}

#[test]
fn repeated_and_late_answers_add_nothing() {
    let slot = slot();
    assert_eq!(apply(&slot, &lease(5, 3, DAY_MS), 0), Applied::Added(3));
    assert_eq!(apply(&slot, &lease(5, 3, DAY_MS), 0), Applied::Added(0));
    assert_eq!(apply(&slot, &lease(5, 8, DAY_MS), 2), Applied::Added(5));
    assert_eq!(apply(&slot, &lease(5, 3, DAY_MS), 1), Applied::Added(0));
    assert_eq!(spend(&slot, 3), 8);
    let known = slot.known(3).expect("runs");
    assert_eq!((known.limit, known.remaining), (1000, 992));
}

#[test]
fn a_period_ends_on_its_instant() {
    let slot = slot();
    apply(&slot, &lease(5, 2, 1000), 7);
    write(&slot, 7);
    let end = 7 + 1000 * MS;
    assert_eq!(slot.ends_in_s(7), 1);
    let unit = take(&slot, end - 1);
    slot.give_back(unit);
    assert_eq!(slot.take(end), QuotaTake::Empty);
    assert_eq!(slot.known(end), None);
    assert_eq!(apply(&slot, &lease(5, 2, 0), end), Applied::Over);
}

#[test]
fn the_next_period_takes_over_on_its_instant() {
    let slot = slot();
    apply(&slot, &lease(5, 5, 1000), 0);
    assert_eq!(spend(&slot, 0), 5);
    let next = Lease {
        starts_in_ms: 1000,
        ..lease(6, 4, 1000 + DAY_MS)
    };
    assert_eq!(slot.apply(&next, 3, 8), Applied::Added(4));
    let start = 1000 * MS + 8;
    assert_eq!(spend(&slot, start - 1), 0);
    assert_eq!(
        slot.known(start - 1),
        None,
        "it is not known which one runs"
    );
    assert_eq!(slot.known(start).expect("runs").remaining, 1000);
    assert_eq!(spend(&slot, start), 4);
    assert_eq!(slot.known(start).expect("runs").remaining, 996);
}

#[test]
fn units_never_cross_periods() {
    let slot = slot();
    apply(&slot, &lease(5, 10, 1000), 0);
    write(&slot, 0);
    let old = take(&slot, 0);
    for start in 6..10 {
        let now = (start as u64 - 5) * 1000 * MS;
        assert_eq!(apply(&slot, &lease(start, 2, 1000), now), Applied::Added(2));
        if start == 7 {
            // Its lane has another period now.
            let Unit(Source::Leased(tag)) = &old else {
                panic!("it was leased");
            };
            slot.give_back(Unit(Source::Leased(*tag)));
        }
        assert_eq!(spend(&slot, now), 2, "period {start}");
        if start >= 7 {
            assert_eq!(slot.apply(&lease(5, 20, 1000), 0, now), Applied::Over);
        }
    }
}

#[test]
fn what_was_used_up_is_not_asked_for_again_at_once() {
    let slot = slot();
    apply(&slot, &lease(5, 1, DAY_MS), 0);
    assert_eq!(spend(&slot, 0), 1);
    let exhausted = Lease {
        available: 0,
        outcome: Outcome::Exhausted.into(),
        ..lease(5, 1, DAY_MS)
    };
    for wait_s in [1, 2, 4, 8, 16, 32, 32] {
        assert_eq!(apply(&slot, &exhausted, 0), Applied::Exhausted);
        let at = wait_s * SECOND_NS;
        assert_eq!(slot.take(at - 1), QuotaTake::Exhausted);
        assert!(slot.items_to_ask(at - 1).is_empty());
        assert_eq!(slot.take(at), QuotaTake::Empty);
    }
    assert_eq!(slot.items_to_ask(32 * SECOND_NS).len(), 1);
    apply(&slot, &exhausted, 0);
    slot.set_terms(Some((PlanId(uuid::Uuid::from_u128(1)), 2)), 1);
    assert_eq!(slot.take(1), QuotaTake::Empty);
    assert_eq!(apply(&slot, &lease(5, 3, DAY_MS), 1), Applied::Added(2));
    assert_eq!(spend(&slot, 1), 2);
}

#[test]
fn exhaustion_ends_with_its_period() {
    let slot = slot();
    let exhausted = Lease {
        outcome: Outcome::Exhausted.into(),
        ..lease(5, 0, 100)
    };
    assert_eq!(apply(&slot, &exhausted, 0), Applied::Exhausted);
    assert_eq!(slot.take(100 * MS - 1), QuotaTake::Exhausted);
    assert_eq!(slot.take(100 * MS), QuotaTake::Empty);
}

#[test]
fn without_a_quota_the_store_is_asked_seldom() {
    let slot = slot();
    let none = Lease {
        outcome: Outcome::NoQuota.into(),
        ..Lease::default()
    };
    assert_eq!(apply(&slot, &none, 0), Applied::NoQuota);
    assert_eq!(slot.take(SECOND_NS - 1), QuotaTake::Exhausted);
    assert_eq!(slot.take(SECOND_NS), QuotaTake::Empty);
}

#[test]
fn what_is_taken_back_is_told_only_once_it_left_the_file() {
    let slot = slot();
    apply(&slot, &lease(5, 10, DAY_MS), 0);
    write(&slot, 0);
    take(&slot, 0);
    // A write that began before must not release what was taken back meanwhile.
    slot.set_aside(0);
    let (_, before) = slot.draft(0);
    assert_eq!(slot.take_back_all(), 9);
    slot.written(&before);
    assert_eq!(slot.take(0), QuotaTake::Empty);
    let told = |slot: &QuotaSlot| {
        let items = slot.items_to_ask(0);
        slot.ask_failed();
        items.first().map_or(0, |item| item.returned_total)
    };
    assert_eq!(told(&slot), 0);
    let (held, mark) = slot.draft(0);
    assert_eq!(held, []);
    slot.written(&mark);
    assert_eq!(told(&slot), 9);
    assert!(slot.is_returning(0));
    let acknowledged = Lease {
        returned_total: 9,
        ..lease(5, 10, DAY_MS)
    };
    apply(&slot, &acknowledged, 0);
    assert!(!slot.is_returning(0));
}

#[test]
fn the_next_process_spends_what_the_file_held() {
    let first = slot();
    apply(&first, &lease(5, 10, DAY_MS), 0);
    let held = write(&first, 0);
    assert_eq!(held.len(), 1);
    let second = slot();
    second.restore(held[0], 0);
    assert_eq!(second.known(0).expect("runs").limit, 1000);
    assert_eq!(spend(&second, 0), 9);
    // It is another incarnation: its totals begin at zero.
    second.take(0);
    let items = second.items_to_ask(0);
    assert_eq!((items[0].period_start_ms, items[0].granted_total), (5, 0));
    assert_eq!(apply(&second, &lease(5, 4, DAY_MS), 0), Applied::Added(4));
    let third = slot();
    third.restore(held[0], held[0].ends_at_ns);
    assert_eq!(third.known(0), None, "the period is over");
}

#[test]
fn about_a_second_of_demand_is_in_memory() {
    let slot = slot();
    let mut granted = lease(5, 900_000, DAY_MS);
    granted.available = 100_000;
    apply(&slot, &granted, 0);
    for second in 0..60 {
        let now = second * SECOND_NS;
        slot.items_to_ask(now);
        for _ in 0..50 {
            write(&slot, now);
            take(&slot, now);
        }
    }
    let now = 60 * SECOND_NS;
    slot.items_to_ask(now);
    let held: u64 = write(&slot, now).iter().map(|held| held.units).sum();
    assert_eq!(held, 900_000 - 60 * 50 - 50);
}

#[test]
fn a_slab_lasts_ten_minutes_and_shrinks_near_the_end() {
    let slot = slot();
    let mut granted = lease(5, 2000, DAY_MS);
    granted.available = 1_000_000;
    apply(&slot, &granted, 0);
    for second in 0..=100 {
        let now = second * SECOND_NS;
        slot.items_to_ask(now);
        slot.ask_failed();
        if second < 100 {
            (0..10).for_each(|_| {
                write(&slot, now);
                take(&slot, now);
            });
        }
    }
    let now = 106 * SECOND_NS;
    let wanted = |slot: &QuotaSlot, now| {
        let items = slot.items_to_ask(now);
        slot.ask_failed();
        items.first().map_or(0, |item| item.wanted)
    };
    let slab = wanted(&slot, now);
    assert!((4500..=5000).contains(&slab), "{slab} beside 1000 left");
    granted.available = 30;
    apply(&slot, &granted, now);
    assert_eq!(
        wanted(&slot, now + 6 * SECOND_NS),
        8,
        "a quarter of what is left"
    );
}

#[test]
fn the_next_period_is_asked_for_some_minutes_ahead() {
    let slot = slot();
    apply(&slot, &lease(5, 100, DAY_MS), 0);
    for second in 0..5 {
        slot.items_to_ask(second * SECOND_NS);
        write(&slot, second * SECOND_NS);
        take(&slot, second * SECOND_NS);
    }
    slot.ask_failed();
    let asks = |at_ms: u64| {
        let items = slot.items_to_ask(at_ms * MS);
        slot.ask_failed();
        items.iter().any(|item| item.is_for_next_period)
    };
    assert!(!asks(10_000));
    // The demand is long forgotten by then: nothing is fetched for a tenant that sleeps.
    assert!(!asks(DAY_MS - 60_000));
    for second in 0..5 {
        let now = (DAY_MS - 50_000) * MS + second * SECOND_NS;
        write(&slot, now);
        take(&slot, now);
        slot.items_to_ask(now + SECOND_NS);
        slot.ask_failed();
    }
    assert!(asks(DAY_MS - 40_000));
}

#[test]
fn what_is_held_idle_goes_back() {
    let slot = slot();
    apply(&slot, &lease(5, 100, DAY_MS), 0);
    slot.items_to_ask(0);
    assert_eq!(slot.take_back_idle(599 * SECOND_NS), 0);
    assert_eq!(slot.take_back_idle(600 * SECOND_NS), 100);
    let (held, mark) = slot.draft(600 * SECOND_NS);
    assert_eq!(held, []);
    slot.written(&mark);
    slot.ask_failed();
    assert_eq!(slot.items_to_ask(601 * SECOND_NS)[0].returned_total, 100);
}

#[test]
fn senseless_totals_do_no_harm() {
    let slot = slot();
    let mut senseless = lease(5, 1000, u64::MAX);
    senseless.granted_total = u64::MAX;
    senseless.available = u64::MAX;
    senseless.returned_total = u64::MAX;
    slot.restore(
        Held {
            period_start_ms: 5,
            units: u64::MAX,
            limit: u64::MAX,
            starts_at_ns: 0,
            ends_at_ns: u64::MAX,
        },
        0,
    );
    apply(&slot, &senseless, 0);
    write(&slot, 0);
    take(&slot, 0);
    slot.items_to_ask(SECOND_NS);
    assert!(slot.take_back_all() > u64::MAX / 2);
    let (_, mark) = slot.draft(SECOND_NS);
    slot.written(&mark);
    assert_eq!(slot.take(SECOND_NS), QuotaTake::Empty);
}

#[test]
fn units_of_an_earlier_process_are_kept_and_not_returned() {
    let slot = slot();
    slot.restore(
        Held {
            period_start_ms: 1,
            units: 30,
            limit: 1000,
            starts_at_ns: 0,
            ends_at_ns: 100 * SECOND_NS,
        },
        0,
    );
    apply(&slot, &lease(1, 5, 100_000), 0);
    assert_eq!(slot.take_back_all(), 5, "as many as this one was granted");
    let (held, mark) = slot.draft(SECOND_NS);
    slot.written(&mark);
    assert_eq!(held.iter().map(|held| held.units).sum::<u64>(), 30);
    apply(
        &slot,
        &Lease {
            returned_total: 5,
            ..lease(1, 5, 100_000)
        },
        SECOND_NS,
    );
    assert!(!slot.is_returning(2 * SECOND_NS));
    assert_eq!(slot.take_back_all(), 0);
}

fn terms(version: u32) -> Option<Terms> {
    Some((PlanId(uuid::Uuid::from_u128(1)), version))
}

#[test]
fn a_lowered_limit_recalls_what_is_held_and_nothing_is_spent_meanwhile() {
    let slot = slot();
    slot.set_terms(terms(1), 0);
    apply(&slot, &lease(5, 100, DAY_MS), 0);
    write(&slot, 0);
    take(&slot, 0);
    slot.set_terms(terms(2), 1);
    let items = slot.items_to_ask(1);
    assert_eq!((items.len(), items[0].wanted), (1, 0), "only to hear");
    let lowered = Lease {
        limit: 40,
        available: 0,
        excess: 60,
        ..lease(5, 100, DAY_MS)
    };
    apply(&slot, &lowered, 1);
    assert_eq!(slot.take(1), QuotaTake::Empty);
    assert_eq!(write(&slot, 1), [], "the file first");
    let items = slot.items_to_ask(1);
    assert_eq!((items[0].returned_total, items[0].wanted), (99, 1));
    let anew = Lease {
        limit: 40,
        available: 38,
        returned_total: 99,
        ..lease(5, 101, DAY_MS)
    };
    assert_eq!(apply(&slot, &anew, 1), Applied::Added(1));
    let known = slot.known(1).expect("runs");
    assert_eq!((known.limit, known.remaining), (40, 39));
    assert_eq!(spend(&slot, 1), 1);
}

#[test]
fn a_limit_that_covers_what_is_out_recalls_nothing() {
    let slot = slot();
    slot.set_terms(terms(1), 0);
    apply(&slot, &lease(5, 100, DAY_MS), 0);
    slot.set_terms(terms(2), 1);
    slot.set_terms(terms(2), 2);
    assert_eq!(slot.items_to_ask(1).len(), 1);
    apply(&slot, &lease(5, 100, DAY_MS), 1);
    assert!(slot.items_to_ask(2).is_empty(), "heard once");
    assert_eq!(spend(&slot, 2), 100);
}

#[test]
fn a_raised_limit_ends_exhaustion_at_once() {
    let slot = slot();
    slot.set_terms(terms(1), 0);
    let exhausted = Lease {
        available: 0,
        outcome: Outcome::Exhausted.into(),
        ..lease(5, 0, DAY_MS)
    };
    for _ in 0..6 {
        apply(&slot, &exhausted, 0);
    }
    assert_eq!(slot.take(30 * SECOND_NS), QuotaTake::Exhausted);
    slot.set_terms(terms(2), 10);
    assert_eq!(slot.take(10), QuotaTake::Empty);
    assert_eq!(slot.items_to_ask(10)[0].wanted, 1);
}

#[test]
fn a_period_that_is_not_counted_any_more_goes_back_and_is_remembered() {
    let slot = slot();
    slot.set_terms(terms(1), 0);
    apply(&slot, &lease(5, 10, DAY_MS), 0);
    write(&slot, 0);
    take(&slot, 0);
    slot.set_terms(terms(2), 1);
    let over = |returned_total| Lease {
        returned_total,
        outcome: Outcome::PeriodOver.into(),
        ..lease(5, 10, 0)
    };
    assert_eq!(slot.items_to_ask(1).len(), 1);
    assert_eq!(apply(&slot, &over(0), 1), Applied::Over);
    assert_eq!(slot.take(1), QuotaTake::Empty);
    write(&slot, 1);
    assert_eq!(slot.items_to_ask(1)[0].returned_total, 9);
    assert_eq!(apply(&slot, &over(9), 1), Applied::Over);
    assert_eq!(slot.known(1), None);
    assert_eq!(slot.items_to_ask(1)[0].period_start_ms, 0, "the new one");
    // The tenant comes back to a plan of the first period: what it had of it is not new.
    let again = Lease {
        returned_total: 9,
        ..lease(5, 13, DAY_MS)
    };
    assert_eq!(apply(&slot, &again, 2), Applied::Added(3));
    assert_eq!(spend(&slot, 2), 3);
}

#[test]
fn a_store_whose_clock_goes_back_over_a_boundary_grants_nothing_twice() {
    let slot = slot();
    apply(&slot, &lease(5, 10, 1000), 0);
    assert_eq!(spend(&slot, 0), 10);
    let now = 1000 * MS;
    assert_eq!(apply(&slot, &lease(6, 4, 1000), now), Applied::Added(4));
    let later = 2000 * MS;
    assert_eq!(apply(&slot, &lease(7, 4, 1000), later), Applied::Added(4));
    assert_eq!(apply(&slot, &lease(5, 10, 1000), later), Applied::Added(0));
    assert_eq!(spend(&slot, later), 4, "of the seventh alone");
}

const PACE: Pace = Pace {
    limit: 8_640,
    period_ns: DAY_MS * MS,
};

#[test]
fn a_share_is_the_even_pace_since_the_store_went_away_divided_by_the_nodes() {
    let slot = slot();
    let taken = |at_s: u64| {
        let now = at_s * SECOND_NS;
        std::iter::from_fn(|| slot.take_share(PACE, now)).count()
    };
    assert_eq!(taken(50), 0, "it is not away");
    slot.note_away(100 * SECOND_NS, 0);
    assert_eq!(
        taken(1_000),
        0,
        "no store has said how many nodes there are"
    );
    slot.note_away(100 * SECOND_NS, 2);
    assert_eq!(taken(119), 0);
    assert_eq!(taken(120), 1, "one in twenty seconds, of one in ten");
    assert_eq!(taken(1_100), 49);
    slot.note_back();
    assert_eq!(taken(2_000), 0);
    slot.note_away(2_000 * SECOND_NS, 1);
    assert_eq!(taken(2_010), 1, "another outage");
}

#[test]
fn what_was_admitted_beyond_the_leases_is_told_to_the_store() {
    let slot = slot();
    apply(&slot, &lease(5, 10, DAY_MS), 0);
    slot.note_away(0, 1);
    for _ in 0..3 {
        slot.take_share(PACE, 100 * SECOND_NS).expect("of ten");
    }
    slot.give_back(slot.take_beyond());
    write(&slot, 100 * SECOND_NS);
    let items = slot.items_to_ask(100 * SECOND_NS);
    assert_eq!(items[0].granted_total, 13);
    apply(&slot, &lease(5, 13, DAY_MS), 100 * SECOND_NS);
    assert!(slot.items_to_ask(101 * SECOND_NS).is_empty(), "once");
    assert_eq!(spend(&slot, 101 * SECOND_NS), 10);
}
