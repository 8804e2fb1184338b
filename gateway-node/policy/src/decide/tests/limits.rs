//! Concurrency, rates, quotas: what is taken, given back and refused.

use super::*;

#[test]
fn burst_then_429_then_again_as_tokens_grow() {
    let world = World::new();
    let snapshot = world.snapshot();
    let at = |ms: u64| Now {
        mono_ns: NOW.mono_ns + ms * 1_000_000,
        ..NOW
    };
    let ask = Ask::order(&world);
    for _ in 0..2 {
        match decide_at(&snapshot, &ask, at(0)) {
            Decision::Forward(permit) => permit.settle(Outcome::Completed { status: 200 }),
            other => panic!("{other:?}"),
        }
    }
    match decide_at(&snapshot, &ask, at(999)) {
        Decision::Refuse(refusal) => {
            assert_eq!(refusal.code, RefusalCode::RateExceeded);
            assert_eq!(refusal.retry_after_s, Some(1));
            assert!(refusal.tenant_id.is_some() && refusal.key_id.is_some());
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        decide_at(&snapshot, &ask, at(1_000)),
        Decision::Forward(_)
    ));
}

#[test]
fn a_dropped_or_unreached_permit_gives_its_tokens_back() {
    let world = World::new();
    let snapshot = world.snapshot();
    for _ in 0..5 {
        match decide_at(&snapshot, &Ask::order(&world), NOW) {
            Decision::Forward(permit) => drop(permit),
            other => panic!("{other:?}"),
        }
        match decide_at(&snapshot, &Ask::order(&world), NOW) {
            Decision::Forward(permit) => permit.settle(Outcome::NotReached),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn concurrency_counts_what_is_in_flight() {
    let mut world = World::new();
    world.plan.rate = None;
    world.plan.concurrency = Some(1);
    let snapshot = world.snapshot();
    let Decision::Forward(first) = decide_at(&snapshot, &Ask::order(&world), NOW) else {
        panic!("nothing is in flight");
    };
    check_refused(
        &decide_at(&snapshot, &Ask::order(&world), NOW),
        RefusalCode::ConcurrencyExceeded,
    );
    first.settle(Outcome::Aborted);
    assert!(matches!(
        decide_at(&snapshot, &Ask::order(&world), NOW),
        Decision::Forward(_)
    ));
}

#[test]
fn counters_are_carried_over_to_the_next_snapshot() {
    let mut world = World::new();
    let registry = Registry::default();
    let first = world.compile(&registry, None);
    for _ in 0..2 {
        match decide_at(&first, &Ask::order(&world), NOW) {
            Decision::Forward(permit) => permit.settle(Outcome::Completed { status: 200 }),
            other => panic!("{other:?}"),
        }
    }
    world.tenant.subscriptions[0].api_ids.push(id(12));
    let second = world.compile(&registry, Some(&first));
    check_refused(
        &decide_at(&second, &Ask::order(&world), NOW),
        RefusalCode::RateExceeded,
    );
}

fn granted(granted_total: u64, outcome: LeaseOutcome) -> Lease {
    Lease {
        tenant_id: id(51),
        group: "default".into(),
        period_start_ms: 0,
        granted_total,
        returned_total: 0,
        limit: 2,
        available: 2 - granted_total,
        starts_in_ms: 0,
        ends_in_ms: 60_000,
        outcome: outcome as i32,
        excess: 0,
    }
}

/// What the lease task does with an answer, without the file.
fn lease_arrives(slot: &QuotaSlot, lease: &Lease) {
    slot.items_to_ask(NOW.mono_ns);
    slot.apply(lease, NOW.mono_ns, NOW.mono_ns);
    slot.set_aside(NOW.mono_ns);
    let (_, mark) = slot.draft(NOW.mono_ns);
    slot.written(&mark);
}

#[test]
fn an_empty_balance_asks_and_the_answer_decides() {
    let world = World::new().quota(2, OnStoreDown::Refuse);
    let snapshot = world.snapshot();
    let Decision::Ask(Question::Lease { slot, wait }, pending) =
        decide_at(&snapshot, &Ask::order(&world), NOW)
    else {
        panic!("the balance is empty");
    };
    assert_eq!(
        wait,
        Duration::from_secs(1),
        "the first lease of the period"
    );
    lease_arrives(&slot, &granted(1, LeaseOutcome::Granted));
    match resume(pending, Fact::LeaseArrived, NOW) {
        Decision::Forward(permit) => permit.settle(Outcome::Completed { status: 200 }),
        other => panic!("{other:?}"),
    }
    let Decision::Ask(Question::Lease { wait, .. }, pending) =
        decide_at(&snapshot, &Ask::order(&world), NOW)
    else {
        panic!("the balance is empty again");
    };
    assert_eq!(wait, Duration::from_secs(1), "the plan refuses without");
    let Decision::Ask(Question::Lease { .. }, pending) = resume(pending, Fact::LeaseArrived, NOW)
    else {
        panic!("others have taken what came");
    };
    match resume(pending, Fact::LeaseExhausted, NOW) {
        Decision::Refuse(refusal) => {
            assert_eq!(refusal.code, RefusalCode::QuotaExceeded);
            assert_eq!(refusal.retry_after_s, Some(60));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_that_goes_on_without_its_store_waits_shortly() {
    let world = World::new().quota(2, OnStoreDown::LocalShare);
    let snapshot = world.snapshot();
    let Decision::Ask(Question::Lease { slot, .. }, pending) =
        decide_at(&snapshot, &Ask::order(&world), NOW)
    else {
        panic!("the balance is empty");
    };
    lease_arrives(&slot, &granted(1, LeaseOutcome::Granted));
    match resume(pending, Fact::LeaseArrived, NOW) {
        Decision::Forward(permit) => permit.settle(Outcome::Completed { status: 200 }),
        other => panic!("{other:?}"),
    }
    let Decision::Ask(Question::Lease { wait, .. }, _) =
        decide_at(&snapshot, &Ask::order(&world), NOW)
    else {
        panic!("the balance is empty again");
    };
    assert_eq!(wait, Duration::from_millis(50));
}

#[test]
fn with_the_store_away_the_plan_decides() {
    for (setting, expected) in [
        (OnStoreDown::Refuse, Err(RefusalCode::LimitsUnavailable)),
        (OnStoreDown::LocalShare, Err(RefusalCode::LimitsUnavailable)),
        (OnStoreDown::Allow, Ok(())),
    ] {
        let world = World::new().quota(2, setting);
        let snapshot = world.snapshot();
        let Decision::Ask(_, pending) = decide_at(&snapshot, &Ask::order(&world), NOW) else {
            panic!("the balance is empty");
        };
        let found = match resume(pending, Fact::StoreAway, NOW) {
            Decision::Forward(_) => Ok(()),
            Decision::Refuse(refusal) => Err(refusal.code),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{setting:?}");
    }
}

#[test]
fn a_node_goes_on_within_its_share_while_the_store_is_away() {
    let world = World::new().quota(86_400, OnStoreDown::LocalShare);
    let snapshot = world.snapshot();
    let mut admitted = 0;
    for _ in 0..5 {
        let Decision::Ask(Question::Lease { slot, .. }, pending) =
            decide_at(&snapshot, &Ask::order(&world), NOW)
        else {
            panic!("the balance is empty");
        };
        // Two nodes, away for four seconds, one unit a second.
        slot.note_away(NOW.mono_ns - 4_000_000_000, 2);
        if let Decision::Forward(permit) = resume(pending, Fact::StoreAway, NOW) {
            permit.settle(Outcome::Completed { status: 200 });
            admitted += 1;
        }
    }
    assert_eq!(admitted, 2);
}

#[test]
fn the_wall_clock_moves_no_limit_and_only_keys_expire_by_it() {
    let mut world = World::new();
    world.key.expires_at_ms = Some(NOW.unix_ms + 1_000);
    let snapshot = world.snapshot();
    let ask = Ask::order(&world);
    let hours = 10 * 3_600_000;
    let at = |unix_ms| Now { unix_ms, ..NOW };
    for unix_ms in [NOW.unix_ms, NOW.unix_ms - hours] {
        match decide_at(&snapshot, &ask, at(unix_ms)) {
            Decision::Forward(permit) => permit.settle(Outcome::Completed { status: 200 }),
            other => panic!("{other:?}"),
        }
    }
    let back = decide_at(&snapshot, &ask, at(NOW.unix_ms - hours));
    check_refused(&back, RefusalCode::RateExceeded);
    let ahead = decide_at(&snapshot, &ask, at(NOW.unix_ms + hours));
    check_refused(&ahead, RefusalCode::ApiKeyExpired);
    // Nobody else's tokens grew meanwhile either.
    let back = decide_at(&snapshot, &ask, at(NOW.unix_ms));
    check_refused(&back, RefusalCode::RateExceeded);
}

#[test]
fn without_a_share_of_the_rate_one_is_asked_for_and_nothing_is_taken() {
    let world = World::new();
    let snapshot = world.snapshot();
    let ask = Ask::order(&world);
    let Decision::AskShare(question) = Core::default().decide(&snapshot, &ask, 0, NOW) else {
        panic!("a share is asked for");
    };
    assert_eq!(question.state.in_flight.count(), 0);
    // A share of nothing refuses, and says to come back soon.
    let share = &question.state.rate;
    share.grant(0, u64::MAX, Duration::ZERO, NOW.mono_ns);
    let Decision::Refuse(refusal) = Core::default().decide(&snapshot, &ask, 0, NOW) else {
        panic!("it is refused");
    };
    assert_eq!(refusal.code, RefusalCode::RateExceeded);
    assert_eq!(refusal.retry_after_s, Some(1));
}

#[test]
fn what_happens_when_no_share_can_be_had_is_the_plans_to_say() {
    for (on_store_down, is_admitted) in [
        (None, true),
        (Some(OnStoreDown::LocalShare), true),
        (Some(OnStoreDown::Allow), true),
        (Some(OnStoreDown::Refuse), false),
    ] {
        let mut world = World::new();
        world.plan.rate_on_store_down = on_store_down.map(|setting| setting as i32);
        let snapshot = world.snapshot();
        let ask = Ask::order(&world);
        let Decision::AskShare(question) = Core::default().decide(&snapshot, &ask, 0, NOW) else {
            panic!("a share is asked for");
        };
        question.state.rate.store_is_away(u64::MAX);
        match Core::default().decide(&snapshot, &ask, 0, NOW) {
            Decision::Forward(_) => assert!(is_admitted, "{on_store_down:?}"),
            Decision::Refuse(refusal) => {
                assert!(!is_admitted, "{on_store_down:?}");
                assert_eq!(refusal.code, RefusalCode::LimitsUnavailable);
            }
            other => panic!("{other:?}"),
        }
    }
}
