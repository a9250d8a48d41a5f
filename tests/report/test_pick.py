from __future__ import annotations

from lemma.report.pick import Picker, Place, share_out


def place(number: int) -> Place:
    return Place("smooth", 0, number, 1)


def test_every_kind_gets_the_same_as_far_as_it_has_as_many() -> None:
    assert share_out({("a",): 100, ("b",): 2, ("c",): 50}, 20) == {("a",): 9, ("b",): 2, ("c",): 9}
    assert share_out({("a",): 3, ("b",): 2}, 20) == {("a",): 3, ("b",): 2}
    assert share_out({}, 20) == {}
    assert sum(share_out({(str(kind),): 1 + kind for kind in range(50)}, 7).values()) == 7


def test_what_is_drawn_does_not_depend_on_the_order_of_arrival() -> None:
    numbers = list(range(200))
    drawn = []
    for order in (numbers, numbers[::-1]):
        picker = Picker(30)
        for number in order:
            picker.add((str(number % 3),), f"t-{number}", place(number))
        drawn.append(picker.drawn(12))
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 12
    assert {one.offset % 3 for one in drawn[0]} == {0, 1, 2}


def test_no_more_places_are_held_of_a_kind_than_may_be_drawn() -> None:
    picker = Picker(5)
    for number in range(10_000):
        picker.add(("a",), f"t-{number}", place(number))
    assert sum(map(len, picker._pools.values())) == 5
    assert picker.counts["a",] == 10_000
    assert len(picker.drawn(100)) == 5


def test_nothing_is_drawn_where_nothing_is_asked_for() -> None:
    picker = Picker(0)
    picker.add(("a",), "t-1", place(1))
    assert picker.drawn(0) == []
