"""Decoders that hang, crash, lie or are killed cost one sentence, and the next file works."""

import os
import select
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from conftest import ROOT, SR, tone
from core.audio import ClipRef, Limits, _decode, _workers, info, load
from core.errors import AudioReadError

# The real child, except for files whose name asks for trouble.
FAULTY = """
import importlib.util, json, os, sys, types

spec = importlib.util.spec_from_file_location("child", {child!r})
child = sys.modules["child"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
real = child.handle

def handle(request, base):
    name = os.path.basename(request["path"]).split(".")[0]
    wait = os.path.join(os.path.dirname(request["path"]), "go")
    header, blocks = real(request, base)
    if name == "hang": child.threading.Event().wait()
    if name == "spin":
        while True: pass
    if name == "chatter": os.write(1, b"Error 1\\n"); os.write(2, b"Error 2\\n")
    if name == "slow":
        while not os.path.exists(wait): pass
    if name == "crash": os.abort()
    if name == "exit": os._exit(0)
    if name == "noise": child.json = types.SimpleNamespace(dumps=lambda _: "noise")
    if name == "list": child.json = types.SimpleNamespace(dumps=lambda _: "[1]")
    if name == "flood": child.json = types.SimpleNamespace(dumps=lambda _: "x" * 10**6)
    if name == "stranger": header["status"] = "fine"
    if name == "partial": del header["sr"]
    if name == "negative": header["frames"] = -5
    if name == "huge": header["frames"] = 10**12
    if name == "short":
        header["frames"] += 1
        header["id"] = child.number
        os.write(child.fd, json.dumps(header).encode() + b"\\n" + b"12345678")
        os._exit(0)
    if name == "number": header["id"] = -1
    return header, blocks

def dup(fd, dup=os.dup):
    child.fd = dup(fd)
    return child.fd

def loads(line):
    request = json.loads(line)
    child.number = request["id"]
    return request

child.os.dup = dup
child.json = types.SimpleNamespace(dumps=json.dumps, loads=loads)
child.handle = handle
child.main()
"""


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """A pool of two faulty workers in the place of the real one."""
    script = tmp_path / "faulty_child.py"
    script.write_text(FAULTY.format(child=os.fspath(_workers.CHILD)))
    made = _workers.Pool(script=script)
    monkeypatch.setattr(_decode, "pool", lambda: made)
    yield made
    made.close()


@pytest.fixture
def clip(wav):
    """A second of tone in a file of the given name."""
    return lambda name: ClipRef.of(wav(tone(440), f"{name}.wav"))


def pids(pool) -> list[int]:
    return [w.process.pid for w in pool.workers if w.process is not None]


@pytest.mark.parametrize("name", ["hang", "spin"])
def test_a_hang_ends_at_the_wall_limit_and_the_next_file_works(pool, clip, name):
    assert load(clip("good"))[0].size == SR
    said = rf"^{name}.wav: decoding took longer than 0\.05 s and was stopped\. Open it"
    with pytest.raises(AudioReadError, match=said):
        load(clip(name), limits=Limits(wall_s=0.05))
    assert load(clip("good"))[0].size == SR


@pytest.mark.parametrize(
    "name",
    [
        "crash",
        "exit",
        "noise",
        "list",
        "flood",
        "stranger",
        "partial",
        "negative",
        "huge",
        "short",
        "number",
    ],
)
def test_a_crash_or_a_bad_answer_costs_one_sentence_and_the_next_file_works(pool, clip, name):
    with pytest.raises(AudioReadError, match=f"^{name}.wav: the decoder failed on this file \\("):
        load(clip(name))
    assert load(clip("good"))[0].size == SR
    assert len(pids(pool)) == 1


def test_what_a_library_prints_does_not_get_into_the_answer(pool, clip):
    assert load(clip("chatter"))[0].size == SR
    assert info(clip("good")).duration_s == 1.0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")
def test_a_worker_killed_while_idle_is_replaced_unnoticed(pool, clip):
    load(clip("good"))
    worker = next(w for w in pool.workers if w.process)
    first = worker.process
    os.kill(first.pid, signal.SIGKILL)
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
    assert load(clip("good"))[0].size == SR
    assert worker.process.pid != first.pid


def test_a_worker_that_dies_before_it_sees_the_request_is_replaced_unnoticed(pool, clip):
    load(clip("good"))
    worker = next(w for w in pool.workers if w.process)
    first = worker.process
    first.kill()
    first.wait()
    first.poll = lambda: None  # the death is not known yet
    assert load(clip("good"))[0].size == SR
    assert worker.process is not first


def test_a_worker_is_replaced_at_the_end_of_its_life(clip):
    worker = _workers.Worker(life=2)
    seen = []
    try:
        for _ in range(4):
            worker.start()
            worker.served += 1
            seen.append(worker.process.pid)
    finally:
        worker.kill()
    assert seen[0] == seen[1] != seen[2] == seen[3]


