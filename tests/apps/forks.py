"""Works in a forked process, as multiprocessing does."""
import multiprocessing
import os


def work(pipe):
    pipe.send(f"from a child, {os.getpid() != os.getppid()}")


def application(environ, start_response):
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=work, args=(sender,))
    child.start()
    text = receiver.recv() if receiver.poll(20) else "nothing came"
    child.join(20)
    start_response("200 OK", [("X-Exit-Code", str(child.exitcode))])
    return [text.encode()]
