//! Connections to the server under test: TCP from several local addresses, and TLS.

use anyhow::{Context, Result, bail, ensure};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use std::{io, ptr};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Of the 28,000 ports that Linux gives out, so that those of earlier connections may still be waiting.
const CONNECTIONS_PER_ADDRESS: usize = 10_000;

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub struct Dialer {
    /// `host:port`, as in the Host header.
    pub host: String,
    /// Of the URL, without a slash at the end.
    pub path: String,
    server: SocketAddr,
    addresses: Vec<IpAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

#[derive(Debug, PartialEq)]
struct Url<'a> {
    secure: bool,
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl Dialer {
    /// `connections`: how many there may be at once, which decides from how many local addresses they come if that is not said.
    pub async fn new(url: &str, tls_insecure: bool, addresses: &[IpAddr], connections: usize) -> Result<Self> {
        let url = parse_url(url)?;
        let host = format!("{}:{}", url.host, url.port);
        let server = lookup_host(&host).await.with_context(|| format!("cannot find {}", url.host))?.next();
        let server = server.with_context(|| format!("{} has no address", url.host))?;
        let addresses = match addresses {
            [] if server.ip() == Ipv4Addr::LOCALHOST => loopback_addresses(connections),
            given => given.to_vec(),
        };
        let tls = match url.secure {
            true => {
                Some((connector(tls_insecure)?, ServerName::try_from(url.host.trim_matches(['[', ']']).to_owned())?))
            }
            false => None,
        };
        Ok(Self { host, path: url.path.to_owned(), server, addresses, tls })
    }

    /// A connection from one of the local addresses in turn.
    pub async fn dial(&self, index: usize) -> Result<Box<dyn Stream>> {
        let reached = timeout(CONNECT_TIMEOUT, self.tcp(index)).await.unwrap_or_else(|late| Err(late.into()));
        let stream = reached.with_context(|| format!("cannot connect to {}", self.host))?;
        stream.set_nodelay(true)?;
        let Some((connector, name)) = &self.tls else { return Ok(Box::new(stream)) };
        let handshake = timeout(CONNECT_TIMEOUT, connector.connect(name.clone(), stream)).await;
        let stream = handshake.unwrap_or_else(|late| Err(late.into()));
        Ok(Box::new(stream.with_context(|| format!("no TLS with {}", self.host))?))
    }

    async fn tcp(&self, index: usize) -> io::Result<TcpStream> {
        let socket = if self.server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if !self.addresses.is_empty() {
            choose_port_late(&socket)?;
            socket.bind(SocketAddr::new(self.addresses[index % self.addresses.len()], 0))?;
        }
        socket.connect(self.server).await
    }
}

fn parse_url(text: &str) -> Result<Url<'_>> {
    let (scheme, rest) = text.split_once("://").with_context(|| format!("{text} is not a URL"))?;
    let secure = match scheme {
        "http" | "ws" => false,
        "https" | "wss" => true,
        _ => bail!("--url must start with http, https, ws or wss"),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().with_context(|| format!("{port} is not a port"))?)
        }
        _ => (authority, if secure { 443 } else { 80 }),
    };
    ensure!(!host.is_empty(), "{text} has no host");
    Ok(Url { secure, host, port, path: path.trim_end_matches('/') })
}

fn loopback_addresses(connections: usize) -> Vec<IpAddr> {
    let count = connections.div_ceil(CONNECTIONS_PER_ADDRESS).clamp(1, 200) as u8;
    (0..count).map(|i| IpAddr::from([127, 0, 0, 2 + i])).collect()
}

/// With it the port is chosen at connect, when the other end is known, and may be in use towards others.
fn choose_port_late(socket: &TcpSocket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = size_of_val(&on) as libc::socklen_t;
    let option = libc::IP_BIND_ADDRESS_NO_PORT;
    // SAFETY: the option takes an int, which outlives the call.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, option, ptr::from_ref(&on).cast(), size) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn connector(insecure: bool) -> Result<TlsConnector> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let config = if insecure {
        let verifier = Arc::new(AnyCertificate(provider));
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        builder.with_root_certificates(roots).with_no_client_auth()
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Accepts every certificate, but still checks that the server has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer,
        _: &[CertificateDer],
        _: &ServerName,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, tokio_rustls::rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls() {
        let url = |secure, host, port, path| Url { secure, host, port, path };
        assert_eq!(parse_url("http://a").unwrap(), url(false, "a", 80, ""));
        assert_eq!(parse_url("wss://a.b/").unwrap(), url(true, "a.b", 443, ""));
        assert_eq!(parse_url("ws://[::1]:8000/x/y/").unwrap(), url(false, "[::1]", 8000, "/x/y"));
        assert_eq!(parse_url("https://[::1]").unwrap(), url(true, "[::1]", 443, ""));
        for wrong in ["a:1", "ftp://a", "http://", "http://a:b", "http://a:70000"] {
            assert!(parse_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn local_addresses_suffice_for_the_connections() {
        assert_eq!(loopback_addresses(0), [IpAddr::from([127, 0, 0, 2])]);
        assert_eq!(loopback_addresses(10_001), [IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 3])]);
    }
}
