"""Runs a function of its own in a process that multiprocessing starts anew, and answers with how that ended."""
import multiprocessing


def work():
    pass


def application(environ, start_response):
    process = multiprocessing.get_context("spawn").Process(target=work)
    process.start()
    process.join(20)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(process.exitcode).encode()]
