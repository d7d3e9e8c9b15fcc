"""Load through nginx while something is done: the benchmarks' generator, which checks every answer, inside of the machine."""

import json
import threading

from processes import Fault


class Load:
    """Batch after batch, until it is told to end and has had enough requests. Counts what was answered, and what failed."""

    def __init__(self, machine, path, expected, least=0):
        self.machine, self.least = machine, least
        self.command = (f"/root/load --http --connect 127.0.0.1:80 --path {path} --expect {expected} --requests {BATCH} --parallel 8 --json")
        self.answered, self.failed, self.first_fault, self.fault = 0, 0, None, None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.repeat)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.is_over.set()
        self.thread.join()

    def repeat(self):
        try:
            while not self.is_over.is_set() or self.answered < self.least:
                report = json.loads(self.machine.run(self.command, seconds=300))
                self.answered += int(report["requests"])
                self.failed += int(report["errors"])
                self.first_fault = self.first_fault or report["first_fault"]
        except (Fault, ValueError) as fault:
            self.fault = fault

    def expect_no_failure(self):
        """How many were answered."""
        self.end()
        if self.fault is not None:
            raise Fault(f"the load generator: {self.fault}")
        if self.failed or not self.answered:
            raise Fault(f"{self.failed} of {self.answered + self.failed} requests failed: {self.first_fault}")
        return self.answered


BATCH = 2000
