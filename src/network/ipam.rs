//! Choosing subnets and addresses. Pure: what is taken is given in.

use super::spec::NetworkSpec;
use sha2::Digest;
use sha2::Sha256;
use std::collections::HashSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// Docker's default pools: sixteen-bit networks first, then sixteen twenty-bit ones.
const POOLS: [(Ipv4Addr, u8, u8); 6] = [
    (Ipv4Addr::new(172, 17, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 18, 0, 0), 15, 16),
    (Ipv4Addr::new(172, 20, 0, 0), 14, 16),
    (Ipv4Addr::new(172, 24, 0, 0), 14, 16),
    (Ipv4Addr::new(172, 28, 0, 0), 14, 16),
    (Ipv4Addr::new(192, 168, 0, 0), 16, 20),
];
/// Addresses in a row that are looked at before a pool counts as full; no bridge has more ports.
const MAX_MEMBERS: u128 = 1 << 20;

/// A range of addresses: all that share their first `prefix` bits with `address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subnet {
    address: IpAddr,
    prefix: u8,
}

/// Why there is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IpamError {
    /// All of the default pools overlap with something.
    #[error("no free subnet is left in the default address pools")]
    NoSubnet,
    /// Every address of the range is taken.
    #[error("no free address is left in `{0}`")]
    Full(Subnet),
    /// A fixed address lies elsewhere.
    #[error("address `{address}` is not in subnet `{subnet}`")]
    Outside {
        /// The address.
        address: IpAddr,
        /// The subnet.
        subnet: Subnet,
    },
    /// A fixed address is somebody's already.
    #[error("address `{0}` is already taken")]
    Taken(IpAddr),
    /// Not `ADDRESS/PREFIX`.
    #[error("`{0}` is not a subnet (`ADDRESS/PREFIX`)")]
    Syntax(String),
}

impl Subnet {
    /// The subnet an address is in. `None` if the prefix is too long.
    pub fn new(address: impl Into<IpAddr>, prefix: u8) -> Option<Self> {
        let address = address.into();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then(|| {
            let host = host_mask(bits - prefix);
            Self {
                address: from_number(number(address) & !host, address.is_ipv4()),
                prefix,
            }
        })
    }

    /// Its first address, that of the network.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits are fixed.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// As specifications hold it, if it is IPv4.
    pub fn ipv4(self) -> Option<(Ipv4Addr, u8)> {
        match self.address {
            IpAddr::V4(address) => Some((address, self.prefix)),
            IpAddr::V6(_) => None,
        }
    }

    /// As specifications hold it, if it is IPv6.
    pub fn ipv6(self) -> Option<(Ipv6Addr, u8)> {
        match self.address {
            IpAddr::V6(address) => Some((address, self.prefix)),
            IpAddr::V4(_) => None,
        }
    }

    /// Whether the address is one of it.
    pub fn contains(self, address: IpAddr) -> bool {
        Self::new(address, self.prefix).is_some_and(|of| of == self)
    }

    /// Whether an address is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    /// The address `index` steps after the first, if it is in the subnet.
    pub fn nth(self, index: u128) -> Option<IpAddr> {
        (index <= host_mask(self.host_bits()))
            .then(|| from_number(number(self.address) + index, self.address.is_ipv4()))
    }

    /// The last address: IPv4's broadcast address.
    pub fn last(self) -> IpAddr {
        let last = number(self.address) | host_mask(self.host_bits());
        from_number(last, self.address.is_ipv4())
    }

    fn host_bits(self) -> u8 {
        if self.address.is_ipv4() {
            32 - self.prefix
        } else {
            128 - self.prefix
        }
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl std::str::FromStr for Subnet {
    type Err = IpamError;

    fn from_str(text: &str) -> Result<Self, IpamError> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            Self::new(address.parse::<IpAddr>().ok()?, prefix.parse().ok()?)
        };
        parse().ok_or_else(|| IpamError::Syntax(text.to_owned()))
    }
}

/// The first subnet of docker's default pools that overlaps with none of `used`.
pub fn free_subnet(used: &[(Ipv4Addr, u8)]) -> Result<(Ipv4Addr, u8), IpamError> {
    let used: Vec<Subnet> = used
        .iter()
        .filter_map(|(ip, prefix)| Subnet::new(*ip, *prefix))
        .collect();
    POOLS
        .iter()
        .flat_map(|&(base, prefix, size)| {
            (0..1_u32 << (size - prefix)).map(move |index| {
                let base = u32::from(base) + (index << (32 - size));
                (Ipv4Addr::from(base), size)
            })
        })
        .find(|(ip, prefix)| {
            Subnet::new(*ip, *prefix)
                .is_some_and(|free| !used.iter().any(|taken| taken.overlaps(free)))
        })
        .ok_or(IpamError::NoSubnet)
}

