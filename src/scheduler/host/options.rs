//! `driver` and `driver_opts` of a network, understood.

use crate::compose::model;
use crate::network::spec::NetworkKind;
use crate::scheduler::execute::HostError;
use std::net::IpAddr;

/// What the options of a network say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What joins containers.
    pub kind: NetworkKind,
    /// Name of the bridge.
    pub bridge: Option<String>,
    /// MTU of all its links.
    pub mtu: Option<u32>,
    /// Packets leave with the containers' addresses.
    pub unmasqueraded: bool,
    /// Containers do not reach each other.
    pub isolated: bool,
    /// Host address of ports that name none.
    pub host_binding: Option<IpAddr>,
    /// How interfaces are called.
    pub interface_prefix: Option<String>,
}

/// Longest name of a link.
const LINK_NAME: usize = 15;

impl Options {
    /// Reads them. Options of other networks' drivers, which mean nothing here, are errors: they would be dropped silently.
    pub fn of(network: &model::Network) -> Result<Self, HostError> {
        let name = &network.name;
        let mut options = Self::default();
        let mut links = Links::default();
        for (key, value) in &network.driver_opts {
            let known = options
                .read(key, value)
                .map(|known| known || links.read(key, value));
            let wrong = match known {
                Ok(true) => continue,
                Ok(false) => "hoist knows no such option",
                Err(why) => why,
            };
            return Err(HostError::new(format!(
                "network `{name}` has the option `{key}: {value}`: {wrong}"
            )));
        }
        options.kind = match network.driver.as_deref() {
            None | Some("" | "bridge" | "default") => NetworkKind::Bridge,
            Some(driver @ ("macvlan" | "ipvlan")) => links.kind(driver).ok_or_else(|| {
                HostError::new(format!(
                    "network `{name}` of driver `{driver}` names no link of the host"
                ))
                .with_hint("give one as `driver_opts: {parent: eth0}`")
            })?,
            Some(driver) => {
                return Err(HostError::new(format!(
                    "network `{name}` has the driver `{driver}`, which hoist has not"
                ))
                .with_hint("drivers are `bridge`, `macvlan` and `ipvlan`; for the others use `network_mode`"));
            }
        };
        Ok(options)
    }

    /// Takes one option; `false` if it is none of these.
    fn read(&mut self, key: &str, value: &str) -> Result<bool, &'static str> {
        const MTU: &str = "it must be a number from 68 to 65535";
        match key {
            "com.docker.network.driver.mtu" => {
                let mtu = value.parse().ok().filter(|mtu| (68..=65535).contains(mtu));
                self.mtu = Some(mtu.ok_or(MTU)?);
            }
            "com.docker.network.bridge.name" => self.bridge = Some(link_name(value)?),
            "com.docker.network.bridge.enable_ip_masquerade" => {
                self.unmasqueraded = !switch(value)?;
            }
            "com.docker.network.bridge.enable_icc" => self.isolated = !switch(value)?,
            "com.docker.network.bridge.host_binding_ipv4" => {
                let ip = value.parse().map_err(|_| "it must be an address")?;
                self.host_binding = Some(ip);
            }
            "com.docker.network.container_iface_prefix"
            | "com.docker.network.container_interface_prefix" => {
                self.interface_prefix = Some(link_name(value)?);
            }
            "com.docker.network.bridge.gateway_mode_ipv4"
            | "com.docker.network.bridge.gateway_mode_ipv6" => {
                if value != "nat" {
                    return Err("only `nat` is supported");
                }
            }
            "com.docker.network.bridge.default_bridge" => {
                switch(value)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Options of networks on top of a link of the host.
#[derive(Default)]
struct Links {
    parent: Option<String>,
    mode: Option<String>,
}

impl Links {
    fn read(&mut self, key: &str, value: &str) -> bool {
        match key {
            "parent" => self.parent = Some(value.to_owned()),
            "macvlan_mode" | "ipvlan_mode" => self.mode = Some(value.to_owned()),
            _ => return false,
        }
        true
    }

    fn kind(self, driver: &str) -> Option<NetworkKind> {
        let parent = self.parent?;
        Some(match driver {
            "macvlan" => NetworkKind::Macvlan {
                parent,
                mode: self.mode.unwrap_or_else(|| "bridge".into()),
            },
            _ => NetworkKind::Ipvlan {
                parent,
                mode: self.mode.unwrap_or_else(|| "l2".into()),
            },
        })
    }
}

fn switch(value: &str) -> Result<bool, &'static str> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it must be `true` or `false`"),
    }
}

fn link_name(value: &str) -> Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':');
    if value.is_empty() || value.len() > LINK_NAME || !value.chars().all(fits) {
        return Err("a link has a name of at most 15 letters, digits, `-`, `_` and `.`");
    }
    Ok(value.to_owned())
}
