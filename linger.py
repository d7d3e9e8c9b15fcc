# The application of a pool: sends sockets whose close(2) waits (SO_LINGER) through its log channel to the supervisor.
import os, socket, struct, array
KEEP = []
def lingering():
    l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen(1)
    c = socket.create_connection(l.getsockname()); p, _ = l.accept(); KEEP.append((l, p))
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 3600)); c.setblocking(False)
    try:
        while True: c.send(b'x' * 65536)
    except BlockingIOError: pass
    return c
def log_channel():
    for n in map(int, os.listdir('/proc/self/fd')):
        try: s = socket.socket(fileno=os.dup(n))
        except OSError: continue
        if s.family == socket.AF_UNIX and s.type == socket.SOCK_SEQPACKET and any(s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16)): return s
def application(environ, start_response):
    s = log_channel(); n = 0
    cs = [lingering() for _ in range(30)]
    for c in cs:
        try: s.sendmsg([b'Ihello'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [c.fileno()]))], socket.MSG_DONTWAIT); n += 1
        except OSError as e: break
    for c in cs: c.close()
    start_response('200 OK', [('Content-Type','text/plain')]); return [b'sent %d' % n]
