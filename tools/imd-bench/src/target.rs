//! What is loaded, and from which addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

/// Connections from one source address: the system's range of ports has about 28,000.
pub const CONNECTIONS_PER_SOURCE: usize = 20_000;

/// A server and a path on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host and port as written: what `Host` says.
    pub authority: String,
    /// Where to connect.
    pub address: SocketAddr,
    /// Path and query, `/` if there is none.
    pub path: String,
}

impl Target {
    /// Understands `http://host:port/path` or `ws://host:port/path`.
    ///
    /// # Errors
    /// What is wrong, or that the host has no address.
    pub fn parse(url: &str) -> Result<Self, String> {
        let rest = (url.strip_prefix("http://"))
            .or_else(|| url.strip_prefix("ws://"))
            .ok_or_else(|| format!("{url}: the address must begin with http:// or ws://"))?;
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        let full = if has_port {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let address = full
            .to_socket_addrs()
            .map_err(|error| format!("{authority}: {error}"))?
            .next()
            .ok_or_else(|| format!("{authority} has no address"))?;
        Ok(Target {
            authority: authority.to_owned(),
            address,
            path: format!("{slash}{path}"),
        })
    }

    /// How many source addresses `connections` need: 1 (the system chooses) but on loopback.
    pub fn sources(&self, connections: usize) -> usize {
        match self.address.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => {
                connections.div_ceil(CONNECTIONS_PER_SOURCE).clamp(1, 250)
            }
            _ => 1,
        }
    }
}

/// The source of connection `index` when there are `sources`; `None`: the system chooses.
pub fn source(index: usize, sources: usize) -> Option<SocketAddr> {
    let host = u8::try_from(index % sources + 1)
        .ok()
        .filter(|_| sources > 1)?;
    Some(SocketAddr::new(Ipv4Addr::new(127, 0, 0, host).into(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_perhaps_a_port_and_a_path() {
        let target = Target::parse("ws://127.0.0.1:81/echo?a=/").unwrap();
        assert_eq!(target.authority, "127.0.0.1:81");
        assert_eq!(target.address, "127.0.0.1:81".parse().unwrap());
        assert_eq!(target.path, "/echo?a=/");
        assert_eq!(Target::parse("http://127.0.0.1").unwrap().path, "/");
        assert_eq!(Target::parse("http://[::1]").unwrap().address.port(), 80);
        assert_eq!(
            Target::parse("ws://[::1]:5?token=x").unwrap().path,
            "/?token=x"
        );
        for bad in ["", "127.0.0.1:80", "https://x", "http://"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn many_connections_come_from_many_addresses() {
        let target = Target::parse("http://127.0.0.1:1").unwrap();
        assert_eq!(
            [1, 20_000, 20_001, 100_000].map(|n| target.sources(n)),
            [1, 1, 2, 5]
        );
        assert_eq!(source(3, 1), None);
        assert_eq!(source(7, 5), Some("127.0.0.3:0".parse().unwrap()));
    }
}
