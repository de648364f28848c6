"""The console script."""

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import attn_tui

SCRIPT = Path(sys.executable).parent / "attn-tui"


def run(*words, **options):
    return subprocess.run([SCRIPT, *words], capture_output=True, text=True, timeout=120, **options)


def test_the_script_is_the_module():
    [script] = [script for script in entry_points(group="console_scripts") if script.name == "attn-tui"]
    assert script.load() is attn_tui.main
    assert run("--version").stdout == f"attn-tui {attn_tui.__version__}\n"


def test_output_and_exit_status():
    shown = run("links", "demo", "-s", "It is late.", "--top", "1", "--csv")
    assert shown.returncode == 0 and shown.stdout.startswith("kind,layer,head,weight")
    usage = run("links", "demo", "--no-such-option")
    assert usage.returncode == 2 and "--no-such-option" in usage.stderr and "Usage: attn-tui links" in usage.stderr
    missing = run("heads", "no/such/folder")
    assert missing.returncode == 1
    assert "error: no/such/folder: no such file or folder" in missing.stderr and "hint:" in missing.stderr


def test_a_closed_pipe_is_no_error():
    shown = subprocess.run(f"'{SCRIPT}' heads demo -s 'It is late.' | head -1", shell=True, capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "") and "kind" in shown.stdout


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_a_command(tmp_path):
    sentences = tmp_path / "sentences.txt"
    sentences.write_text("The woman who lives near my parents is very tired.\n" * 20_000)
    command = subprocess.Popen(
        [SCRIPT, "heads", "demo", "--source-file", sentences],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    time.sleep(1)
    assert command.poll() is None
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=30)
    assert command.returncode in (-signal.SIGINT, 1, 130) and "Traceback" not in errors


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_the_explorer_gives_the_terminal_back():
    import fcntl
    import pty
    import select
    import struct
    import termios

    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("4H", 30, 100, 0, 0))
    before = termios.tcgetattr(child)
    environment = {**os.environ, "TERM": "xterm-256color"}
    explorer = subprocess.Popen([SCRIPT, "demo", "-s", "It is late.", "-t", "Il est tard."], stdin=child, stdout=child, stderr=child, env=environment)
    shown, end = b"", time.monotonic() + 60
    while b"tard" not in shown and time.monotonic() < end:
        if select.select([parent], [], [], 0.2)[0]:
            shown += os.read(parent, 65536)
    os.write(parent, b"q")
    while explorer.poll() is None and time.monotonic() < end:
        if select.select([parent], [], [], 0.2)[0]:
            shown += os.read(parent, 65536)
    while select.select([parent], [], [], 0.2)[0]:
        shown += os.read(parent, 65536)
    after = termios.tcgetattr(child)
    os.close(child)
    os.close(parent)
    assert explorer.returncode == 0
    # The alternate screen is entered and left, and the terminal reads lines again.
    assert shown.rfind(b"\x1b[?1049l") > shown.rfind(b"\x1b[?1049h") >= 0
    assert after[:4] == before[:4]
