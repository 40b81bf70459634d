"""Compiled code is kept, and compiled anew where what it calls from another file has changed."""

import subprocess
import sys

CALLED = "from pellucid.compiled import kernel\n\n@kernel\ndef called(x):\n    return x + {n}\n"
CALLER = "from called import called\nfrom pellucid.compiled import kernel\n\n"
CALLER += "@kernel\ndef caller(x):\n    return called(x)\n"
RUN = """
import pellucid.compiled
pellucid.compiled.stamp = lambda: {stamp!r}
from caller import caller
print(caller(1), sum(caller.stats.cache_hits.values()))
"""


def answer(folder, n, stamp):
    (folder / "called.py").write_text(CALLED.format(n=n))
    code = RUN.format(stamp=stamp)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    value, hits = map(int, done.stdout.split())
    return value, hits


def test_what_was_compiled_is_kept_until_any_compiled_code_changes(tmp_path):
    (tmp_path / "caller.py").write_text(CALLER)
    assert answer(tmp_path, 1, "first") == (2, 0)
    assert answer(tmp_path, 1, "first") == (2, 1)
    assert answer(tmp_path, 5, "second") == (6, 0)  # without the stamp it would be the old code: 2
    assert answer(tmp_path, 5, "second") == (6, 1)
