"""Runs a program in a terminal: types, resizes, and tells what the screen was sent.

usage: top.py COLUMNS ROWS STEPS PROGRAM ARG...; STEPS is JSON: a list of {"wait": TEXT},
{"type": TEXT}, {"resize": [COLUMNS, ROWS]}. Prints {"status": N, "sent": TEXT, "restored": BOOL}.
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios, time

columns, rows, steps = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[4], sys.argv[4:])


def resize(columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.kill(pid, signal.SIGWINCH)


def is_cooked():
    return bool(termios.tcgetattr(fd)[3] & termios.ICANON)


sent, seen, status, cooked = b"", 0, None, None


def hear(seconds):
    """Reads for at most so long; False: the program is gone."""
    global sent
    if not select.select([fd], [], [], seconds)[0]:
        return True
    try:
        data = os.read(fd, 65536)
    except OSError:
        return False
    sent += data
    return data != b""


resize(columns, rows)
for step in steps:
    if "type" in step:
        os.write(fd, step["type"].encode())
    elif "resize" in step:
        seen = len(sent)
        resize(*step["resize"])
    else:
        until = time.monotonic() + 60
        while step["wait"].encode() not in sent[seen:]:
            if time.monotonic() > until or not hear(1):
                sys.exit("waited in vain for %r in %r" % (step["wait"], sent[seen:]))
        seen = sent.index(step["wait"].encode(), seen) + len(step["wait"].encode())
while hear(30):
    if b"\x1b[?1049l" in sent[-200:] and cooked is None:
        cooked = is_cooked()
_, code = os.waitpid(pid, 0)
print(json.dumps({"status": os.waitstatus_to_exitcode(code), "sent": sent.decode(), "restored": cooked}))
