# Confines itself, then becomes the launcher: a small native program that starts compilers and
# what they made. It keeps the one privilege that pid namespaces need, and gives it to nobody.

import _socket
import marshal

FILTERS, WORK = 61, 62
CAP_SYS_ADMIN = 21
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2


def keep_capability():
    """The capability stays over the change of program, which has no user who owns it."""
    word = (1 << CAP_SYS_ADMIN).to_bytes(4, "little")
    header = (0x20080522).to_bytes(4, "little") + bytes(4)
    data = ctypes.create_string_buffer(word * 3 + bytes(12))
    checked(C.capset(ctypes.c_char_p(header), data), "capset")
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c_long(CAP_SYS_ADMIN))


def launch():
    global PLAN
    os.dup2(0, CONTROL)
    control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fileno=CONTROL)
    PLAN = marshal.loads(control.recv(1 << 16))
    try:
        executable = memory_file(PLAN["launcher"])
        filters = memory_file(PLAN["filters"])
        null = os.open("/dev/null", os.O_RDWR)
        move_away()
        os.dup2(filters, FILTERS)
        work = os.open(PLAN["work"], os.O_RDONLY | os.O_DIRECTORY)
        os.dup2(work, WORK)
        landlock = min(landlock_version(), 9) if PLAN["landlock"] else 0
        layers = (PLAN["namespaces"], landlock, PLAN["seccomp"])
        # The launcher puts its own filter in force: ours would not let it start.
        PLAN["seccomp"] = False
        confine_zygote()
        os.dup2(null, 0)
        if PLAN["namespaces"]:
            keep_capability()
    except Step as step:
        control.send(b"N" + "\n".join(step.args).encode())
        os._exit(1)
    # The interpreter ignores it, and what is ignored stays so.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execve(executable, ["launcher", "".join(str(int(layer)) for layer in layers)], {})


launch()
