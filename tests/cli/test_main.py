"""How a run ends: quiet on stderr, interrupted, or with a reader that has seen enough."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys

import pytest

from fastprune.cli import evaluate, prepare
from fastprune.cli.main import main


@pytest.mark.slow
def test_python_m_fastprune_is_quiet_on_stderr(files):
    """One real process: TensorFlow's start-up talk must not reach the user."""
    arguments = ["evaluate", files["test"], files["bd"], files["model"]]
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", "fastprune", *map(str, arguments)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Clean Classification accuracy: 95.0\n")


@pytest.mark.parametrize("method", ["write", "flush"])
@pytest.mark.slow
def test_a_reader_that_has_seen_enough(files, monkeypatch, method):
    def fail(*_):
        raise BrokenPipeError

    closed = io.StringIO()
    monkeypatch.setattr(closed, method, fail)
    monkeypatch.setattr(sys, "stdout", closed)
    assert main(["evaluate", *map(str, (files["test"], files["bd"], files["model"]))]) == 0
    sys.stdout.close()


def test_interrupting(run, files, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "evaluate", lambda _: None)
    monkeypatch.setattr(evaluate, "run", interrupt)
    status, out, err = run("evaluate", "a", "b", "c")
    assert (status, out) == (130, "")
    assert err == "fastprune: interrupted; no file was left half-written\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_being_ended_by_a_signal_cleans_up_as_by_hand(run, monkeypatch, name):
    cleaned = []

    def ended(_):
        try:
            signal.raise_signal(getattr(signal, name))
        finally:
            cleaned.append(name)

    before = signal.getsignal(getattr(signal, name))
    monkeypatch.setattr(prepare, "evaluate", ended)
    status, out, err = run("evaluate", "a", "b", "c")
    assert (status, out) == (130, "")
    assert err == "fastprune: interrupted; no file was left half-written\n"
    assert cleaned == [name]
    assert signal.getsignal(getattr(signal, name)) == before


def test_a_signal_that_is_ignored_stays_so(run, monkeypatch):
    """As under nohup."""

    survived = []

    def ended(_):
        signal.raise_signal(signal.SIGHUP)
        survived.append(True)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr(prepare, "evaluate", ended)
        assert run("evaluate", "a", "b", "c")[0] == 130
        assert survived
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
