//! Whom we trust, and who we are: system roots, CAs and client certificates of single registries.

use super::{Error, Settings};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The PEM files of one registry.
#[derive(Debug, Default)]
struct Files {
    cas: Vec<PathBuf>,
    /// Certificate and key.
    client: Option<(PathBuf, PathBuf)>,
}

/// The TLS side of connections to `host`.
pub(super) fn config(settings: &Settings, host: &str) -> Result<ClientConfig, Error> {
    let files = Files::find(settings, host)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for every version of TLS");
    // Who gives a CA for a registry wants it verified, also on loopback.
    let verified = !settings.is_insecure(host) || !files.cas.is_empty();
    let builder = match verified {
        true => builder.with_root_certificates(roots(&files)?),
        false => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
    };
    let Some((certificate, key)) = &files.client else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
    builder
        .with_client_auth_cert(chain, secret)
        .map_err(|error| unusable(certificate, &error))
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Config {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let list = read.map_err(|error| unusable(path, &error))?;
    match list.is_empty() {
        true => Err(unusable(path, &"it holds no certificate in PEM form")),
        false => Ok(list),
    }
}

fn roots(files: &Files) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // What the system has and we cannot read is as if it were not there.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in &files.cas {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| unusable(path, &error))?;
        }
    }
    Ok(roots)
}

impl Files {
    /// What our file names, and all of the `certs.d` folders: `*.crt` is a CA, `X.cert` ours with its key in `X.key`.
    fn find(settings: &Settings, host: &str) -> Result<Self, Error> {
        let own = settings.registry(host);
        let mut files = Self {
            cas: own.ca.into_iter().collect(),
            client: own.cert.zip(own.key),
        };
        for folder in settings.certificate_folders(host) {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths {
                files.take(path)?;
            }
        }
        Ok(files)
    }

    fn take(&mut self, path: PathBuf) -> Result<(), Error> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => self.cas.push(path),
            Some("cert") => {
                let key = path.with_extension("key");
                if !key.is_file() {
                    let why = format!("its key `{}` is missing", key.display());
                    return Err(unusable(&path, &why));
                }
                self.client.get_or_insert((path, key));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Accepts every certificate, for registries that the user calls insecure. Signatures are still checked, so that the
/// other side has at least the key of what it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
