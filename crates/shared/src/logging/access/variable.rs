//! The variables of an access log's format, by name.

use strum::{EnumString, VariantNames};

use crate::settings;

/// What the name of a variable stands for.
#[derive(Clone, Debug, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Variable {
    /// What the peer sent by this name, one of many.
    #[strum(disabled)]
    Param(Vec<u8>),
    BodyBytesSent,
    CpuTime,
    Host,
    Msec,
    Pid,
    Pool,
    QueueTime,
    Request,
    RequestId,
    RequestLength,
    RequestTime,
    RequestUri,
    Status,
    StatusDetail,
    TimeIso8601,
    TimeLocal,
    Worker,
}

impl Variable {
    pub(super) fn parse(name: &str) -> Option<Self> {
        if let Some(header) = name.strip_prefix("http_").filter(|header| !header.is_empty()) {
            return Some(Self::Param(format!("HTTP_{}", header.to_ascii_uppercase()).into_bytes()));
        }
        name.parse().ok().or_else(|| PARAMS.contains(&name).then(|| Self::Param(name.to_ascii_uppercase().into_bytes())))
    }

    /// Whether it is a number, which pyfcgid has made.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::BodyBytesSent | Self::RequestLength | Self::Status | Self::Pid | Self::Worker)
            || matches!(self, Self::CpuTime | Self::Msec | Self::QueueTime | Self::RequestTime)
    }
}

/// The name that was most likely meant: the shortest that begins with this one, or one that is nearly the same.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    // The first is no name of one.
    let names = || Variable::VARIANTS[1..].iter().chain(PARAMS).copied();
    let longer = names().filter(|known| !name.is_empty() && known.starts_with(name)).min_by_key(|known| known.len());
    longer.or_else(|| settings::nearest(name, names()))
}

/// Those that the peer sends by the same name, in capitals.
const PARAMS: &[&str] = &[
    "auth_type",
    "content_length",
    "content_type",
    "path_info",
    "query_string",
    "remote_addr",
    "remote_port",
    "remote_user",
    "request_method",
    "request_scheme",
    "script_name",
    "server_addr",
    "server_name",
    "server_port",
    "server_protocol",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_params_in_small_letters() {
        assert_eq!(Variable::parse("remote_addr"), Some(Variable::Param(b"REMOTE_ADDR".to_vec())));
        assert_eq!(Variable::parse("http_x_forwarded_for"), Some(Variable::Param(b"HTTP_X_FORWARDED_FOR".to_vec())));
        assert_eq!(Variable::parse("status"), Some(Variable::Status));
        assert_eq!(["http_", "Status", "param", ""].map(Variable::parse), [None, None, None, None]);
    }

    #[test]
    fn the_nearest_name_is_one_that_was_meant() {
        let table = [
            ("requst", "request"),
            ("remote_adr", "remote_addr"),
            ("time", "time_local"),
            ("remote", "remote_addr"),
            ("statuss", "status"),
        ];
        for (name, expected) in table {
            assert_eq!(nearest(name), Some(expected), "{name}");
        }
        assert_eq!(["foo", "", "x", "upstream_addr"].map(nearest), [None; 4]);
    }
}
