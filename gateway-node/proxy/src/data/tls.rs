//! TLS towards clients, from files that may be replaced while the node runs.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read certificates from {0}")]
    Certificate(String, #[source] rustls::pki_types::pem::Error),
    #[error("{0} holds no certificate")]
    NoCertificate(String),
    #[error("cannot read a private key from {0}")]
    Key(String, #[source] rustls::pki_types::pem::Error),
    #[error("certificate and key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

/// What the listeners speak TLS with.
pub(super) struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    read_at: ArcSwap<Versions>,
}

/// When the files were last changed.
type Versions = [Option<SystemTime>; 2];

impl Tls {
    pub(super) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let versions = versions(files);
        Ok(Self {
            config: ArcSwap::from_pointee(read(files)?),
            files: files.clone(),
            read_at: ArcSwap::from_pointee(versions),
        })
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Takes the files' new content if they changed. What cannot be used is logged and the old
    /// certificate goes on. Reads files.
    pub(super) fn reload_if_changed(&self) {
        let versions = versions(&self.files);
        if **self.read_at.load() == versions {
            return;
        }
        self.read_at.store(Arc::new(versions));
        match read(&self.files) {
            Ok(config) => {
                self.config.store(Arc::new(config));
                tracing::info!("took the new TLS certificate");
            }
            Err(error) => tracing::error!(%error, "the changed TLS files cannot be used"),
        }
    }
}

fn versions(files: &TlsFiles) -> Versions {
    [&files.cert, &files.key].map(|path| {
        std::fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok()
    })
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|error| TlsError::Certificate(name(&files.cert), error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(name(&files.cert)));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| TlsError::Key(name(&files.key), error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
