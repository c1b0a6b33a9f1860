"""Records as a frozen dataclass would have them."""
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


def test_nothing_is_set_twice():
    point = Point(1)
    for change in (lambda: setattr(point, "x", 3), lambda: setattr(point, "z", 3), lambda: delattr(point, "x")):
        with pytest.raises(AttributeError, match="can't be changed"):
            change()
    assert point == Point(1)
