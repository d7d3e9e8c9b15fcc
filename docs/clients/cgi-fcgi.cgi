#!/bin/sh
# For a web server that knows only CGI: hands each request to a pyfcgid that runs already. Every request costs the start of a
# process (about a millisecond), but none of Python.
#
# Run the application (under a prefix, the web server tells it apart by SCRIPT_NAME):
#     pyfcgid serve myproject.wsgi --listen unix:/run/pyfcgid/example.sock --threads 8
#
# Install: the Debian package libfcgi-bin; this file as /usr/lib/cgi-bin/app, executable. The application is at /cgi-bin/app/ then.
# The user that the web server runs CGI programs as (www-data on Debian) must be able to write to the socket: start pyfcgid as
# root with --user www-data --socket-group www-data (or another user, but the web server's group), or add --socket-mode 0666.
#
# Change: the socket.
#
# Good to know: with chunked uploads it depends on the web server; CGI knows none without CONTENT_LENGTH.
exec /usr/bin/cgi-fcgi -bind -connect /run/pyfcgid/example.sock
