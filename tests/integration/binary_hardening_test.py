"""What users run is built with the defenses that the compiler and the linker have."""

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

    def test_the_program_is_loaded_anywhere(self):
        self.assertRegex(readelf("-h"), r"Type: +DYN ")
        self.assertRegex(readelf("-d"), r"\(FLAGS_1\) .*\bPIE\b")

    def test_the_addresses_of_functions_are_read_only(self):
        self.assertRegex(readelf("-d"), r"\(FLAGS_1\) .*\bNOW\b")
        self.assertRegex(readelf("-l"), r"GNU_RELRO")

    def test_the_stack_is_not_executed(self):
        self.assertRegex(readelf("-l"), r"GNU_STACK .* RW +0x")

    def test_overwritten_stack_frames_are_noticed(self):
        self.assertIn(" __stack_chk_fail", self.symbols)

    def test_functions_of_the_c_library_check_sizes(self):
        self.assertRegex(self.symbols, r" __\w+_chk\b")

    def test_containers_check_indexes(self):
        self.assertIn("__glibcxx_assert_fail", self.symbols)

    def test_indirect_calls_reach_functions_only(self):
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
