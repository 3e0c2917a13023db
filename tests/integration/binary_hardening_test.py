"""The released binary has the compiler's and the linker's hardening features."""

import platform
import subprocess
import unittest

from support import tap


def readelf(*options):
    return subprocess.run(
        ["readelf", "-W", *options, tap.BINARY], capture_output=True, text=True, check=True
    ).stdout


class BinaryHardeningTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.symbols = readelf("--dyn-syms")
        if "__asan_init" in cls.symbols:
            raise unittest.SkipTest("sanitized: not what users run")

    def test_position_independent_executable(self):
        self.assertRegex(readelf("-h"), r"Type: +DYN ")
        self.assertRegex(readelf("-d"), r"\(FLAGS_1\) .*\bPIE\b")

    def test_full_relro(self):
        self.assertRegex(readelf("-d"), r"\(FLAGS_1\) .*\bNOW\b")
        self.assertRegex(readelf("-l"), r"GNU_RELRO")

    def test_no_executable_stack(self):
        self.assertRegex(readelf("-l"), r"GNU_STACK .* RW +0x")

    def test_stack_protector(self):
        self.assertIn(" __stack_chk_fail", self.symbols)

    def test_fortified_libc_calls(self):
        self.assertRegex(self.symbols, r" __\w+_chk\b")

    def test_container_assertions(self):
        self.assertIn("__glibcxx_assert_fail", self.symbols)

    def test_control_flow_protection(self):
        if platform.machine() != "x86_64":
            self.skipTest("of x86 only")
        code = subprocess.run(
            ["objdump", "-d", "--no-show-raw-insn", tap.BINARY],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        self.assertGreater(code.count("endbr64"), 500)


if __name__ == "__main__":
    unittest.main()
