//! What all FastCGI clients have in common: the same checks with the real nginx, Apache, HAProxy, lighttpd, Caddy, h2o and
//! cgi-fcgi in front of the real binary, configured with the files that we ship.
//!
//! A program that is missing fails the tests, with the name of its Debian package. `docs/clients.md` names these tests as the
//! proof of what it says.

#![cfg(feature = "module")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "web_servers/apache.rs"]
mod apache;
#[path = "web_servers/caddy.rs"]
mod caddy;
#[path = "clients/cgi_fcgi.rs"]
mod cgi_fcgi;
#[path = "clients/checks.rs"]
mod checks;
#[path = "web_servers/digest.rs"]
mod digest;
#[path = "web_servers/front.rs"]
mod front;
#[path = "web_servers/h2o.rs"]
mod h2o;
#[path = "web_servers/haproxy.rs"]
mod haproxy;
#[path = "web_servers/http.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod http;
#[path = "web_servers/kind.rs"]
mod kind;
#[path = "web_servers/lighttpd.rs"]
mod lighttpd;
#[path = "web_servers/mod_fcgid.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod mod_fcgid;
#[path = "clients/multiplexing.rs"]
mod multiplexing;
#[path = "web_servers/nginx.rs"]
mod nginx;
#[path = "clients/overload.rs"]
mod overload;
#[path = "web_servers/ports.rs"]
mod ports;
#[path = "web_servers/relay.rs"]
mod relay;
#[path = "clients/sendfile.rs"]
mod sendfile;
#[path = "web_servers/shipped.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod shipped;
#[path = "web_servers/site.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod site;
mod support;
#[path = "clients/table.rs"]
mod table;
#[path = "web_servers/tls.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod tls;
#[path = "web_servers/web_server.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod web_server;

use front::Connections;
use kind::Kind;
use site::Site;

/// A module of tests for one configuration file.
macro_rules! site_tests {
    ($name:ident, $site:expr $(, also $extra:ident)*) => {
        mod $name {
            use super::*;

            const SITE: Site = $site;

            site_tests!(@everywhere
                restart_between_requests_costs_none,
                connections_are_kept_or_closed_as_documented,
                $($extra,)*
            );
        }
    };
    (@everywhere $($extra:ident,)*) => {
        site_tests!(@checks
            paths_are_split_at_the_prefix,
            encoded_slashes_are_decoded_once,
            uploads_arrive_whole_with_their_length,
            chunked_uploads_arrive_whole_with_their_length,
            head_and_304_have_no_body,
            each_cookie_has_its_own_line,
            exception_is_a_plain_500,
            broken_response_with_a_length_is_cut,
            broken_response_without_a_length_ends_as_documented,
            response_arrives_piece_by_piece,
            slow_browser_gets_all_of_8_mib,
            browser_that_leaves_in_its_upload_is_not_served,
            browser_that_leaves_in_its_answer_harms_nobody,
            browser_that_leaves_a_silent_app_interrupts_it_as_documented,
            browser_that_leaves_a_stream_interrupts_it,
            $($extra,)*
        );
    };
    (@checks $($check:ident,)*) => {
        $(
            #[test]
            fn $check() {
                if !SITE.kind.is_left_out() {
                    checks::$check(&SITE);
                }
            }
        )*
    };
}

site_tests!(
    nginx_root_site,
    Site::new(Kind::Nginx, "nginx/root-tcp.conf", Connections::Kept),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    nginx_site_under_a_prefix,
    Site::new(Kind::Nginx, "nginx/prefix.conf", Connections::OneShot).below("/app"),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    apache_root_site,
    Site::new(Kind::Apache, "apache/proxypass.conf", Connections::Kept),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    apache_site_under_a_prefix,
    Site::new(Kind::Apache, "apache/prefix-sethandler.conf", Connections::Kept).below("/app"),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    apache_sethandler_root_site,
    Site::new(Kind::Apache, "apache/sethandler.conf", Connections::Kept),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    apache_proxypass_site_under_a_prefix,
    Site::new(Kind::Apache, "apache/prefix-proxypass.conf", Connections::Kept).below("/app"),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    apache_balancer_site,
    Site::new(Kind::Apache, "apache/balancer.conf", Connections::Kept),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

/// Apache starts pyfcgid, so it is not restarted here, and there is no address to count connections on.
mod mod_fcgid_root_site {
    use super::*;

    const SITE: Site = Site::new(Kind::ModFcgid, "apache/mod_fcgid.conf", Connections::OneShot);

    site_tests!(@everywhere
        the_web_server_keeps_what_is_its_own,
        upload_over_a_gibibyte_does_not_run_the_application,
        upload_over_the_limit_of_the_file_gets_413,
    );
}

site_tests!(haproxy_root_site, Site::new(Kind::Haproxy { threads: 1 }, "docs/clients/haproxy.cfg", Connections::Kept));

site_tests!(
    lighttpd_root_site,
    Site::new(Kind::Lighttpd, "docs/clients/lighttpd.conf", Connections::OneShot),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    lighttpd_site_under_a_prefix,
    Site::new(Kind::Lighttpd, "docs/clients/lighttpd-prefix.conf", Connections::OneShot).below("/app"),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    caddy_root_site,
    Site::new(Kind::Caddy, "docs/clients/Caddyfile", Connections::OneShot),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    caddy_site_under_a_prefix,
    Site::new(Kind::Caddy, "docs/clients/Caddyfile-prefix", Connections::OneShot).below("/app"),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    h2o_root_site,
    Site::new(Kind::H2o, "docs/clients/h2o.conf", Connections::Kept),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);

site_tests!(
    h2o_site_under_a_prefix,
    Site::new(Kind::H2o, "docs/clients/h2o-prefix.conf", Connections::Kept).below("/app"),
    also the_web_server_keeps_what_is_its_own,
    also upload_over_the_limit_of_the_file_gets_413
);
