"""Ctrl-C, in processes of their own: it ends a call within a step, and nothing else is disturbed."""

import os
import signal
import subprocess
import sys

import pytest

BEGIN = """
import os, signal, sys, threading, time
import numpy as np
import liblaser
# What a shell runs in the background ignores Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
x = np.random.default_rng(1).normal(size=(5000, 2))
said = []
def press(p=None):
    if not said:
        said.append(1)
        print("running", flush=True)
def source(seconds):
    def deliver(n):
        press()
        time.sleep(seconds)
        return np.random.default_rng(1).normal(size=(n, 2))
    return liblaser.Source(deliver, dim=2)
"""
CALLS = {
    "a training": "liblaser.train(x, progress=press)",
    "a training without a function of ours": "threading.Timer(0.5, press).start(); liblaser.train(x)",
    "a function that sleeps": "liblaser.train(source(100), source__failures=50)",
    "a function that is asked again": "liblaser.train(source(0.001), source__failures=50)",
    "a sampler": "m = liblaser.Model(liblaser.train(x, flow__epochs=1, flow__steps=5)); press(); m.sampler(1).generate(10**8, dtype=np.float32)",
    "a call within a callback": "liblaser.train(x, progress=lambda p: liblaser.train(x, progress=press))",
}


def pressed(code, end="except KeyboardInterrupt: print('interrupted', signal.getsignal(signal.SIGINT) is signal.default_int_handler)",
            number=signal.SIGINT):
    program = f"{BEGIN}\ntry:\n    {code}\n    print('ended')\n{end}\n"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "running\n", child.stderr.read()
    child.send_signal(number)
    try:
        return child.communicate(timeout=60)
    finally:
        child.kill()


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c(name):
    assert pressed(CALLS[name]) == ("interrupted True\n", "")


def test_the_callers_handler_is_asked():
    code = "signal.signal(signal.SIGINT, lambda *_: said.append(2)); liblaser.train(x, progress=press, flow__epochs=1, log=None)"
    out, errors = pressed(code, "finally: print(said)")
    assert out == "ended\n[1, 2]\n" and errors == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1])
def test_other_signals(number):
    code = f"signal.signal({int(number)}, lambda *_: sys.exit(7)); liblaser.train(x, progress=press)"
    assert pressed(code, "except SystemExit as end: print('exit', end)", number) == ("exit 7\n", "")


def test_other_threads_are_left_alone():
    code = """
    cancel, done = liblaser.Cancel(), threading.Event()
    def work():
        try:
            liblaser.train(x, cancel=cancel, progress=press)
        except liblaser.CancelledError:
            print("cancelled")
        done.set()
    threading.Thread(target=work).start()
    try:
        done.wait()
    finally:
        cancel.trip()
        done.wait()
"""
    out, errors = pressed(code.strip())
    assert out == "cancelled\ninterrupted True\n" and errors == ""


DAEMONS = {
    "a training with progress": "liblaser.train(x, progress=press)",
    "a training with messages alone": "press(); liblaser.train(x, flow__epochs=10**6, flow__patience=0)",
    "a training with a token": "press(); liblaser.train(x, flow__epochs=10**6, flow__patience=0, cancel=liblaser.Cancel())",
    "a function that is asked again": "liblaser.train(source(0.001), source__failures=50)",
    "a sampler of a function, again and again": """
    sampler = liblaser.Model(liblaser.Generator.from_callable(lambda z: z, 2, 2)).sampler(1)
    while True:
        try:
            sampler.generate(1000)
        except Exception:
            pass
        press()
""",
}


@pytest.mark.parametrize("name", DAEMONS)
def test_the_program_ends_while_a_daemon_thread_calls(name):
    program = f"""import atexit
atexit.register(lambda: print("at exit", liblaser.train(x, flow__epochs=1, flow__steps=5).event_dim))
{BEGIN}
def work():
    {DAEMONS[name]}
threading.Thread(target=work, daemon=True).start()
while not said:
    time.sleep(0.01)
time.sleep(0.1)
"""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "running\nat exit 2\n", "")


def test_a_forked_process_waits_for_no_call():
    program = f"""{BEGIN}
cancel = liblaser.Cancel()
thread = threading.Thread(target=lambda: liblaser.train(source(0.01), cancel=cancel))
threading.excepthook = lambda _: None
thread.start()
while not said:
    time.sleep(0.01)
assert liblaser._boundary.calls.running == 1
if os.fork() == 0:
    assert liblaser._boundary.calls.running == 0
    os._exit(0)
assert os.wait()[1] == 0
cancel.trip()
thread.join()
assert liblaser._boundary.calls.running == 0
"""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_library_that_is_none(tmp_path):
    broken = tmp_path / "liblaser.so.0"
    broken.write_bytes(b"no library")
    for path in (broken, "/lib/x86_64-linux-gnu/libc.so.6" if os.path.exists("/lib/x86_64-linux-gnu/libc.so.6") else "libc.so.6"):
        run = subprocess.run([sys.executable, "-c", "import liblaser"], env={**os.environ, "LASER_LIBRARY": str(path)}, capture_output=True, text=True)
        assert run.returncode and "ImportError: " in run.stderr and "liblaser" in run.stderr
