import subprocess
import sys

CODE = """
from pellucid.machine import one_thread_each
with one_thread_each():
    import numpy as np
    from numba import njit
    assert njit(lambda a: np.dot(a, a))(np.eye(3))[0, 0] == 1.0  # by SciPy's library, loaded now at the latest
    from threadpoolctl import threadpool_info
    print({library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"})
"""


def test_products_of_compiled_code_stay_on_one_thread_too():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{1}"
