# Where the values of an array lie. The caller keeps the array alive, and has checked it.

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer


cdef const void* address_of(object array) except? NULL:
    """Return the first byte of a C-contiguous array, NULL for None."""
    cdef Py_buffer view
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)
    return view.buf


cdef void* writable_address_of(object array) except? NULL:
    """Return the same of an array that may be written to."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_WRITABLE)
    PyBuffer_Release(&view)
    return view.buf
