//! Keys, certificates and tokens, made anew for each cluster.

use crate::error::{Error, during};
use crate::process::random;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::fmt::Write as _;
use std::path::Path;

/// The user with every right, in group `system:masters`.
pub const ADMINISTRATOR: &str = "admin";

/// The user that the controller manager is, so that an audit log tells its requests from a test's.
pub(crate) const CONTROLLERS: &str = "system:kube-controller-manager";

/// The secrets of one cluster. The files that components read are in its directory.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// The certificate of the authority that signed the API server's, as PEM.
    pub(crate) authority: String,
    tokens: Vec<(String, String)>,
}

impl Secrets {
    /// Makes the secrets, and writes what components read: `ca.crt`, `server.crt`, `server.key`,
    /// `accounts.key`, `accounts.pub`, `tokens.csv`.
    ///
    /// Elliptic curves, because they cost no time; the API server would make itself an RSA
    /// certificate.
    pub(crate) fn make(cluster: &str, users: &[String], directory: &Path) -> Result<Self, Error> {
        let made = during::<rcgen::Error>("make a certificate");
        let (authority, certificate, key) = certificates(cluster).map_err(made)?;
        let accounts = KeyPair::generate().map_err(during("make a key for service accounts"))?;
        let names =
            [ADMINISTRATOR, CONTROLLERS].into_iter().chain(users.iter().map(String::as_str));
        let tokens: Vec<_> = names
            .map(|name| (name.to_owned(), format!("{:016x}{:016x}", random(), random())))
            .collect();
        let mut lines = String::new();
        for (number, (name, token)) in tokens.iter().enumerate() {
            let group = if number < 2 { "system:masters" } else { "limited" };
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{token},{name},{name},\"{group}\"");
        }
        let files = [
            ("ca.crt", authority.clone()),
            ("server.crt", certificate),
            ("server.key", key),
            ("accounts.key", accounts.serialize_pem()),
            ("accounts.pub", accounts.public_key_pem()),
            ("tokens.csv", lines),
        ];
        for (name, text) in files {
            std::fs::write(directory.join(name), text).map_err(during("write a secret"))?;
        }
        Ok(Self { authority, tokens })
    }

    /// The bearer token of a user; `None` for one who was not named when the fleet was made.
    pub(crate) fn token(&self, user: &str) -> Option<&str> {
        self.tokens.iter().find(|(name, _)| name == user).map(|(_, token)| token.as_str())
    }
}

/// An authority, and what it signed for loopback: certificate of the authority, certificate and key
/// of the server.
fn certificates(cluster: &str) -> Result<(String, String, String), rcgen::Error> {
    let authority = authority(&format!("{cluster}-ca"))?;
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);

    let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &issuer)?.pem();
    Ok((authority_certificate, certificate, key.serialize_pem()))
}

/// What an authority of this name is made from.
fn authority(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(authority)
}

/// Makes the certificate by which an API server proves to those behind it that it asks them for its
/// users. Returns the flags that make the server use it.
pub(crate) fn front_proxy(directory: &Path) -> Result<[String; 7], Error> {
    const NAME: &str = "front-proxy-client";
    let certificates = || -> Result<(String, String, String), rcgen::Error> {
        let authority = authority("front-proxy-ca")?;
        let key = KeyPair::generate()?;
        let certificate = authority.self_signed(&key)?.pem();
        let issuer = Issuer::new(authority, key);
        let mut client = CertificateParams::new(Vec::new())?;
        client.distinguished_name.push(DnType::CommonName, NAME);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        Ok((certificate, client.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
    };
    let (authority, certificate, key) =
        certificates().map_err(during("make a certificate for a proxy"))?;
    let file = |ending: &str, text: &str| {
        let path = directory.join(format!("{NAME}.{ending}"));
        std::fs::write(&path, text).map_err(during("write a secret"))?;
        Ok(path.display().to_string())
    };
    Ok([
        format!("--requestheader-client-ca-file={}", file("ca", &authority)?),
        format!("--proxy-client-cert-file={}", file("crt", &certificate)?),
        format!("--proxy-client-key-file={}", file("key", &key)?),
        format!("--requestheader-allowed-names={NAME}"),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
    ])
}
