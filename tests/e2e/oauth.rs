//! Applications sign their people in with client libraries that nobody wrote for us, and call APIs
//! through a node with what they got.

mod libraries;
mod node;
mod two_planes;

use e2e::stack::Stack;
use e2e::visitor::{Visitor, unescaped};
use tollgate::report::Demo;

/// Where the demo application is called back: nothing listens there, only the address matters.
const CALLBACK: &str = "http://127.0.0.1:49152/callback";

fn demo(stack: &Stack) -> &Demo {
    stack.report.demo.as_ref().expect("a stack with demo data")
}

/// What a person does with the address that an application sends them to: signs in, and goes where
/// the pages lead. Returns the address that the application is called back at.
async fn sign_in(stack: &Stack, visitor: &mut Visitor, authorization_url: &str) -> String {
    let demo = demo(stack);
    let path = authorization_url
        .strip_prefix(&stack.report.control_plane)
        .expect("an address of the control plane");
    let mut seen = visitor.get(path).await;
    if seen.location.starts_with("/login") {
        let fields = [
            ("email", demo.user_email.as_str()),
            ("password", demo.user_password.as_str()),
        ];
        let login = seen.location.clone();
        let gone_on = visitor.submit(&login, "/login", &fields).await;
        let next = gone_on.between("content=\"0;url=", "\"").expect("a way on");
        seen = visitor.get(&unescaped(next)).await;
    }
    assert!(seen.location.starts_with(CALLBACK), "{seen:?}");
    seen.location
}
