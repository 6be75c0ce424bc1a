# SPDX-License-Identifier: Apache-2.0
"""What is closed when its ``with`` block is left."""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Has a `close`, which the end of a ``with`` block calls."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
