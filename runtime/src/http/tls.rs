//! TLS: a listener's certificate and key, read from their files.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::config::plan::{Tls, TlsVersion};
use crate::error::{Error, Kind, OrFail, Result};

/// The one protocol that is spoken inside: HTTP/2 is off.
const PROTOCOL: &[u8] = b"http/1.1";

/// What a listener proves itself with; an error names the file.
pub(super) fn read(tls: &Tls) -> Result<Arc<ServerConfig>> {
    let chain = certificates(&tls.certificate)?;
    // The cause is left out: it could say something of what the file holds.
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|_| Error::new(Kind::Input, format!("key {}: it holds no private key in PEM", tls.key.display())))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions: &[&SupportedProtocolVersion] = match tls.oldest {
        TlsVersion::V1_3 => &[&TLS13],
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(versions).or_fail(Kind::Internal, || "TLS")?;
    let builder = match &tls.clients {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(file)? {
                roots.add(root).or_fail(Kind::Input, || format!("certificate {}", file.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder
                .with_client_cert_verifier(verifier.or_fail(Kind::Input, || format!("certificate {}", file.display()))?)
        }
    };
    let made = builder.with_single_cert(chain, key);
    let mut made = made
        .or_fail(Kind::Input, || format!("certificate {} with key {}", tls.certificate.display(), tls.key.display()))?;
    made.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Arc::new(made))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let subject = || format!("certificate {}", file.display());
    let found = CertificateDer::pem_file_iter(file).or_fail(Kind::Input, subject)?;
    let found = found.collect::<Result<Vec<_>, _>>().or_fail(Kind::Input, subject)?;
    if found.is_empty() {
        return Err(Error::new(Kind::Input, format!("{}: it holds no certificate in PEM", subject())));
    }
    Ok(found)
}
