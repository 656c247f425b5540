//! A certificate with its key, as pages show it to whoever connects.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// Ready to be shown.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

/// Why a certificate cannot be shown. Says nothing of the key but that it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    /// No certificate in it.
    #[error("holds no certificate in PEM: -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// No key in it.
    #[error("holds no private key in PEM: -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The key is another certificate's, or of a kind that nobody speaks.
    #[error(
        "is not the key of the certificate, or of a kind that cannot be used: take one for RSA, P-256, P-384 or Ed25519"
    )]
    OtherKey,
}

impl Tls {
    /// Reads a chain of certificates, ours first, and our key, both in PEM.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn from_pem(chain: &str, key: &SecretString) -> Result<Self, TlsError> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate)?;
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()).map_err(|_| TlsError::NoKey)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsError::OtherKey)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(|_| TlsError::OtherKey)?;
        Ok(Self(Arc::new(config)))
    }

    /// For a connection.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tls")
    }
}
