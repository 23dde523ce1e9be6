"""Keeps the bindings in step with laser.h.

    python3 scripts/bindings            check them: a line per check, exit status 1 if one fails
    python3 scripts/bindings --write    first write anew what is generated: the C layers of include/laser.f90, julia/LaserRefine and python/,
                                        and the limits of model files that liblaser.export knows

A new C function fails here until C++, Fortran, Julia and Python have their twin of it.
"""

import sys

import cpp
import fortran
import header
import julia
import limits
import python


def main() -> int:
    if sys.argv[1:] not in ([], ["--write"]):
        print(__doc__)
        return 2
    described = header.read()
    languages = [cpp, fortran, julia, python, limits]
    if sys.argv[1:]:
        for language in languages:
            language.write(described)
    failures = 0
    for language in languages:
        for name, problems in language.check(described):
            failures += bool(problems)
            print(f"{'FAILED' if problems else 'ok'} {name}", flush=True)
            for problem in problems:
                print(f"    {problem}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
