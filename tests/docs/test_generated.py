from docs import generate

TEXT = generate.DOCUMENT.read_text()


def test_the_generated_parts_of_the_architecture_are_current() -> None:
    assert generate.rendered(TEXT) == TEXT, "run python -m docs.generate"


def test_every_generated_part_stands_in_the_document() -> None:
    assert all(f"<!-- generated: {name} -->" in TEXT for name in generate.PARTS)


def test_a_stale_part_is_written_anew() -> None:
    stale = TEXT.replace("| **New** | Survey |", "| **New** | Dance |")
    assert stale != TEXT
    assert generate.rendered(stale) == TEXT
