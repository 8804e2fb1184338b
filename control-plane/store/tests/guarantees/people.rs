//! Members, sessions, codes, tokens, mail, repeated creations.

use std::collections::HashMap;

use domain::conflict::Conflict;
use domain::email::{CodePurpose, Email};
use domain::id::{MemberId, TenantId};
use domain::member::{Attributes, MemberStatus, Standing};
use domain::personal_token::{PlainToken, TokenName};
use domain::role::{PlatformRole, Role};
use store::idempotency::{self, Claim, KeyOf};
use store::personal_tokens::{self, NewPersonalToken};
use store::revocations::{self, Owner, Single, TokenOf};
use store::sessions::{Sessions, USER_KEY};
use store::testing::World;
use store::users::{self, CodeFor};
use store::{Error, audit, members, outbox};
use time::Duration;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use uuid::Uuid;

/// How an owner ceases to be one who can come in.
#[derive(Debug, Clone, Copy)]
enum Exit {
    StepDown,
    Disabled,
    Removed,
}

impl Exit {
    async fn take(self, db: store::Db, tenant: TenantId, member: MemberId) -> store::Result<()> {
        let mut tx = db.tenant_tx(tenant).await?;
        let (role, status) = match self {
            Exit::StepDown => (Role::Admin, MemberStatus::Active),
            Exit::Disabled => (Role::Owner, MemberStatus::Disabled),
            Exit::Removed => {
                let now = super::now();
                let held = members::hold(&mut tx, (tenant, member), None, None, now).await?;
                members::delete(&mut tx, held, now).await?;
                return tx.commit().await;
            }
        };
        let (to, now) = (Standing { role, status }, super::now());
        let held = members::hold(&mut tx, (tenant, member), Some(to), None, now).await?;
        members::update(&mut tx, held, &Attributes::default(), now).await?;
        tx.commit().await
    }
}

#[tokio::test]
async fn of_two_owners_who_go_at_once_one_stays_whatever_way_they_go() {
    use Exit::{Disabled, Removed, StepDown};
    let world = World::new().await;
    for (one, two) in [
        (StepDown, StepDown),
        (Disabled, Disabled),
        (Removed, Removed),
        (Removed, Disabled),
    ] {
        let tenant = world.tenant("t").await;
        let (first, _) = world.member(tenant, Role::Owner).await;
        let (second, _) = world.member(tenant, Role::Owner).await;
        let (first, second) = tokio::join!(
            one.take(world.db.clone(), tenant, first),
            two.take(world.db.clone(), tenant, second)
        );
        let stayed = [first, second]
            .into_iter()
            .filter(|result| matches!(result, Err(Error::Conflict(Conflict::LastOwner))))
            .count();
        assert_eq!(stayed, 1, "{one:?} {two:?}");
        let mut tx = world.db.tenant_tx(tenant).await.unwrap();
        let left = members::list(&mut tx, tenant, None, 10).await.unwrap();
        let owner = Standing {
            role: Role::Owner,
            status: MemberStatus::Active,
        };
        let owners = left.iter().filter(|member| member.standing == owner);
        assert_eq!(owners.count(), 1, "{one:?} {two:?}");
    }
}

#[tokio::test]
async fn of_two_operators_who_disable_each_other_at_once_one_stays() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let (_, first) = world.member(tenant, Role::Viewer).await;
    let (_, second) = world.member(tenant, Role::Viewer).await;
    let mut tx = world.db.platform_tx().await.unwrap();
    for user in [first, second] {
        let role = Some(PlatformRole::Operator);
        users::set_platform_role(&mut tx, user, role).await.unwrap();
    }
    tx.commit().await.unwrap();
    let disable = async |user| {
        let mut tx = world.db.platform_tx().await?;
        users::disable(&mut tx, user, super::now()).await?;
        tx.commit().await
    };
    let (one, two) = tokio::join!(disable(first), disable(second));
    let stayed = [one, two]
        .into_iter()
        .filter(|result| matches!(result, Err(Error::Conflict(Conflict::LastOperator))))
        .count();
    assert_eq!(stayed, 1);
}

#[tokio::test]
async fn a_session_is_found_by_its_id_and_ends_with_the_password() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let (_, user) = world.member(tenant, Role::Owner).await;
    let sessions = Sessions::new(world.db.clone());
    let mut record = Record {
        id: Id(-5),
        data: HashMap::from([(USER_KEY.to_owned(), user.to_string().into())]),
        expiry_date: super::now() + Duration::HOUR,
    };
    sessions.create(&mut record).await.unwrap();
    let found = sessions.load(&record.id).await.unwrap().unwrap();
    assert_eq!(found.data, record.data);
    assert!(sessions.load(&Id(6)).await.unwrap().is_none());

    let mut tx = world.db.platform_tx().await.unwrap();
    users::set_password(&mut tx, user, Some("$argon2id$…"), super::now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(sessions.load(&record.id).await.unwrap().is_none());

    // Whoever has it in memory still does not bring it back.
    sessions.save(&record).await.unwrap();
    assert!(sessions.load(&record.id).await.unwrap().is_none());

    record.expiry_date = super::now() - Duration::SECOND;
    sessions.create(&mut record).await.unwrap();
    assert!(sessions.load(&record.id).await.unwrap().is_none());
    assert_eq!(sessions.delete_expired(10).await.unwrap(), 1);
}

