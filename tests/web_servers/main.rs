//! The real nginx, Apache and HAProxy in front of the real binary, configured with the files that we ship.
//!
//! A web server that is missing fails the tests, with the name of its Debian package.
//!
//! What a WSGI gateway must do for web servers, each because at least one of them breaks without it; the tests name the rules
//! by these numbers:
//!
//! 1. without KEEP_CONN close at once after END_REQUEST; 2. close in two steps; 3. with KEEP_CONN leave it open;
//! 4. the whole head in one write, no STDERR record alone; 5. `Status:` last; 6. a complete answer, always;
//! 7. no body for HEAD, 204, 304, none beyond Content-Length; 8. no END_REQUEST after a broken body;
//! 9. close what is not FastCGI; 10. whole records, nothing unasked; 11. answer GET_VALUES; 12. multiplex;
//! 13. take the body before the application runs; 14. complete at CONTENT_LENGTH or at the end of STDIN;
//! 15. any kind of CONTENT_LENGTH; 16. drop what must not be in an environ; 17. do not trust REMOTE_USER;
//! 18. join repeated headers; 19. SERVER_NAME and SERVER_PORT are never empty; 20. url_scheme from the server only;
//! 21. REMOTE_ADDR as sent; 22. SCRIPT_NAME and PATH_INFO; 23. a request without parameters; 24. PARAMS in pieces.
//!
//! Rule 10 is about bytes that no web server shows; `tests/requests.rs` has it.

#[path = "../support/mod.rs"]
mod support;

mod answers;
#[allow(dead_code, reason = "shared with other tests")]
mod apache;
mod authorizers;
mod back_ends;
mod caddy;
mod digest;
mod environ;
#[allow(dead_code, reason = "shared with other tests")]
mod front;
mod h2o;
mod haproxy;
mod http;
#[allow(dead_code, reason = "shared with other tests")]
mod kind;
mod lighttpd;
mod mod_fcgid;
mod multiplexed;
mod nginx;
mod ports;
mod relay;
mod requests;
mod shipped;
#[allow(dead_code, reason = "shared with other tests")]
mod site;
mod tls;
mod uploads;
#[allow(dead_code, reason = "shared with other tests")]
mod web_server;

use front::Connections;
use kind::Kind;
use site::Site;

/// Its file lets less in.
fn nginx_takes_no_memory_for_200_mib(site: &Site) {
    let lets_all_in = |file: shipped::Shipped| file.replace("client_max_body_size 10m;", "client_max_body_size 300m;");
    uploads::transfers_of_200_mib_take_no_memory(site, lets_all_in);
}

/// A module of tests for one site file: all checks that hold for every one of them, and those named in `also`.
macro_rules! site_tests {
    ($name:ident, $site:expr $(, also { $($extra:ident: $check:expr;)* })?) => {
        mod $name {
            use super::*;

            const SITE: Site = $site;

            site_tests!(@checks
                requests::environ_tells_path_query_scheme_and_address,
                requests::https_is_the_url_scheme_over_tls,
                requests::paths_arrive_whole_and_decoded_once,
                requests::paths_with_question_mark_and_line_feed,
                requests::repeated_slashes_are_merged_once,
                requests::absolute_target_is_a_path_with_a_host,
                requests::repeated_headers_and_cookies_arrive_joined,
                requests::credentials_pass_and_forgeable_variables_do_not,
                requests::big_request_headers_arrive_whole,
                requests::http_1_0_without_host_is_served,
                uploads::uploads_arrive_whole_with_their_length,
                uploads::empty_uploads_are_answered_at_once,
                uploads::upload_over_max_body_size_gets_413,
                uploads::upload_over_the_limit_of_the_file_gets_413,
                answers::statuses_and_headers_reach_the_browser,
                answers::head_204_and_304_have_no_body,
                answers::big_response_header_fits,
                answers::exception_is_a_plain_500,
                answers::response_that_breaks_in_the_middle_looks_broken,
                answers::response_arrives_piece_by_piece,
                answers::connections_are_kept_or_closed_as_asked,
                answers::the_web_server_keeps_what_is_its_own,
                answers::the_validator_has_no_complaint,
                answers::complaints_of_the_application_are_in_the_log,
                back_ends::overload_is_answered,
            );
            $($(
                #[test]
                fn $extra() {
                    $check(&SITE);
                }
            )*)?
        }
    };
    (@checks $($module:ident::$check:ident,)*) => {
        $(
            #[test]
            fn $check() {
                $module::$check(&SITE);
            }
        )*
    };
}

site_tests!(
    nginx_root_site,
    Site::new(Kind::Nginx, "nginx/root-unix.conf", Connections::OneShot),
    also {
        the_access_log_is_one_valid_object_a_line: answers::the_access_log_is_one_valid_object_a_line;
        an_x_request_id_of_nginx_is_kept: requests::an_x_request_id_of_nginx_is_kept;
        an_x_request_id_of_the_browser_is_kept_if_it_is_one: requests::an_x_request_id_of_the_browser_is_kept_if_it_is_one;
        unbuffered_uploads_arrive_whole: uploads::unbuffered_uploads_arrive_whole;
        transfers_of_200_mib_take_no_memory: nginx_takes_no_memory_for_200_mib;
    }
);

site_tests!(
    nginx_root_site_over_tcp,
    Site::new(Kind::Nginx, "nginx/root-tcp.conf", Connections::Kept),
    also {
        unbuffered_uploads_arrive_whole: uploads::unbuffered_uploads_arrive_whole;
        transfers_of_200_mib_take_no_memory: nginx_takes_no_memory_for_200_mib;
    }
);

site_tests!(nginx_site_under_a_prefix, Site::new(Kind::Nginx, "nginx/prefix.conf", Connections::OneShot).below("/app"));

site_tests!(
    nginx_upstream,
    Site::new(Kind::Nginx, "nginx/upstream.conf", Connections::Kept).with_back_ends(2),
    also {
        all_back_ends_are_used: back_ends::all_back_ends_are_used;
        a_stopped_back_end_is_passed_over: back_ends::a_stopped_back_end_is_passed_over;
        a_503_goes_to_the_next_back_end: back_ends::a_503_goes_to_the_next_back_end;
    }
);

site_tests!(nginx_stock_fastcgi_params, Site::new(Kind::Nginx, "nginx/stock-params.conf", Connections::OneShot));

site_tests!(
    apache_proxypass,
    Site::new(Kind::Apache, "apache/proxypass.conf", Connections::Kept),
    also {
        transfers_of_200_mib_take_no_memory: |site| uploads::transfers_of_200_mib_take_no_memory(site, |file| file);
    }
);

site_tests!(apache_sethandler, Site::new(Kind::Apache, "apache/sethandler.conf", Connections::Kept));

site_tests!(
    apache_proxypass_under_a_prefix,
    Site::new(Kind::Apache, "apache/prefix-proxypass.conf", Connections::Kept).below("/app")
);

site_tests!(
    apache_sethandler_under_a_prefix,
    Site::new(Kind::Apache, "apache/prefix-sethandler.conf", Connections::Kept).below("/app")
);

site_tests!(
    apache_balancer,
    Site::new(Kind::Apache, "apache/balancer.conf", Connections::Kept).with_back_ends(2),
    also {
        all_back_ends_are_used: back_ends::all_back_ends_are_used;
        a_stopped_back_end_is_passed_over: back_ends::a_stopped_back_end_is_passed_over;
    }
);
