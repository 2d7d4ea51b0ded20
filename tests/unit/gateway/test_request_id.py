"""Ids that requests get which bring none."""

from headgate_gateway.http.request_id import new_request_id


def test_each_is_another_and_counts_on_in_hexadecimal_numbers() -> None:
    made = [new_request_id() for _ in range(3 * 4096)]
    (process,) = {each.partition("-")[0] for each in made}
    numbers = [int(each.removeprefix(f"{process}-"), 16) for each in made]
    assert len(process) == 12
    assert numbers == list(range(numbers[0], numbers[0] + len(made)))
