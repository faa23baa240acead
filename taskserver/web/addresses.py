"""`{job_id:number}` in the path of a route, of pages and API alike.

An address with anything else in this place is no address at all: else /jobs/bulk would be a job with a strange
number, and one of five thousand digits somebody's problem.
"""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


class _Number(Convertor[str]):
    regex = "[0-9]{1,18}"  # every number of 18 digits fits the 64 bits of a column; no id will have more

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


def know_numbers() -> None:
    """To be called before the first route is made: Starlette knows kinds of a path's parts by their names."""
    register_url_convertor("number", _Number())
