//! Encryption, with a certificate of our own for `localhost`:
//!
//! ```sh
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
//!     -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
//!     -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out cert.pem
//! ```
//!
//! `other.pem` is the key of another certificate made like this.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{io::Write as _, path::PathBuf, sync::Arc};

use codescaler_http::{Server, ServerError, ServerOptions};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use crate::{
    scripted::Scripted,
    world::{World, options, read},
};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/server/tls", name].iter().collect()
}

fn encrypted(key: &str) -> ServerOptions {
    ServerOptions { tls: Some((file("cert.pem"), file(key))), ..options() }
}

/// Asks for the health as `name`, trusting nobody or our certificate; the status, or why there is
/// none.
fn health(world: &World, trusts: bool, name: &'static str) -> Result<u16, String> {
    let mut roots = RootCertStore::empty();
    if trusts {
        roots.add(CertificateDer::from_pem_file(file("cert.pem")).unwrap()).unwrap();
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, world.connect());
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .map_err(|error| error.to_string())?;
    Ok(read(&mut stream).status)
}

#[test]
fn who_trusts_the_certificate_gets_in() {
    let world = World::start(Scripted::default(), encrypted("key.pem"));
    for name in ["localhost", "127.0.0.1"] {
        assert_eq!(health(&world, true, name), Ok(200));
    }
    let stranger = health(&world, false, "localhost").unwrap_err();
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    let other = health(&world, true, "example.org").unwrap_err();
    assert!(other.contains("not valid for name"), "{other}");
    // Who does not encrypt learns nothing, and whoever comes next is served.
    assert_eq!(world.get("/health").status, 0);
    assert_eq!(health(&world, true, "localhost"), Ok(200));
}

#[test]
fn what_is_no_certificate_or_key_is_said() {
    for (pair, expected) in [
        (("key.pem", "key.pem"), "key.pem: it holds no certificate in PEM"),
        (("cert.pem", "cert.pem"), "cert.pem: no items found"),
        (("cert.pem", "other.pem"), "other.pem: keys may not be consistent: KeyMismatch"),
        (("none.pem", "key.pem"), "none.pem: I/O error"),
    ] {
        let (chain, key) = pair;
        let options = ServerOptions { tls: Some((file(chain), file(key))), ..options() };
        let error = match Server::bind(options, Arc::new(Scripted::default())) {
            Err(error @ ServerError::Tls { .. }) => error.to_string(),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{pair:?} serve"),
        };
        assert!(error.contains(expected), "{error}");
    }
}
