//! TLS towards clients and upstreams.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::support::*;
use crate::config::TlsFiles;
use crate::data::tls::Tls;

fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate")
}

struct Files(PathBuf);

impl Files {
    fn new(name: &str, certificate: &CertifiedKey<KeyPair>) -> Self {
        let dir = std::env::temp_dir().join(format!("tollgate-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let files = Self(dir);
        files.write(
            &certificate.cert.pem(),
            &certificate.signing_key.serialize_pem(),
        );
        files
    }

    fn write(&self, cert: &str, key: &str) {
        let TlsFiles {
            cert: cert_path,
            key: key_path,
        } = self.paths();
        std::fs::write(cert_path, cert).expect("writes");
        std::fs::write(key_path, key).expect("writes");
    }

    fn paths(&self) -> TlsFiles {
        TlsFiles {
            cert: self.0.join("cert.pem"),
            key: self.0.join("key.pem"),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[tokio::test]
async fn a_listener_with_files_speaks_tls_and_says_so_to_the_upstream() {
    let certificate = certificate();
    let files = Files::new("listener", &certificate);
    let origin = Origin::echo().await;
    let mut config = config();
    config.tls = Some(files.paths());
    let node = Node::start_with(&Fixture::new(&[origin.addr]), config);

    let mut roots = RootCertStore::empty();
    roots.add(certificate.cert.der().clone()).expect("a root");
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let socket = TcpStream::connect(node.addr).await.expect("connects");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(client))
        .connect(name, socket)
        .await
        .expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let request = get("/api/open/a", "Connection: close\r\n");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("a clean end");
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok"),
        "{answer}"
    );
    assert_eq!(origin.last().header("x-forwarded-proto"), Some("https"));

    // Plain HTTP, and a client that never says hello, get nothing.
    let mut plain = node.connect().await;
    plain.send(get("/api/open/a", "")).await;
    assert!(!plain.rest().await.starts_with(b"HTTP/"));
}

#[test]
fn changed_files_are_taken_and_broken_ones_are_not() {
    let files = Files::new("reload", &certificate());
    let tls = Tls::load(&files.paths()).expect("loads");
    let first = tls.config();
    tls.reload_if_changed();
    assert!(Arc::ptr_eq(&tls.config(), &first), "nothing changed");

    let touch = |seconds| {
        let at = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
        let file = std::fs::File::options()
            .write(true)
            .open(files.paths().cert);
        file.and_then(|file| file.set_modified(at))
            .expect("touches");
    };
    let next = certificate();
    files.write(&next.cert.pem(), &next.signing_key.serialize_pem());
    touch(10);
    tls.reload_if_changed();
    let second = tls.config();
    assert!(!Arc::ptr_eq(&second, &first));

    files.write(&next.cert.pem(), &certificate().signing_key.serialize_pem());
    touch(20);
    tls.reload_if_changed();
    assert!(
        Arc::ptr_eq(&tls.config(), &second),
        "another certificate's key"
    );
}

#[tokio::test]
async fn an_upstream_whose_certificate_nobody_vouches_for_is_not_reached() {
    let certificate = certificate();
    let key = PrivateKeyDer::from_pem_slice(certificate.signing_key.serialize_pem().as_bytes());
    let chain: Vec<CertificateDer<'static>> = vec![certificate.cert.der().clone()];
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key.expect("a key"))
        .expect("a server");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("bound").port();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let accepted = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a connection");
        acceptor.accept(socket).await.map(drop)
    });
    let mut fixture = Fixture::new(&[]);
    fixture.upstream.targets = vec![target(&format!("https://localhost:{port}"), 1)];
    let node = Node::start(&fixture);
    let answer = node.ask(get("/api/open/a", "")).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (502, "upstream_unreachable")
    );
    let accepted = tokio::time::timeout(DEADLINE, accepted)
        .await
        .expect("in time");
    assert!(
        accepted.expect("no panic").is_err(),
        "the node broke the handshake off"
    );
}
