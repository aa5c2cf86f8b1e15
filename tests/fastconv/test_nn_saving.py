"""Parameters go to a file and come back; a file that does not fit, or is from a stranger, fails."""

import errno
import io
import os
import pickle
import re
import struct
import zipfile

import numpy as np
import pytest

from fastconv import nn
from tests.comparing import assert_equal
from tests.support import assert_refused


def network(seed=0, dtype=np.float32, filters=3):
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Conv2d(1, filters, 3, rng=rng, dtype=dtype),
        nn.Flatten(),
        nn.Linear(filters * 4, 2, rng=rng, dtype=dtype),
    )


NAMES = ["0.weight", "0.bias", "2.weight", "2.bias"]


def entries(**changed):
    """Return what fits the network, except for some entries; None leaves one out."""
    state = network(1).state_dict() | {name.replace("_", "."): v for name, v in changed.items()}
    return {name: value for name, value in state.items() if value is not None}


def unchanged(one):
    expected = network().state_dict()
    state = one.state_dict()
    return list(state) == NAMES and all(np.array_equal(state[k], expected[k]) for k in NAMES)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("file", ["weights.npz", "weights", "weights.of.a.network"])
def test_what_is_saved_is_loaded(tmp_path, dtype, file):
    one, other = network(1, dtype), network(2, dtype)
    one.save(tmp_path / file)
    assert os.listdir(tmp_path) == [file]
    other.load(str(tmp_path / file))
    x = np.random.default_rng(0).random((2, 1, 4, 4)).astype(dtype)
    assert_equal(other.predict(x), one.predict(x))
    assert_equal(other.forward(x), one.predict(x))


def test_a_file_is_replaced_when_the_new_one_is_complete(tmp_path, monkeypatch):
    path = tmp_path / "weights.npz"
    network(1).save(path)
    path.chmod(0o640)
    whole = path.read_bytes()
    (tmp_path / "link.npz").symlink_to(path)
    network(2).save(tmp_path / "link.npz")
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_bytes() != whole
    assert (tmp_path / "link.npz").is_symlink()
    whole = path.read_bytes()

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(OSError, match="No space left"):
        network(3).save(path)
    assert path.read_bytes() == whole
    assert sorted(os.listdir(tmp_path)) == ["link.npz", "weights.npz"]


