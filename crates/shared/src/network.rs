//! Networks of IP addresses, as they are written in lists of who may connect.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The addresses that have these first bits. IPv4 addresses in the form of IPv6 (`::ffff:192.0.2.1`) are the IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    address: IpAddr,
    /// Invariant: at most the bits of the address, and 0 of the address behind them.
    length: u8,
}

impl Network {
    /// Parses `192.0.2.1`, `192.0.2.0/24`, `2001:db8::1` or `2001:db8::/32`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let written: IpAddr = address.parse().map_err(|_| NO_ADDRESS)?;
        let address = written.to_canonical();
        // Of ::ffff:192.0.2.0/120, the bits of the form do not count.
        let of_the_form = bits(written) - bits(address);
        let length = match length {
            None => bits(address),
            Some(digits) if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => return Err(NO_LENGTH),
            Some(digits) => digits.parse::<u8>().ok().and_then(|length| length.checked_sub(of_the_form)).ok_or(NO_LENGTH)?,
        };
        if length > bits(address) {
            return Err(NO_LENGTH);
        }
        let network = Self { address, length };
        if number(address) & network.rest() == 0 { Ok(network) } else { Err(BITS_BEHIND) }
    }

    /// Whether it has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let different = number(address) ^ number(self.address);
        address.is_ipv4() == self.address.is_ipv4() && different & !self.rest() == 0
    }

    /// The bits behind the first ones.
    fn rest(&self) -> u128 {
        !u128::MAX.checked_shl(u32::from(bits(self.address) - self.length)).unwrap_or(0)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length == bits(self.address) {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.length),
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

const NO_ADDRESS: &str = "must be an IP address or a network, as in 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32";
const NO_LENGTH: &str = "must have a prefix length after the /, at most 32, or 128 for IPv6";
const BITS_BEHIND: &str = "has bits set beyond its prefix length: 10.0.0.0/8, not 10.1.2.3/8";

#[cfg(test)]
mod tests {
    use super::*;

    fn has(network: &str, address: &str) -> bool {
        Network::parse(network).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_with_its_first_bits() {
        for (network, within, outside) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.128.0.0/9", "10.128.0.0", "10.127.255.255"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::/0", "2001:db8::", "127.0.0.1"),
        ] {
            assert!(has(network, within) && !has(network, outside), "{network}");
        }
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_the_form_of_ipv6() {
        assert!(has("192.0.2.0/24", "::ffff:192.0.2.7") && has("::ffff:192.0.2.0/120", "192.0.2.7"));
        assert!(!has("::/0", "::ffff:192.0.2.7") && !has("::ffff:192.0.2.0/120", "192.0.3.7"));
    }

    #[test]
    fn what_is_no_network_is_told() {
        for (text, told) in [
            ("", NO_ADDRESS),
            ("localhost", NO_ADDRESS),
            ("192.0.2", NO_ADDRESS),
            ("192.0.2.1:80", NO_ADDRESS),
            ("192.0.2.0/33", NO_LENGTH),
            ("::/129", NO_LENGTH),
            ("::/256", NO_LENGTH),
            ("192.0.2.0/", NO_LENGTH),
            ("192.0.2.0/+8", NO_LENGTH),
            ("::ffff:192.0.2.0/95", NO_LENGTH),
            ("192.0.2.1/24", BITS_BEHIND),
            ("2001:db8::1/64", BITS_BEHIND),
        ] {
            assert_eq!(Network::parse(text), Err(told), "{text}");
        }
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        for text in ["192.0.2.1", "10.0.0.0/8", "::1", "2001:db8::/32", "0.0.0.0/0", "::/0"] {
            assert_eq!(Network::parse(text).unwrap().to_string(), text);
        }
    }
}
