"""Uses up its descriptors, memory, processor, and what it is allowed at all."""
import ctypes
import os
import resource
import tempfile
import time

MOST_MEMORY = 200 << 20
MOST_DESCRIPTORS = 70_000


def descriptors(until):
    taken = []
    try:
        while len(taken) < MOST_DESCRIPTORS:
            taken.append(os.dup(0))
    except OSError:
        pass
    time.sleep(max(0, until - time.monotonic()))
    for descriptor in taken:
        os.close(descriptor)


def no_descriptor_more(until):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    time.sleep(max(0, until - time.monotonic()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def memory(until):
    balloon = bytearray(MOST_MEMORY)
    time.sleep(max(0, until - time.monotonic()))
    del balloon


def interpreter_lock(until):
    """Kept by a call that does not let go of it, as extension modules do."""
    ctypes.PyDLL(None).usleep(int(max(0, until - time.monotonic()) * 1e6))


def power(until):
    7 ** (7 ** 8)


def file_size(until):
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with tempfile.TemporaryFile(buffering=0, dir="own") as file:
        file.write(b"more than nothing")


def processor_time(until):
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))


def processes(until):
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def address_space(until):
    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY))
    time.sleep(max(0, until - time.monotonic()))
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def priority(until):
    os.nice(19)


ATTACKS = {
    "own_descriptors": descriptors,
    "own_descriptor_limit": no_descriptor_more,
    "own_memory": memory,
    "own_interpreter_lock": interpreter_lock,
    "own_power": power,
    "own_file_size_limit": file_size,
    "own_processor_limit": processor_time,
    "own_process_limit": processes,
    "own_address_space_limit": address_space,
    "own_priority": priority,
}
