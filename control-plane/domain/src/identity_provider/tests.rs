//! Who comes in through whose provider.

use uuid::Uuid;

use super::*;

const USER: UserId = UserId(Uuid::from_u128(7));
const TENANT: TenantId = TenantId(Uuid::from_u128(9));

fn domain(text: &str) -> DomainName {
    DomainName::parse(text).expect("a domain")
}

fn provider(tenant: Option<TenantId>) -> IdentityProvider {
    IdentityProvider {
        id: ProviderId(Uuid::from_u128(1)),
        tenant_id: tenant,
        issuer: Issuer::parse("https://id.example").expect("an issuer"),
        terms: ProviderTerms {
            name: ProviderName::parse("Example").expect("a name"),
            client_id: "tollgate".to_owned(),
            scopes: vec!["email".to_owned()],
            name_claim: "name".to_owned(),
            groups_claim: String::new(),
            groups: BTreeMap::new(),
            domains: tenant.map(|_| domain("acme.example")).into_iter().collect(),
            links_by_address: false,
            makes_people: true,
            role: Role::User,
            is_enabled: true,
        },
        sealed_client_secret: None,
        edition: 1,
        created_at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn claims(address: &str, is_email_verified: bool) -> Claims {
    Claims {
        subject: "s".to_owned(),
        email: Email::parse(address).ok(),
        is_email_verified,
        name: String::new(),
        groups: Vec::new(),
        auth_time: None,
    }
}

fn account(email: &str) -> Account {
    Account {
        user: USER,
        email: email.to_owned(),
        is_confirmed: true,
        is_disabled: false,
        runs_platform: false,
        membership: None,
        is_in_other_tenants: false,
    }
}

fn known(linked: Option<Account>, addressed: Option<Account>) -> Known {
    Known {
        linked_by: LinkedBy::Provider,
        linked,
        addressed,
        proven: vec![domain("acme.example")],
    }
}

const ADA: &str = "ada@acme.example";
const EVE: &str = "eve@other.example";

#[test]
fn a_provider_of_the_platform_makes_people_and_links_those_it_is_trusted_for() {
    let plain = provider(None);
    let mut trusted = plain.clone();
    trusted.terms.links_by_address = true;
    let mut of_domain = plain.clone();
    of_domain.terms.domains = vec![domain("acme.example")];
    let mut closed = plain.clone();
    closed.terms.makes_people = false;
    let unconfirmed = Account {
        is_confirmed: false,
        ..account(ADA)
    };
    let is = |provider: &IdentityProvider, is_verified, linked, addressed, expected| {
        let found = decide(
            provider,
            &claims(ADA, is_verified),
            &known(linked, addressed),
        );
        assert_eq!(found, expected);
    };
    let there = || Some(account(ADA));
    is(&plain, true, None, None, Verdict::Make);
    is(
        &plain,
        false,
        None,
        None,
        Verdict::Refuse(Refused::Unverified),
    );
    is(
        &closed,
        true,
        None,
        None,
        Verdict::Refuse(Refused::NoAccount),
    );
    is(
        &plain,
        true,
        None,
        there(),
        Verdict::Refuse(Refused::ConnectFirst),
    );
    is(&trusted, true, None, there(), Verdict::Link(USER));
    is(&of_domain, true, None, there(), Verdict::Link(USER));
    is(
        &trusted,
        false,
        None,
        there(),
        Verdict::Refuse(Refused::Unverified),
    );
    is(
        &trusted,
        true,
        None,
        Some(unconfirmed),
        Verdict::Refuse(Refused::ConnectFirst),
    );
    is(
        &plain,
        false,
        Some(account(EVE)),
        None,
        Verdict::SignIn(USER),
    );
    let elsewhere = decide(
        &of_domain,
        &claims(EVE, true),
        &known(None, Some(account(EVE))),
    );
    assert_eq!(elsewhere, Verdict::Refuse(Refused::ConnectFirst));
}

#[test]
fn a_tenants_provider_counts_for_its_proven_domains_only() {
    let own = provider(Some(TENANT));
    let mut unproven = own.clone();
    unproven.terms.domains.push(domain("other.example"));
    let mut closed = own.clone();
    closed.terms.makes_people = false;
    let refused = |refused| Verdict::Refuse(refused);
    let member = |status| Account {
        membership: Some(status),
        ..account(ADA)
    };
    let operator = Account {
        runs_platform: true,
        ..member(MemberStatus::Active)
    };
    let elsewhere = Account {
        is_in_other_tenants: true,
        ..member(MemberStatus::Active)
    };
    for (provider, address, linked, addressed, expected) in [
        (&own, ADA, None, None, Verdict::Make),
        (&own, EVE, None, None, refused(Refused::Domain)),
        (&unproven, EVE, None, None, refused(Refused::Domain)),
        (
            &unproven,
            EVE,
            None,
            Some(account(EVE)),
            refused(Refused::Domain),
        ),
        // A link to an account of another domain opens nothing, whatever the token says.
        (
            &own,
            ADA,
            Some(account(EVE)),
            None,
            refused(Refused::Domain),
        ),
        (
            &own,
            EVE,
            Some(member(MemberStatus::Active)),
            None,
            refused(Refused::Domain),
        ),
        (
            &own,
            ADA,
            Some(member(MemberStatus::Active)),
            None,
            Verdict::SignIn(USER),
        ),
        (
            &own,
            ADA,
            Some(member(MemberStatus::Disabled)),
            None,
            refused(Refused::Disabled),
        ),
        (&own, ADA, None, Some(account(ADA)), Verdict::Link(USER)),
        (
            &closed,
            ADA,
            None,
            Some(account(ADA)),
            refused(Refused::NoMember),
        ),
        (
            &closed,
            ADA,
            None,
            Some(member(MemberStatus::Active)),
            Verdict::Link(USER),
        ),
        (&closed, ADA, None, None, refused(Refused::NoAccount)),
        (
            &own,
            ADA,
            None,
            Some(operator.clone()),
            refused(Refused::RunsPlatform),
        ),
        (
            &own,
            ADA,
            Some(operator),
            None,
            refused(Refused::RunsPlatform),
        ),
        (
            &own,
            ADA,
            None,
            Some(elsewhere.clone()),
            refused(Refused::ConnectFirst),
        ),
        // Linked by the address or made so, and in other tenants since; see the test at the end.
        (
            &own,
            ADA,
            Some(elsewhere),
            None,
            refused(Refused::ConnectFirst),
        ),
    ] {
        let found = decide(provider, &claims(address, true), &known(linked, addressed));
        assert_eq!(found, expected, "{address}");
    }
    let unverified = decide(&own, &claims(ADA, false), &known(Some(account(ADA)), None));
    assert_eq!(unverified, refused(Refused::Unverified));
}

#[test]
fn a_disabled_account_is_entered_through_no_provider() {
    let disabled = || {
        Some(Account {
            is_disabled: true,
            ..account(ADA)
        })
    };
    let mut trusted = provider(None);
    trusted.terms.links_by_address = true;
    for provider in [trusted, provider(Some(TENANT))] {
        for known in [known(disabled(), None), known(None, disabled())] {
            let found = decide(&provider, &claims(ADA, true), &known);
            assert_eq!(found, Verdict::Refuse(Refused::AccountDisabled));
        }
    }
}

#[test]
fn connecting_keeps_to_the_same_domains() {
    let (own, platform) = (provider(Some(TENANT)), provider(None));
    let known = known(None, None);
    let check = |provider, address, email| {
        may_connect(provider, &claims(address, true), &account(email), &known)
    };
    assert_eq!(check(&platform, EVE, ADA), Ok(()));
    assert_eq!(check(&own, ADA, ADA), Ok(()));
    assert_eq!(check(&own, EVE, ADA), Err(Refused::Domain));
    assert_eq!(check(&own, ADA, EVE), Err(Refused::Domain));
}

#[test]
fn an_issuer_is_https_or_on_this_machine() {
    for (raw, is_valid) in [
        ("https://accounts.google.com", true),
        ("https://id.example/realms/one/", true),
        ("http://127.0.0.1:3000", true),
        ("http://localhost:3000/oidc", true),
        ("http://id.example", false),
        ("http://localhost.evil.example", false),
        ("https://user@id.example", false),
        ("https://id.example?x=1", false),
        ("https://id.example#x", false),
        ("https://", false),
        ("id.example", false),
        ("", false),
    ] {
        assert_eq!(Issuer::parse(raw).is_ok(), is_valid, "{raw}");
    }
    let issuer = Issuer::parse("https://id.example/realms/one/").expect("an issuer");
    assert_eq!(
        issuer.discovery_url(),
        "https://id.example/realms/one/.well-known/openid-configuration"
    );
}

#[test]
fn terms_give_nobody_power_over_others() {
    let check = |tenant: Option<TenantId>, change: fn(&mut ProviderTerms)| {
        let mut terms = provider(tenant).terms;
        change(&mut terms);
        terms
            .check(tenant)
            .err()
            .map(|errors| errors[0].field.to_string())
    };
    let fails = |field: &str| Some(field.to_owned());
    assert_eq!(check(Some(TENANT), |_| {}), None);
    assert_eq!(check(None, |_| {}), None);
    assert_eq!(
        check(Some(TENANT), |terms| terms.role = Role::Developer),
        None
    );
    assert_eq!(
        check(Some(TENANT), |terms| terms.role = Role::Admin),
        fails("role")
    );
    assert_eq!(
        check(Some(TENANT), |terms| terms.role = Role::Owner),
        fails("role")
    );
    assert_eq!(
        check(None, |terms| terms.role = Role::Viewer),
        fails("role")
    );
    let links = |terms: &mut ProviderTerms| terms.links_by_address = true;
    assert_eq!(check(Some(TENANT), links), fails("links_by_address"));
    assert_eq!(check(None, links), None);
    assert_eq!(
        check(None, |terms| terms.client_id.clear()),
        fails("client_id")
    );
    assert_eq!(
        check(None, |terms| terms.scopes.push("a b".to_owned())),
        fails("scopes")
    );
}

#[test]
fn a_tenants_provider_opens_no_account_that_came_to_other_tenants_unless_its_person_connected_it() {
    let provider = provider(Some(TENANT));
    let claims = claims(ADA, true);
    for (by, expected) in [
        (LinkedBy::Provider, Verdict::Refuse(Refused::ConnectFirst)),
        (LinkedBy::Person, Verdict::SignIn(USER)),
    ] {
        let mut elsewhere = account(ADA);
        elsewhere.is_in_other_tenants = true;
        let mut known = known(Some(elsewhere), None);
        known.linked_by = by;
        assert_eq!(decide(&provider, &claims, &known), expected, "{by:?}");
    }
}
