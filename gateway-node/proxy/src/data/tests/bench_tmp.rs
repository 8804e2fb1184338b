use super::support::*;
use crate::config::AccessLog;
#[test]
#[ignore = "temporary"]
fn serve() {
    let mut fixture = Fixture::new(&[]).with_rate(1_000_000_000, 1_000_000);
    fixture.upstream.targets = vec![target("http://127.0.0.1:18081", 1)];
    let mut config = config();
    config.listen_addr = "127.0.0.1:18000".parse().unwrap();
    config.access_log = AccessLog::File("/tmp/bench-access.log".into());
    println!("KEY {}", api_key());
    let _node = Node::start_with(&fixture, config);
    std::thread::sleep(std::time::Duration::from_secs(3600));
}
