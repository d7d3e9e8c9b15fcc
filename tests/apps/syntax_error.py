"""Is no Python."""

def application(environ, start_response)
    return []
