"""GCC beside Clang: the package's own sources, each compiled into a folder of the user's cache.

    found     which compilers are here: the one that Python builds with, and one of another kind
      │
    builds    one extension each ── ladder/compiling ── ladder/building ── setup.py's flags
      │
    work      what is timed: a loop of the package, and a layer or a pooling for it
      │
    tasks     in a process for each, where the package finds that extension in place of its own
      │       (timing: what is asked of it there)
      │
    results ── part    compilers.json, a table of STUDY.md

Both are built alike and in the same place, so that the only difference is who compiled them. The
package itself stays as it was installed.
"""