def test_numpy_reads_and_writes_the_same_files(tmp_path):
    one, other = network(1), network(2)
    one.save(tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz") as file:
        assert file.files == NAMES
        np.savez_compressed(tmp_path / "theirs.npz", **dict(file))
    other.load(tmp_path / "theirs.npz")
    assert_equal(other.layers[0].weight.value, one.layers[0].weight.value)
    swapped = {name: value.astype(">f4") for name, value in one.state_dict().items()}
    np.savez(tmp_path / "swapped.npz", **swapped)
    third = network(3)
    third.load(tmp_path / "swapped.npz")
    assert third.layers[0].weight.value.dtype.isnative
    assert_equal(third.layers[0].weight.value, one.layers[0].weight.value)


def test_a_state_is_a_copy_and_loads_from_memory():
    one, other = network(1), network(2)
    state = one.state_dict()
    other.load_state_dict(state)
    state["0.bias"][...] = 5
    assert_equal(other.layers[0].bias.value, one.layers[0].bias.value)
    assert not one.layers[0].bias.value.any()


MISFITS = {
    "missing": (entries(**{"0_bias": None}), "has no '0.bias'"),
    "all missing": ({}, "has no '0.weight', '0.bias', '2.weight', '2.bias'"),
    "surplus": (entries(**{"9_bias": np.ones(2, "f4")}), "has '9.bias', which no parameter"),
    "shape": (
        entries(**{"2_weight": np.ones((2, 11), "f4")}),
        "has '2.weight' of shape (2, 11), not (2, 12)",
    ),
    "dtype": (entries(**{"2_bias": np.ones(2)}), "has '2.bias' of dtype float64, not float32"),
    "ints": (entries(**{"2_bias": np.ones(2, "i4")}), "'2.bias' of dtype int32, not float32"),
    "all at once": (
        entries(**{"0_bias": None, "0_other": np.ones(2), "2_bias": np.ones(3, "f4")}),
        "has no '0.bias'; it has '0.other', which no parameter is called; "
        "it has '2.bias' of shape (3,), not (2,)",
    ),
    "many": (
        entries(**{f"x{i}": np.ones(1) for i in range(9)}),
        "'x0', 'x1', 'x2', 'x3', 'x4' and 4 more",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_entries_that_do_not_fit_are_named_and_nothing_is_changed(tmp_path, name):
    state, words = MISFITS[name]
    one = network()
    with pytest.raises(ValueError, match=re.escape(words)):
        one.load_state_dict(state)
    np.savez(tmp_path / "state.npz", **state)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        one.load(tmp_path / "state.npz")
    assert "state.npz" in str(caught.value)
    assert unchanged(one)


class Harmful:
    """What a pickle of it would do to whoever loads it."""

    def __reduce__(self):
        return os.mkdir, ("harmed",)


def _zip(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _npy(array, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def _objects():
    return _npy(np.array([Harmful()], object), allow_pickle=True)


def _terabyte():
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f4", "fortran_order": False, "shape": (2**38,)}
    )
    return stream.getvalue()


def _long_header():
    """Half a gigabyte of spaces, of which a file takes a thousandth."""
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**29) + b" " * 2**16


def _many_digits():
    """An extent that Python reads, and refuses to print."""
    extent = "0x" + "f" * 9000
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({extent},)}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


FITTING = entries()
WHOLE = _npy(np.ones((3, 1, 3, 3), "f4"))
STRANGE = {
    "a pickle": (pickle.dumps(Harmful()), "is not an .npz file"),
    "an .npy file of objects": (_objects(), "is not an .npz file"),
    "an archive of objects": (_zip(**{"0.weight.npy": _objects()}), "Python objects"),
    "an archive of pickles": (_zip(**{"0.weight.npy": pickle.dumps(Harmful())}), "not an array"),
    "an archive of text": (_zip(**{"0.weight.npy": b"hello"}), "'0.weight.npy' is not an array"),
    "a header of code": (
        _zip(**{"0.weight.npy": WHOLE.replace(b"'<f4'", b"open(1"[:5])}), "is not an array",
    ),
    "a future format": (_zip(**{"0.weight.npy": b"\x93NUMPY\x09\x00" + WHOLE[8:]}), "not an array"),
    "a terabyte": (_zip(**{"0.weight.npy": _terabyte()}), "of shape (274877906944,)"),
    "a header of gigabytes": (_zip(**{"0.weight.npy": _long_header()}), "has 536870912 bytes, and"),
    "an extent of many digits": (
        _zip(**{"0.weight.npy": _many_digits()}), "of shape a tuple of very large numbers",
    ),
    "an entry that is no .npy": (
        _zip(**{"0.weight.npy": WHOLE, "readme": b"hello"}), "has 'readme', no .npy",
    ),
    "an array that goes on": (
        _zip(**{f"{name}.npy": _npy(v) + b"x" * (name == "2.bias") for name, v in FITTING.items()}),
        "the entry '2.bias.npy' goes on after its array",
    ),
    "an array that ends early": (
        _zip(**{f"{n}.npy": _npy(v)[: 130 if n == "2.bias" else None] for n, v in FITTING.items()}),
        "the entry '2.bias.npy' is damaged",
    ),
    "an empty file": (b"", "is not an .npz file"),
    "text": (b"0.weight = 1\n", "is not an .npz file"),
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_a_file_from_a_stranger_runs_no_code(tmp_path, monkeypatch, name):
    content, words = STRANGE[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.npz").write_bytes(content)
    one = network()
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        one.load("file.npz")
    assert "file.npz" in str(caught.value)
    assert os.listdir(tmp_path) == ["file.npz"]
    assert unchanged(one)


@pytest.mark.parametrize("first", ["fits", "does not fit"])
def test_an_entry_that_is_there_twice_is_refused(tmp_path, first):
    """Readers do not agree on which of the two they mean."""
    other = np.ones((2, 12), "f4") if first == "fits" else np.ones(1)
    with zipfile.ZipFile(tmp_path / "twice.npz", "w") as archive:
        archive.writestr("2.weight.npy", _npy(other))
        for name, value in FITTING.items():
            if name == "2.weight":
                with pytest.warns(UserWarning, match="Duplicate name"):
                    archive.writestr(f"{name}.npy", _npy(value))
            else:
                archive.writestr(f"{name}.npy", _npy(value))
    one = network()
    with pytest.raises(ValueError, match=r"twice\.npz has '2\.weight\.npy' more than once"):
        one.load(tmp_path / "twice.npz")
    assert unchanged(one)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_numpy_does_not_compress_by_is_refused(tmp_path, compression):
    with zipfile.ZipFile(tmp_path / "small.npz", "w", compression) as archive:
        for name, value in FITTING.items():
            archive.writestr(f"{name}.npy", _npy(value))
    one = network()
    with pytest.raises(ValueError, match=r"small\.npz has '0\.weight\.npy', .* compressed"):
        one.load(tmp_path / "small.npz")
    assert unchanged(one)


MASKED = np.ma.masked_equal(np.ones(2, "f4"), 1)
NO_STATES = {
    "a list": ([1, 2], TypeError, ["state must be a mapping of names to arrays, not list"]),
    "nothing": (None, TypeError, ["state must be a mapping", "NoneType"]),
    "masked": (
        entries(**{"0_bias": np.ma.masked_all(3, "f4"), "2_bias": MASKED}), TypeError,
        ["state['0.bias'] is a masked array", "state['2.bias'] is a masked array", "fill it"],
    ),
    "ragged": (
        entries(**{"2_bias": [[1.0], [1.0, 2.0]]}), TypeError, ["state['2.bias'] must be an array"],
    ),
    "objects": (
        entries(**{"2_bias": np.array([None, 1.0])}), ValueError, ["'2.bias' of dtype object"],
    ),
    "text": (entries(**{"2_bias": ["a", "b"]}), ValueError, ["'2.bias' of dtype <U1"]),
    "several": (
        entries(**{"0_weight": np.ones(3, "f4"), "2_bias": np.ones(2)}), ValueError,
        ["'0.weight' of shape (3,), not (3, 1, 3, 3)", "'2.bias' of dtype float64, not float32"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_STATES)
def test_what_is_no_state_is_refused_before_anything_is_changed(name):
    state, error, words = NO_STATES[name]
    one = network()
    assert_refused(lambda: one.load_state_dict(state), error, *words)
    assert unchanged(one)


def test_a_damaged_file_is_refused_wherever_it_is_damaged(tmp_path):
    one = network(1)
    path = tmp_path / "weights.npz"
    one.save(path)
    whole = path.read_bytes()
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        other = network()
        with pytest.raises(ValueError, match=r"weights\.npz"):
            other.load(path)
        assert unchanged(other)
    data = whole.index(one.layers[0].weight.value.tobytes())
    path.write_bytes(whole[:data] + bytes([whole[data] ^ 1]) + whole[data + 1 :])
    with pytest.raises(ValueError, match="damaged"):
        network().load(path)
    np.savez_compressed(path, **one.state_dict())
    whole = path.read_bytes()
    for place in range(40, len(whole) // 2, 53):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        other, message = network(), None
        try:
            other.load(path)
        except ValueError as error:
            message = str(error)
        if message is None:  # it was in what the archive does not need
            assert_equal(other.layers[2].weight.value, one.layers[2].weight.value)
        else:
            assert "weights.npz" in message
            assert unchanged(other)


def test_what_the_system_refuses_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        network().load(tmp_path / "nowhere.npz")
    with pytest.raises(OSError, match="nowhere"):
        network().save(tmp_path / "nowhere" / "weights.npz")
