"""What a study says about the costs of a student and the length of its search; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    create_model,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from kdsearch.costs import CLOSED_FORMS
from kdsearch.spec.sections import Section

_MOST = 1e18  # of any cost


class Bound(Section):
    """One limit: a share of the full net (``share``) or an absolute number (``value``)."""

    share: float | None = None
    value: float | None = None

    @classmethod
    def read(cls, text: Any) -> Bound:
        """The bound that YAML wrote: ``50%``, ``3e6``, ``300M``.

        Raises:
            ValueError: neither a share nor a number, or not above zero.
        """
        if isinstance(text, Bound):
            return text
        written = str(text).strip()
        units = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
        try:
            if written.endswith("%"):
                share = float(written[:-1]) / 100
                if not 0 < share <= 1:
                    raise ValueError
                return cls(share=share)
            unit = units.get(written[-1:], 1.0)
            value = float(written[:-1] if unit != 1.0 else written) * unit
        except ValueError:
            raise ValueError(f"must be a share such as 50% or a number above 0 such as 300M (got {text})") from None
        if not 0 < value <= _MOST:
            raise ValueError(f"must be above 0 and at most {_MOST:.0g} (got {text})")
        return cls(value=value)

    @model_serializer(mode="plain")
    def _written(self) -> str | float:
        return f"{100 * self.share:.12g}%" if self.share is not None else float(self.value or 0)

    def resolve(self, full: float) -> float:
        """The bound in the cost's own unit, where the full net costs ``full``."""
        return full * self.share if self.share is not None else float(self.value or 0)


_FIELDS: Any = dict.fromkeys(CLOSED_FORMS, (tuple[Bound, ...], ()))
_Limited: Any = create_model("_Limited", __base__=Section, **_FIELDS)
"""One field a cost that has a closed form."""


class Limits(_Limited):
    """What a student may cost: ``macs``, ``parameters``, ``size_bytes``; one of them may name several budgets.

    ``window``: a candidate must reach at least ``1 - window`` of the first limit given, so that no search stays far
    below its budget; null takes any candidate below the limit, as the official code does. ``size_bytes`` are those of
    the largest exported file, which planning measures where they are limited.
    """

    window: float | None = Field(0.05, gt=0, lt=1)

    @field_validator(*CLOSED_FORMS, mode="before")
    @classmethod
    def _read(cls, given: Any) -> tuple[Bound, ...]:
        if given is None or given == ():  # the default is (), and null stands for it in a study that was written out
            return ()
        if isinstance(given, list | tuple):
            if not given:
                raise ValueError("must name at least one, or be left out (got [])")
            bounds = tuple(Bound.read(item) for item in given)
            if twice := [bound for bound in bounds if bounds.count(bound) > 1]:
                raise ValueError(f"names {twice[0].model_dump()} twice; keep one of them")
            return bounds
        return (Bound.read(given),)

    @field_serializer(*CLOSED_FORMS, mode="wrap")
    def _write(self, bounds: tuple[Bound, ...], dump: SerializerFunctionWrapHandler) -> Any:
        return dump(bounds) if bounds else None

    @model_validator(mode="after")
    def _one_list(self) -> Limits:
        several = [name for name, bounds in self.bounds.items() if len(bounds) > 1]
        if len(several) > 1:
            raise ValueError(
                f"only one limit may list several budgets (got {', '.join(several)}); give the others one bound"
            )
        return self

    @property
    def bounds(self) -> dict[str, tuple[Bound, ...]]:
        """The bounds of each cost that is limited, in the order of the table of costs."""
        return {name: getattr(self, name) for name in CLOSED_FORMS if getattr(self, name)}

    @property
    def budgets(self) -> int:
        """How many budgets they name, at least one: no limit is a budget too."""
        return max(map(len, self.bounds.values()), default=1)

    def idle(self) -> Mapping[str, str]:
        if not self.bounds:
            return {"window": "there is no limit to stay close to"}
        return {}


class Budget(Section):
    """When the search ends: after ``trials`` evaluations or ``minutes`` of searching, whichever comes first.

    A study that learns without data is timed before it begins, and refused where even one candidate would take it over
    ``minutes``, unless ``allow_slow`` says to begin all the same.
    """

    trials: int = Field(200, ge=1, le=1_000_000)
    minutes: float | None = Field(None, gt=0, le=1e7)
    allow_slow: bool = False
    max_failures: int = Field(5, ge=0, le=1_000_000)

    def idle(self) -> Mapping[str, str]:
        return {"allow_slow": "there are no minutes to exceed"} if self.minutes is None else {}
