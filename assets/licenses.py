"""Writes licenses.txt: every crate that is linked into the program, with the texts of their licences.

    python assets/licenses.py

Run it after a change of Cargo.lock. Crates are those of all targets with the default features. The texts are those in
the published crates; equal ones are printed once, below the names of their crates. Where a crate offers a choice, all
its texts are printed. The program prints the file with `attn-tui --licenses`.
"""

import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = ("LICEN", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")
HEAD = """\
attn-tui is licensed under MIT or Apache-2.0, at your choice.

The program contains the crates below, each under its own licence. Those under MPL-2.0 (symphonia, which decodes sound
files) are unchanged; their source is published at crates.io under the name and version given here.

It also contains:
- demo, demo-rnn and demo-rnn-plain, models trained for it on sentence pairs of tatoeba.org, by way of
  www.manythings.org/anki, CC BY 2.0 FR; filtered and normalised.
- demo-ocr, a model trained for it on rendered lines of the same sentences, of the word list wamerican (public domain)
  and of prose.
- demo-speech, maps of OpenAI's Whisper tiny.en (MIT) on a recording of LibriVox, which is in the public domain.
- DejaVu Sans, the font of PNG exports, reduced to the characters that they need; its licence stands last.
"""


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def linked():
    """(name, version, licence) of the crates, sorted."""
    arguments = ["-e", "normal", "--prefix", "none", "-f", "{p}|{l}", "--target", "all", "-p", "attn-tui"]
    lines = run("cargo", "tree", "--locked", *arguments).splitlines()
    crates = set()
    for line in lines:
        package, _, licence = line.partition("|")
        name, version, *rest = package.split()
        if not any(word.startswith("(/") for word in rest):
            crates.add((name, version.lstrip("v"), re.sub(r" \(\*\)$", "", licence)))
    return sorted(crates)


def main():
    packages = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1"))["packages"]
    folders = {(p["name"], p["version"]): pathlib.Path(p["manifest_path"]).parent for p in packages}
    crates = linked()
    texts = {}
    for name, version, _ in crates:
        for path in sorted(folders[name, version].iterdir()):
            if path.is_file() and path.name.upper().startswith(NAMES):
                lines = [line.rstrip() for line in path.read_text(errors="replace").strip("\ufeff\n").splitlines()]
                entry = texts.setdefault(" ".join(" ".join(lines).split()), ("\n".join(lines), []))
                if name not in entry[1]:
                    entry[1].append(name)
    out = [HEAD]
    out.append("Crates:\n" + "\n".join(f"  {name} {version}  {licence}" for name, version, licence in crates) + "\n")
    font = (ROOT / "assets/fonts/LICENSE").read_text().strip()
    for text, names in [*texts.values(), (font, ["DejaVu Sans"])]:
        out.append("-" * 80 + "\n" + ", ".join(names) + "\n\n" + text + "\n")
    (ROOT / "assets/licenses.txt").write_text("\n".join(out))


if __name__ == "__main__":
    main()
