"""Records as a frozen dataclass would have them."""
import functools

import pytest

from lib.record import Record


class Point(Record):
    x: int
    y: int = 2


def test_values_come_in_order_by_name_or_by_default():
    assert Point(1) == Point(1, 2) == Point(x=1) == Point(y=2, x=1) != Point(2)
    assert repr(Point(1)) == "Point(x=1, y=2)" and vars(Point(1)) == {"x": 1, "y": 2}
    assert {Point(1): "a"}[Point(1, 2)] == "a" and Point(1) != (1, 2)


@pytest.mark.parametrize("make", [lambda: Point(), lambda: Point(1, 2, 3), lambda: Point(1, x=1), lambda: Point(1, z=3), lambda: Point(y=1)])
def test_what_is_missing_or_unknown_is_an_error(make):
    with pytest.raises(TypeError, match=r"Point\(x, y\) was given"):
        make()


def test_a_copy_with_another_value_is_a_record_of_its_own():
    point = Point(1)
    assert point.but(y=5) == Point(1, 5) and point == Point(1) and type(point.but()) is Point
    with pytest.raises(TypeError, match="was given"):
        point.but(z=1)


def test_what_is_worked_out_once_and_kept_makes_no_other_record():
    class Sum(Record):
        x: int

        @functools.cached_property
        def twice(self):
            return 2 * self.x
    used = Sum(2)
    assert used.twice == 4 and used == Sum(2) and hash(used) == hash(Sum(2)) and repr(used) == "Sum(x=2)" and used.but(x=3).twice == 6


def test_nothing_is_set_twice():
    point = Point(1)
    for change in (lambda: setattr(point, "x", 3), lambda: setattr(point, "z", 3), lambda: delattr(point, "x")):
        with pytest.raises(AttributeError, match="can't be changed"):
            change()
    assert point == Point(1)