#[tokio::test]
async fn every_guess_at_a_mailed_code_is_counted_and_a_new_code_starts_anew() {
    let world = World::new().await;
    let email = Email::parse("ada@example.com").unwrap();
    let code = CodeFor {
        email: &email,
        purpose: CodePurpose::SignUp,
    };
    let details = serde_json::json!({"tenant_name": "Acme"});
    let expires_at = super::now() + Duration::HOUR;
    let mut tx = world.db.platform_tx().await.unwrap();
    assert!(users::try_code(&mut tx, code).await.unwrap().is_none());
    for _ in 0..2 {
        users::replace_code(&mut tx, code, &[1; 32], &details, expires_at)
            .await
            .unwrap();
        for attempt in 1..=2 {
            let tried = users::try_code(&mut tx, code).await.unwrap().unwrap();
            assert_eq!((tried.attempts, &tried.details), (attempt, &details));
        }
    }
    users::delete_code(&mut tx, code).await.unwrap();
    assert!(users::find_code(&mut tx, code).await.unwrap().is_none());
}

#[tokio::test]
async fn a_personal_token_works_until_it_expires_or_is_revoked() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let (_, user) = world.member(tenant, Role::Owner).await;
    let now = super::now();
    let plain = PlainToken::mint(&[5; 32]);
    let token = NewPersonalToken {
        id: super::id(),
        user_id: user,
        name: &TokenName::parse("ci").unwrap(),
        hash: plain.hash(),
        scopes: &["api_keys.list".to_owned()],
        expires_at: now + Duration::HOUR,
    };
    let mut tx = world.db.platform_tx().await.unwrap();
    personal_tokens::insert(&mut tx, &token).await.unwrap();
    let found = personal_tokens::find_working(&mut tx, &plain.hash(), now)
        .await
        .unwrap();
    assert_eq!(found.unwrap().user_id, user);
    let listed = personal_tokens::list(&mut tx, user, 10).await.unwrap();
    assert!(listed[0].last_used_at.is_some());
    let late = now + Duration::HOUR;
    assert!(
        personal_tokens::find_working(&mut tx, &plain.hash(), late)
            .await
            .unwrap()
            .is_none()
    );
    personal_tokens::revoke(&mut tx, user, token.id, now)
        .await
        .unwrap();
    assert!(
        personal_tokens::find_working(&mut tx, &plain.hash(), now)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_repeated_creation_gets_the_first_answer() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant("t").await, world.tenant("o").await);
    let key = |tenant| KeyOf {
        principal: "usr_1",
        tenant_id: Some(tenant),
        key: "k",
    };
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    assert_eq!(
        idempotency::claim(&mut tx, key(tenant), &[1; 32])
            .await
            .unwrap(),
        Claim::New
    );
    idempotency::finish(&mut tx, key(tenant), 201, b"made")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let done = Claim::Done {
        status: 201,
        body: b"made".to_vec(),
    };
    assert_eq!(
        idempotency::claim(&mut tx, key(tenant), &[1; 32])
            .await
            .unwrap(),
        done
    );
    let changed = idempotency::claim(&mut tx, key(tenant), &[2; 32])
        .await
        .unwrap();
    assert_eq!(changed, Claim::OtherRequest);
    drop(tx);
    let mut tx = world.db.tenant_tx(other).await.unwrap();
    let elsewhere = idempotency::claim(&mut tx, key(other), &[1; 32])
        .await
        .unwrap();
    assert_eq!(elsewhere, Claim::OtherRequest);
}

