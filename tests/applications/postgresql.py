"""A PostgreSQL of its own for a recipe: in its directory, on its port, as the application's user."""

import glob

from processes import APPLICATION_USER, Fault, run


def helper(site):
    """Makes the cluster, and tells how to start its server. Who connects is the user postgres, without a password."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not programs:
        raise Fault("there is no PostgreSQL: install postgresql")
    place = site.data / "postgresql"
    run([f"{programs[-1]}/initdb", "-D", place, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
        site.set_up_log, {}, site.data, APPLICATION_USER)
    port = site.port("postgresql")
    command = [f"{programs[-1]}/postgres", "-D", place, "-p", port, "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    return "postgresql", command, {}, port
