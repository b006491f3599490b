"""The README's picture shows the figures that the code gives now."""

from benchmarks import picture


def test_the_picture_is_the_one_that_is_drawn_now() -> None:
    drawn = picture.PATH.read_text("utf-8")
    assert picture.svg() == drawn, "renew it: python -m benchmarks.picture"