#[tokio::test]
async fn a_mail_is_taken_by_one_sender_at_a_time() {
    let world = World::new().await;
    let now = super::now() + Duration::MINUTE;
    let mut tx = world.db.platform_tx().await.unwrap();
    let mail = outbox::NewMail {
        id: super::id(),
        tenant_id: None,
        recipient: "ada@example.com",
        subject: "code",
        body: "123456",
    };
    outbox::insert(&mut tx, &mail).await.unwrap();
    tx.commit().await.unwrap();
    let (mut a, mut b) = (
        world.db.platform_tx().await.unwrap(),
        world.db.platform_tx().await.unwrap(),
    );
    let lease = Duration::MINUTE;
    let taken = outbox::all_tenants_take_due(&mut a, now, lease, 10)
        .await
        .unwrap();
    assert_eq!(taken.len(), 1);
    assert!(
        outbox::all_tenants_take_due(&mut b, now, lease, 10)
            .await
            .unwrap()
            .is_empty()
    );
    a.commit().await.unwrap();
    assert!(
        outbox::all_tenants_take_due(&mut b, now, lease, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let later = now + lease;
    assert_eq!(
        outbox::all_tenants_take_due(&mut b, later, lease, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    outbox::all_tenants_note_sent(&mut b, mail.id, later)
        .await
        .unwrap();
    let listed = outbox::all_tenants_list(&mut b, None, 10).await.unwrap();
    assert_eq!((listed[0].attempts, listed[0].sent_at.is_some()), (2, true));
}

#[tokio::test]
async fn a_tenant_reads_its_own_events_and_the_platform_all() {
    use domain::audit::{Actor, Event};
    let world = World::new().await;
    let (mine, other) = (world.tenant("m").await, world.tenant("o").await);
    let event = |tenant_id| Event {
        id: super::id(),
        tenant_id,
        actor: Actor::system(),
        action: "tenant.rename".to_owned(),
        noun: "tenant".to_owned(),
        noun_id: None,
        noun_label: "x".to_owned(),
        before: Some(serde_json::json!({"name": "a"})),
        after: Some(serde_json::json!({"name": "b"})),
        request_id: None,
        at: time::OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap(),
    };
    let mut tx = world.db.tenant_tx(mine).await.unwrap();
    let own = event(Some(mine));
    audit::insert(&mut tx, &own).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.db.tenant_tx(mine).await.unwrap();
    assert!(audit::insert(&mut tx, &event(Some(other))).await.is_err());
    drop(tx);
    let mut tx = world.db.platform_tx().await.unwrap();
    audit::insert(&mut tx, &event(None)).await.unwrap();
    let filter = audit::Filter::default();
    let all = audit::all_tenants_list(&mut tx, &filter, None, 10)
        .await
        .unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(
        audit::list(&mut tx, mine, &filter, None, 10).await.unwrap(),
        [own]
    );
}

#[tokio::test]
async fn too_many_single_revocations_of_a_tenant_fold_into_those_of_its_people() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let other = world.tenant("other").await;
    let (_, busy) = world.member(tenant, Role::User).await;
    let (_, quiet) = world.member(tenant, Role::User).await;
    let client = Uuid::now_v7().into();
    let now = super::now();
    let token = |user, tenant, minutes: i64| TokenOf {
        jti: Uuid::now_v7(),
        grant: Uuid::now_v7(),
        tenant,
        client,
        user: Some(user),
        issued_at_s: (now - Duration::minutes(minutes)).unix_timestamp(),
    };
    let mut tx = world.db.platform_tx().await.unwrap();
    let mut revoked = Vec::new();
    for user in [quiet, busy, busy, busy] {
        let one = token(user, tenant, 2);
        let owner = Owner::Person(user);
        let single = Single::token(one.jti, tenant, owner, now - Duration::MINUTE);
        revocations::insert_single(&mut tx, &single, 4)
            .await
            .unwrap();
        revoked.push(one);
    }
    let elsewhere = token(busy, other, 2);
    let single = Single::token(elsewhere.jti, other, Owner::Person(busy), now);
    revocations::insert_single(&mut tx, &single, 4)
        .await
        .unwrap();
    let bystander = token(busy, tenant, 2);
    assert!(!revocations::covers(&mut tx, &bystander).await.unwrap());

    // The fifth is one too many: all of the busy one's become one.
    let one = token(busy, tenant, 2);
    let single = Single::grant(one.grant, tenant, busy, now);
    revocations::insert_single(&mut tx, &single, 4)
        .await
        .unwrap();
    revoked.push(one);
    for one in &revoked {
        assert!(revocations::covers(&mut tx, one).await.unwrap());
    }
    assert!(revocations::covers(&mut tx, &bystander).await.unwrap());
    for free in [
        token(busy, tenant, -1),
        token(quiet, tenant, 2),
        token(busy, other, 2),
    ] {
        assert!(!revocations::covers(&mut tx, &free).await.unwrap());
    }
    // There is room again, and none is kept twice.
    let own = Owner::Client(client);
    for _ in 0..4 {
        let single = Single::token(Uuid::now_v7(), tenant, own, now);
        revocations::insert_single(&mut tx, &single, 4)
            .await
            .unwrap();
    }
    let machine = TokenOf {
        user: None,
        ..token(quiet, tenant, 2)
    };
    assert!(revocations::covers(&mut tx, &machine).await.unwrap());
    assert!(revocations::covers(&mut tx, &revoked[0]).await.unwrap());
    tx.commit().await.unwrap();
}
