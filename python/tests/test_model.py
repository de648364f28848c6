"""Models: options, errors, threads and signals."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import attn_tui

LONG = "The woman who lives near my parents is very tired. " * 8


def test_models_describe_themselves(model):
    assert (model.name, model.model_type, model.layers, model.heads) == ("demo", "marian", (3, 3), (6, 6))
    assert model.threads == 2 and model.parameters > 3_000_000
    assert repr(model) == "<Model demo (marian): 3 x 6 encoder, 3 x 6 decoder heads>"


def test_options_of_a_run(model):
    assert len(model.capture("It is late.", max_new_tokens=2).target_tokens) <= 3
    assert model.capture("It is late.", beams=3).target


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda model: model.open("no/such/folder"), attn_tui.Error, "no such file or folder"),
        (lambda model: model.open("some/model", offline=True), attn_tui.HubError, "some/model"),
        (lambda model: model.open("demo", device="tpu"), attn_tui.UsageError, "device: 'tpu' is not cpu, cuda or metal"),
        (lambda model: model.open("demo", threads=0), attn_tui.UsageError, "threads: at least 1"),
        (lambda model: model.open("demo", threads=65_537), attn_tui.UsageError, "threads: at most 65536"),
        (lambda model: model.capture(""), attn_tui.Error, "the source is empty"),
        (lambda model: model.capture(), attn_tui.UsageError, "give one of a source, audio="),
        (lambda model: model.capture("a", beams=0), attn_tui.UsageError, "from 1 to 65536"),
        (lambda model: model.capture("a", src_lang="xx"), attn_tui.Error, "xx"),
        (lambda model: model.capture(audio="a.wav"), attn_tui.Error, "demo"),
    ],
)
def test_errors_have_a_hint(model, call, kind, message, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(kind) as error:
        call(model)
    assert message in error.value.message
    assert error.value.hint and str(error.value) == f"{error.value.message}\nhint: {error.value.hint}"


def test_usage_errors_are_value_errors():
    assert issubclass(attn_tui.UsageError, ValueError)
    with pytest.raises(TypeError):
        attn_tui.Model.open("demo", treads=2)


def test_a_file_is_no_model(capture, tmp_path):
    capture.save(tmp_path / "maps.safetensors")
    with pytest.raises(attn_tui.UsageError, match="Capture.open opens it"):
        attn_tui.Model.open(tmp_path / "maps.safetensors")


def test_other_threads_run_while_the_model_computes(model):
    done = threading.Event()
    counted = 0

    def count():
        nonlocal counted
        while not done.is_set():
            counted += 1
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    # A thread that held the interpreter would let the counter run only before and after the run.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(10)
    counter.start()
    try:
        before = counted
        model.capture(LONG)
        during = counted - before
    finally:
        sys.setswitchinterval(interval)
        done.set()
        counter.join()
    assert during > 5


def test_one_model_serves_many_threads(model):
    sources = ["It is late.", "Where is the book?", "I am very tired.", LONG]
    alone = [model.capture(source).target for source in sources]
    found = [None] * len(sources)

    def run(at):
        found[at] = model.capture(sources[at]).target

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_stops_a_run():
    program = (
        "import attn_tui\n"
        "model = attn_tui.Model.open('demo', threads=1)\n"
        "print('open', flush=True)\n"
        "try:\n"
        "    while True:\n"
        f"        model.capture({LONG!r} * 4, beams=8)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped', model.capture('It is late.').target)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "open\n"
    time.sleep(0.3)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert (run.returncode, output.split()[0]) == (0, "stopped")
    assert len(output.split()) > 1
