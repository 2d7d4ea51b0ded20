import platform
import subprocess
import sys

import pytest

# In a process of its own: what it sets stays. 32 blocks of half a megabyte, as bodies and batches are.
SCRIPT = """
import resource
from headgate_gateway.allocator import LARGE_BYTES, keep_freed_memory

def faults_of(size, count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        [bytearray(b"x") * size for _ in range(count)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

by_default = faults_of(2**19, 32)
assert keep_freed_memory()
faults_of(2**19, 32)
print(by_default, faults_of(2**19, 32), faults_of(8 * LARGE_BYTES, 1))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps or gives back as it likes")
def test_memory_that_was_freed_is_used_again_without_asking_the_system_and_large_blocks_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    by_default, kept, large = map(int, done.stdout.split())
    assert kept < by_default / 4
    assert large >= 20  # each of them brings pages that are new
