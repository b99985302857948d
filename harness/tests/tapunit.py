# SPDX-License-Identifier: GPL-2.0
"""unittest with TAP output, for the tests of the harness."""

import sys
import unittest


class TapResult(unittest.TestResult):
    """Print one line for each test, after the tracebacks of a failed test."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.seen = (0, 0)
        self.skip = ""

    def startTest(self, test):
        super().startTest(test)
        self.seen = (len(self.failures), len(self.errors))
        self.skip = ""

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.skip = f" # SKIP {reason}"

    # Not in addSuccess etc., as a failed subtest calls none of them.
    def stopTest(self, test):
        super().stopTest(test)
        faults = self.failures[self.seen[0]:] + self.errors[self.seen[1]:]
        for _, text in faults:
            for line in text.splitlines():
                print(f"# {line}")
        self.number += 1
        name = ".".join(test.id().split(".")[-2:])
        verdict = "not ok" if faults else "ok"
        print(f"{verdict} {self.number} {name}{self.skip}", flush=True)


def main():
    """Run the tests of the calling script."""
    suite = unittest.defaultTestLoader.loadTestsFromName("__main__")
    print("TAP version 13")
    print(f"1..{suite.countTestCases()}", flush=True)
    result = TapResult()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