/// A private IPv6 subnet (RFC 4193) that is always the same for the same `seed`, e.g. state root and network name.
pub fn unique_local_subnet(seed: &[u8]) -> (Ipv6Addr, u8) {
    let hash = Sha256::digest(seed);
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    octets[1..8].copy_from_slice(&hash[..7]);
    (Ipv6Addr::from(octets), 64)
}

/// The addresses of one subnet, given out in order. Network and broadcast address are never given.
#[derive(Debug, Clone)]
pub struct Addresses {
    subnet: Subnet,
    /// Where unrequested addresses come from.
    range: Subnet,
    taken: HashSet<IpAddr>,
}

impl Addresses {
    /// All addresses of `subnet` are free; unrequested ones are taken from `range` (`ip_range`), else from all of it.
    pub fn new(subnet: Subnet, range: Option<Subnet>) -> Self {
        let range = range.filter(|range| subnet.overlaps(*range) && range.prefix >= subnet.prefix);
        Self {
            subnet,
            range: range.unwrap_or(subnet),
            taken: HashSet::new(),
        }
    }

    /// The IPv4 addresses of a network, with its gateway taken; `None` without IPv4.
    pub fn of_network4(network: &NetworkSpec, range: Option<Subnet>) -> Option<Self> {
        let (address, prefix) = network.subnet4?;
        let mut addresses = Self::new(Subnet::new(address, prefix)?, range);
        addresses.taken.extend(network.gateway4.map(IpAddr::from));
        Some(addresses)
    }

    /// The IPv6 addresses of a network, with its gateway taken; `None` without IPv6.
    pub fn of_network6(network: &NetworkSpec, range: Option<Subnet>) -> Option<Self> {
        let (address, prefix) = network.subnet6?;
        let mut addresses = Self::new(Subnet::new(address, prefix)?, range);
        addresses.taken.extend(network.gateway6.map(IpAddr::from));
        Some(addresses)
    }

    /// Takes a fixed address (static, auxiliary, a gateway, or one already in use).
    pub fn reserve(&mut self, address: IpAddr) -> Result<(), IpamError> {
        if !self.subnet.contains(address) || !self.is_host(address) {
            return Err(IpamError::Outside {
                address,
                subnet: self.subnet,
            });
        }
        if self.taken.insert(address) {
            Ok(())
        } else {
            Err(IpamError::Taken(address))
        }
    }

    /// Takes the lowest free address.
    pub fn allocate(&mut self) -> Result<IpAddr, IpamError> {
        let free = (0..MAX_MEMBERS)
            .map_while(|index| self.range.nth(index))
            .find(|address| self.is_host(*address) && !self.taken.contains(address))
            .ok_or(IpamError::Full(self.range))?;
        self.taken.insert(free);
        Ok(free)
    }

    /// Gives an address back.
    pub fn release(&mut self, address: IpAddr) {
        self.taken.remove(&address);
    }

    fn is_host(&self, address: IpAddr) -> bool {
        let point_to_point = self.subnet.host_bits() <= 1;
        point_to_point
            || (address != self.subnet.address
                && (address.is_ipv6() || address != self.subnet.last()))
    }
}