def test_one_slow_file_does_not_hold_up_another(pool, clip, tmp_path):
    slow, sizes = clip("slow"), []
    thread = threading.Thread(target=lambda: sizes.append(load(slow)[0].size))
    thread.start()
    try:
        for _ in range(3):
            assert load(clip("good"))[0].size == SR
        assert sizes == []
    finally:
        (tmp_path / "go").touch()
        thread.join()
    assert sizes == [SR]


def test_one_thread_needs_one_process(pool, clip):
    for _ in range(5):
        load(clip("good"))
    assert len(pids(pool)) == 1


def test_warm_starts_all_and_starts_nothing_twice(pool, clip):
    pool.warm()
    started = pids(pool)
    assert len(started) == 2
    pool.warm()
    load(clip("good"))
    assert pids(pool) == started


def test_many_threads_get_their_own_answers(wav):
    clips = [ClipRef.of(wav(np.full(1000 + k, k / 16), f"{k}.flac")) for k in range(8)]
    wrong = []

    def work(k):
        for _ in range(12):
            y, _ = load(clips[k])
            if y.size != 1000 + k or abs(float(y[500]) - k / 16) > 1e-4:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_an_interrupted_request_does_not_leave_its_answer_to_the_next(pool, clip, monkeypatch):
    real = _workers.Worker._answer

    def interrupt(self, *args):
        monkeypatch.setattr(_workers.Worker, "_answer", real)
        raise KeyboardInterrupt

    load(clip("good"))
    monkeypatch.setattr(_workers.Worker, "_answer", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(clip("good"))
    assert info(clip("good")).duration_s == 1.0


def test_a_child_that_does_not_start_says_what_to_do(tmp_path, monkeypatch, clip):
    script = tmp_path / "child.py"
    script.write_text("import a_package_that_is_not_there\n")
    monkeypatch.setattr(_decode, "pool", lambda: _workers.Pool(script=script))
    with pytest.raises(AudioReadError, match=r"the decoder does not start\. Install the packages"):
        load(clip("good"))


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_workers_end_with_the_interpreter():
    out = run(
        "from core.audio import warm; from core.audio._workers import pool\n"
        "warm(); print(*[w.process.pid for w in pool().workers])"
    )
    started = [int(pid) for pid in out.stdout.split()]
    assert len(started) == 2, out.stderr
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux")
@pytest.mark.parametrize("name", ["good", "hang", "spin"])
def test_a_worker_does_not_outlive_a_parent_that_is_killed(tmp_path, clip, name):
    script = tmp_path / "faulty_child.py"
    script.write_text(FAULTY.format(child=os.fspath(_workers.CHILD)))
    code = (
        "import sys, threading; from pathlib import Path\n"
        "from core.audio import _decode, _workers, ClipRef, load\n"
        "pool = _workers.Pool(1, Path(sys.argv[1])); _decode.pool = lambda: pool\n"
        "load(ClipRef.of(sys.argv[2]))\n"
        "threading.Thread(target=lambda: load(ClipRef.of(sys.argv[3])), daemon=True).start()\n"
        "print(pool.workers[0].process.pid, flush=True); threading.Event().wait()"
    )
    arguments = [os.fspath(script), clip("good").path, clip(name).path]
    parent = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE
    )
    worker = os.pidfd_open(int(parent.stdout.readline()))
    try:
        parent.kill()
        parent.wait()
        assert select.select([worker], [], [], 20)[0]
    finally:
        os.close(worker)
        parent.stdout.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_fork_gets_workers_of_its_own_and_the_parent_keeps_its_own(clip):
    code = (
        "import os; from core.audio import ClipRef, load; from core.audio import _workers\n"
        f"clip = ClipRef.of({clip('good').path!r})\n"
        "own = lambda: {w.process.pid for w in _workers.pool().workers if w.process}\n"
        "load(clip); before = own()\n"
        "if not (pid := os.fork()):\n"
        "    assert own() == set()\n"
        "    assert load(clip)[0].size == 16000 and not own() & before\n"
        "    _workers.pool().close(); os._exit(0)\n"
        "status = os.waitpid(pid, 0)[1]\n"
        "assert load(clip)[0].size == 16000 and own() == before\n"
        "print('child', status)"
    )
    out = run(code)
    assert out.stdout == "child 0\n", out.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_the_child_is_confined(pool, clip):
    load(clip("good"))
    with open(f"/proc/{pids(pool)[0]}/limits") as f:
        limits = {line[:26].strip(): line[26:].split()[:2] for line in f}
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max open files"] == ["64", "64"]
    assert limits["Max address space"][0] != "unlimited"
    assert limits["Max cpu time"][0] != "unlimited"
