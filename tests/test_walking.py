"""What a test that walks its cases tries, and what it says of those that fail."""

import pytest

from tests.walking import MOST_TOLD, in_one_test

tried = []


@in_one_test
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize(
    ("name", "sigma"), [pytest.param("box", 0, id="usual"), ("bell", 2), ("bell", 3)]
)
def is_small(name, sigma, size):
    tried.append((name, sigma, size))
    if size + sigma > 3:
        raise AssertionError(f"{size + sigma} pixels")


class Laws:
    @in_one_test
    @pytest.mark.parametrize("number", range(50), ids=lambda number: f"number_{number}")
    def holds(self, number, limit=30):
        if number >= limit:
            pytest.fail(f"{type(self).__name__} end at {limit}")


def test_all_are_tried_and_the_message_names_all_that_is_needed():
    tried.clear()
    with pytest.raises(AssertionError) as failure:
        is_small()
    assert str(failure.value).splitlines() == [
        "3 of 6 cases fail",
        "bell-2, 2: 4 pixels",
        "bell-3, 1: 4 pixels",
        "bell-3, 2: 5 pixels",
        "to repeat the first, in Python at the root of the repository:",
        "from tests.test_walking import is_small; is_small.on('bell-2', '2')",
    ]
    assert tried == [
        (name, sigma, size) for name, sigma in (("box", 0), ("bell", 2), ("bell", 3))
        for size in (1, 2)
    ]  # fmt: skip
    with pytest.raises(AssertionError, match=r"^4 pixels$"):
        exec(str(failure.value).splitlines()[-1], {})


def test_a_method_is_walked_and_repeated_as_well():
    Laws().holds(limit=99)
    with pytest.raises(AssertionError) as failure:
        Laws().holds()
    lines = str(failure.value).splitlines()
    assert lines[0] == "20 of 50 cases fail"
    assert lines[20].startswith("number_49: ")
    assert lines[-1].endswith("import Laws; Laws.holds.on('number_30')")
    with pytest.raises(pytest.fail.Exception, match="Laws end at 30"):
        exec(lines[-1], {})
    with pytest.raises(AssertionError) as failure:
        Laws().holds(limit=50 - MOST_TOLD - 3)
    assert "and 3 more" in str(failure.value).splitlines()


def test_a_skipped_case_does_not_hide_the_others():
    @in_one_test
    @pytest.mark.parametrize("number", [1, 2])
    def is_here(number):
        pytest.skip("not here")

    with pytest.raises(AssertionError, match="2 of 2 cases fail"):
        is_here()


def test_two_of_one_name_are_told_apart_by_their_places():
    @in_one_test
    @pytest.mark.parametrize("number", [7, 8, 9], ids=["one", "other", "one"])
    def is_eight(number):
        assert number == 8

    with pytest.raises(AssertionError) as failure:
        is_eight()
    assert [line.partition(":")[0] for line in str(failure.value).splitlines()[1:3]] == [
        "one-0", "one-2",
    ]  # fmt: skip


def test_what_it_cannot_walk_is_said():
    def law(number):
        pass

    with pytest.raises(TypeError, match="law has no mark of parametrize"):
        in_one_test(law)
    marked = pytest.param(1, marks=pytest.mark.skip)
    with pytest.raises(TypeError, match="marks of its own"):
        in_one_test(pytest.mark.parametrize("number", [marked])(law))
