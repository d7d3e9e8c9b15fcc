#!/bin/sh
# For a web server that knows only CGI: hands each request to a pyfcgid that runs already. Every request costs the start of a
# process (about a millisecond), but none of Python.
#
# Run the application; the mount tells it the prefix:
#     pyfcgid serve myproject.wsgi --listen unix:/run/pyfcgid/example.sock --threads 8 --mount /cgi-bin/app
#
# Install: the Debian package libfcgi-bin; this file as /usr/lib/cgi-bin/app, executable. The application is at /cgi-bin/app/ then.
# Behind Apache, `a2enmod cgid && a2enconf serve-cgi-bin && systemctl restart apache2`, with this in the site's VirtualHost:
#     # %2F in a path is a slash for the application.
#     AllowEncodedSlashes On
#     <Location "/cgi-bin/app">
#         # Apache keeps the Authorization header to itself unless told otherwise, and drops the Content-Length of responses.
#         CGIPassAuth On
#         SetEnv ap_trust_cgilike_cl 1
#         # A chunked upload would come as an empty one.
#         <If "-n %{HTTP:Transfer-Encoding}">
#             Redirect 411
#         </If>
#     </Location>
# The user that the web server runs CGI programs as (www-data on Debian) must be able to write to the socket: start pyfcgid as
# root with --user www-data --socket-group www-data (or another user, but the web server's group), or add --socket-mode 0666.
#
# Change: the socket, and /cgi-bin/app if the script has another name.
#
# Good to know: CGI knows no upload without CONTENT_LENGTH; what becomes of a chunked one depends on the web server. Behind Apache
# a response without Content-Length that breaks in the middle looks complete.
exec /usr/bin/cgi-fcgi -bind -connect /run/pyfcgid/example.sock
