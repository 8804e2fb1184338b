//! Ids of whatever an event is about: events keep the noun beside the bare UUID.

use domain::id::{
    ApiId, ApiKeyId, ClientId, EnrolTokenId, GroupId, InvitationId, MemberId, NodeId, PlanId,
    RouteId, SubscriptionId, TenantId, UpstreamId, UserId,
};
use uuid::Uuid;

/// The id as people and programs know it. A noun without ids of its own shows the UUID.
pub(crate) fn shown(noun: &str, id: Uuid) -> String {
    match noun {
        "api" => ApiId(id).to_string(),
        "api_key" | "personal_token" => ApiKeyId(id).to_string(),
        "enroll_token" => EnrolTokenId(id).to_string(),
        "group" => GroupId(id).to_string(),
        "invitation" => InvitationId(id).to_string(),
        "member" => MemberId(id).to_string(),
        "node" => NodeId(id).to_string(),
        "plan" => PlanId(id).to_string(),
        "route" => RouteId(id).to_string(),
        "subscription" | "plan_request" => SubscriptionId(id).to_string(),
        "tenant" | "branding" => TenantId(id).to_string(),
        "upstream" => UpstreamId(id).to_string(),
        "user" => UserId(id).to_string(),
        "oauth_client" => ClientId(id).to_string(),
        _ => id.to_string(),
    }
}

/// The UUID in any kind of id.
pub(crate) fn read(text: &str) -> Option<Uuid> {
    let text = text.trim();
    let parsers: [fn(&str) -> Option<Uuid>; 13] = [
        |text| text.parse::<InvitationId>().ok().map(Uuid::from),
        |text| text.parse::<GroupId>().ok().map(Uuid::from),
        |text| text.parse::<TenantId>().ok().map(Uuid::from),
        |text| text.parse::<ApiKeyId>().ok().map(Uuid::from),
        |text| text.parse::<UserId>().ok().map(Uuid::from),
        |text| text.parse::<MemberId>().ok().map(Uuid::from),
        |text| text.parse::<PlanId>().ok().map(Uuid::from),
        |text| text.parse::<SubscriptionId>().ok().map(Uuid::from),
        |text| text.parse::<ApiId>().ok().map(Uuid::from),
        |text| text.parse::<RouteId>().ok().map(Uuid::from),
        |text| text.parse::<UpstreamId>().ok().map(Uuid::from),
        |text| text.parse::<NodeId>().ok().map(Uuid::from),
        |text| text.parse::<EnrolTokenId>().ok().map(Uuid::from),
    ];
    parsers
        .iter()
        .find_map(|parse| parse(text))
        .or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_in_its_own_form_and_read_back() {
        let id = Uuid::from_u128(7);
        for noun in [
            "api", "api_key", "plan", "tenant", "user", "node", "upstream",
        ] {
            let text = shown(noun, id);
            assert!(text.contains('_'), "{noun} {text}");
            assert_eq!(read(&text), Some(id), "{noun}");
        }
        assert_eq!(read("Northwind"), None);
    }
}