fn host_mask(host_bits: u8) -> u128 {
    1_u128
        .checked_shl(u32::from(host_bits))
        .map_or(u128::MAX, |size| size - 1)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The address of a number; an IPv4 number has 32 bits.
fn from_number(number: u128, ipv4: bool) -> IpAddr {
    if ipv4 {
        Ipv4Addr::from(number as u32).into()
    } else {
        Ipv6Addr::from(number).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn the_pools_are_dockers_in_its_order() {
        let mut used = Vec::new();
        while let Ok(free) = free_subnet(&used) {
            used.push(free);
        }
        assert_eq!(used.len(), 15 + 16);
        assert_eq!(used[0], (Ipv4Addr::new(172, 17, 0, 0), 16));
        assert_eq!(used[14], (Ipv4Addr::new(172, 31, 0, 0), 16));
        assert_eq!(used[15], (Ipv4Addr::new(192, 168, 0, 0), 20));
        assert_eq!(used[30], (Ipv4Addr::new(192, 168, 240, 0), 20));
    }

    #[test]
    fn a_route_of_the_host_is_avoided_whole() {
        let used = [
            (Ipv4Addr::new(172, 16, 0, 0), 14),
            (Ipv4Addr::new(172, 20, 3, 4), 32),
        ];
        assert_eq!(free_subnet(&used).unwrap().0, Ipv4Addr::new(172, 21, 0, 0));
    }

    #[test]
    fn addresses_follow_the_gateway_and_leave_reserved_ones_out() {
        let mut addresses = Addresses::new(subnet("10.0.0.0/29"), None);
        addresses.reserve("10.0.0.1".parse().unwrap()).unwrap();
        addresses.reserve("10.0.0.3".parse().unwrap()).unwrap();
        let given: Vec<_> = std::iter::from_fn(|| addresses.allocate().ok())
            .map(|ip| ip.to_string())
            .collect();
        assert_eq!(given, ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        assert_eq!(
            addresses.allocate(),
            Err(IpamError::Full(subnet("10.0.0.0/29")))
        );
        addresses.release("10.0.0.4".parse().unwrap());
        assert_eq!(addresses.allocate(), Ok("10.0.0.4".parse().unwrap()));
    }

    #[test]
    fn unrequested_addresses_come_from_the_range() {
        let mut addresses = Addresses::new(subnet("10.0.0.0/16"), Some(subnet("10.0.5.0/24")));
        assert_eq!(addresses.allocate(), Ok("10.0.5.0".parse().unwrap()));
        assert!(addresses.reserve("10.0.9.9".parse().unwrap()).is_ok());
        let outside = addresses.reserve("10.1.0.1".parse().unwrap()).unwrap_err();
        assert_eq!(
            outside.to_string(),
            "address `10.1.0.1` is not in subnet `10.0.0.0/16`"
        );
    }

    #[test]
    fn bad_subnets_are_refused() {
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "fd00::/129",
            "x/8",
            "10.0.0.0/-1",
        ] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
        assert_eq!(subnet("10.1.2.3/8").to_string(), "10.0.0.0/8");
    }

    #[test]
    fn unique_local_subnets_are_stable_and_apart() {
        let (one, prefix) = unique_local_subnet(b"one");
        assert_eq!((one, prefix), unique_local_subnet(b"one"));
        assert_ne!(one, unique_local_subnet(b"two").0);
        assert_eq!(one.octets()[0], 0xfd);
        assert_eq!(u128::from(one) as u64, 0);
    }

    fn any_subnet() -> impl Strategy<Value = Subnet> {
        prop_oneof![
            (any::<u32>(), 0..=32_u8)
                .prop_map(|(ip, prefix)| (IpAddr::from(Ipv4Addr::from(ip)), prefix)),
            (any::<u128>(), 0..=128_u8)
                .prop_map(|(ip, prefix)| (IpAddr::from(Ipv6Addr::from(ip)), prefix)),
        ]
        .prop_map(|(ip, prefix)| Subnet::new(ip, prefix).unwrap())
    }

    proptest! {
        #[test]
        fn a_subnet_holds_its_ends_and_reads_its_own_text(subnet in any_subnet()) {
            prop_assert!(subnet.contains(subnet.address()) && subnet.contains(subnet.last()));
            prop_assert_eq!(subnet.to_string().parse::<Subnet>(), Ok(subnet));
        }

        #[test]
        fn overlapping_is_mutual(a in any_subnet(), b in any_subnet()) {
            prop_assert_eq!(a.overlaps(b), b.overlaps(a));
        }

        #[test]
        fn a_chosen_subnet_overlaps_nothing_used(
            used in prop::collection::vec((any::<u16>(), 12..=32_u8), 0..40)
        ) {
            let used: Vec<_> = used
                .into_iter()
                .map(|(ip, prefix)| (Ipv4Addr::new(172, (ip >> 8) as u8, ip as u8, 0), prefix))
                .collect();
            if let Ok((ip, prefix)) = free_subnet(&used) {
                let free = Subnet::new(ip, prefix).unwrap();
                for (ip, prefix) in used {
                    prop_assert!(!Subnet::new(ip, prefix).unwrap().overlaps(free));
                }
            }
        }

        #[test]
        fn no_address_is_given_twice(prefix in 20..=30_u8, fixed in prop::collection::vec(0..64_u128, 0..10)) {
            let subnet = Subnet::new(Ipv4Addr::new(10, 9, 0, 0), prefix).unwrap();
            let mut addresses = Addresses::new(subnet, None);
            let mut seen: HashSet<IpAddr> = HashSet::new();
            for index in fixed {
                if let Some(ip) = subnet.nth(index) && addresses.reserve(ip).is_ok() {
                    prop_assert!(seen.insert(ip));
                }
            }
            for ip in std::iter::from_fn(|| addresses.allocate().ok()).take(100) {
                prop_assert!(subnet.contains(ip) && ip != subnet.address() && ip != subnet.last());
                prop_assert!(seen.insert(ip));
            }
        }
    }
}
