"""How often 64 threads can wait 5 ms each: what the machine's clock allows. `clock.py THREADS TIMES` prints one JSON object."""

import json
import sys
import threading
import time


def wait_often(times):
    for _ in range(times):
        time.sleep(0.005)


def main():
    count, times = int(sys.argv[1]), int(sys.argv[2])
    threads = [threading.Thread(target=wait_often, args=[times]) for _ in range(count)]
    cpu, begin = time.process_time(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    print(json.dumps({"cpu_us_per_request": cpu * 1e6 / times / count, "rps": times * count / seconds}))


main()
