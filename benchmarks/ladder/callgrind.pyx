# Requests to valgrind's callgrind, in which this process runs; elsewhere they do nothing.

cdef extern from "valgrind/callgrind.h":
    """
    /* The header's are statements; Cython knows functions. */
    #define begin_counting() do { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; } while (0)
    #define dump_counts(name) do { CALLGRIND_DUMP_STATS_AT(name); } while (0)
    #define end_counting() do { CALLGRIND_STOP_INSTRUMENTATION; } while (0)
    """
    void begin_counting()
    void dump_counts(const char* name)
    void end_counting()


def count(call, str name):
    """Call once, and have the instructions of it dumped under a name."""
    cdef bytes text = name.encode()
    begin_counting()
    call()
    dump_counts(text)
    end_counting()
