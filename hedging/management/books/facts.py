"""Facts: the settings of a book file, over the contract specs, margin parameters and charges that are shipped."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from hedging.domain.charges import ChargeRates
from hedging.domain.instruments import OPTION_EXCHANGE, ContractSpec, Exchange, Index, Product
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy, Relaxation
from hedging.domain.risk import IST, MarginMarket, MarginParameters
from hedging.management.books.cells import Cells
from hedging.management.books.overlay import overlay
from schedule import models as tables
from schedule.shipped import shipped_in_force

SETTINGS = (
    "as_of", "read_at", "expiry_close", "spot", "previous_close", "budget", "product", "hedge", "used_now", "free_margin",
    "cash", "spent", "buffer", "policy", "parameters", "profile", "contracts", "charges",
)  # fmt: skip
HUNDRED = Decimal(100)
EXPIRY_CLOSE = time(15, 30)
"""When options of the day stop trading, unless the file says otherwise: what a live cycle reckons with."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the file says is to be hedged; `None` leaves it to the shorts of the book."""

    index: Index | None
    expiry: date | None
    product: Product | None


@dataclass(frozen=True, slots=True)
class Known:
    """The settings by which rows can be checked even where other settings are wrong; `None` and absent are unknown."""

    as_of: datetime | None
    expiry_close: time
    specs: Mapping[Index, ContractSpec]
    product: Product


@dataclass(frozen=True, slots=True)
class Facts:
    """The settings of a file, typed. Money in rupees; `None` is: the file does not say."""

    as_of: datetime
    market: MarginMarket
    parameters: MarginParameters
    policy: HedgePolicy
    profile: MarginProfile
    specs: Mapping[Index, ContractSpec]
    rates: Mapping[Exchange, ChargeRates]
    product: Product
    hedge: Choice
    budget: Decimal | None
    used_now: Decimal | None
    free_margin: Decimal | None
    cash: Decimal | None
    spent: Decimal
    buffer: Decimal


def read_facts(
    cells: Cells, settings: Mapping[str, object], indices: Collection[Index], *, for_hedging: bool
) -> tuple[Known, Facts | None]:
    """Return what is known of the settings, and all of them or, after a problem, `None`; `indices` are those of the rows."""
    before = len(cells.problems)
    cells.unknown("", settings, (*SETTINGS, "rows", "coming", "candidates"))
    as_of = cells.moment("", "as_of", settings.get("as_of"))
    if as_of is None and "as_of" not in settings:
        cells.wrong("", "as_of", "is missing", "write the date-time of the prices, like 2026-12-01T10:12:00 (IST)")
    policy = _policy(cells, settings)
    if as_of is not None:
        _check_age(cells, settings, as_of, (policy or HedgePolicy()).max_quote_age_seconds)
    spots = _levels(cells, "spot", settings.get("spot"), indices)
    closes = _levels(cells, "previous_close", settings.get("previous_close"), indices)
    for index in sorted(indices - spots.keys()):
        if not any(problem.field.startswith("spot") for problem in cells.problems):
            fix = f"write spot.{index}" if len(indices) > 1 else "write the level of the index"
            cells.wrong("", "spot", f"there is none for {index}", fix)
    close = cells.clock("", "expiry_close", settings.get("expiry_close")) or EXPIRY_CLOSE
    product = cells.choice("", "product", settings.get("product"), Product) or Product.NRML
    hedge = _choice(cells, cells.group("", "hedge", settings.get("hedge")))
    profile = overlay(
        cells,
        name="profile",
        given=cells.group("", "profile", settings.get("profile")),
        kind=MarginProfile,
        base=MarginProfile(),
        fixed={},
    )
    money = {
        name: cells.number("", name, settings.get(name), least=0) for name in ("used_now", "cash", "spent", "buffer")
    }
    free_margin = cells.number("", "free_margin", settings.get("free_margin"))
    budget = cells.number("", "budget", settings.get("budget"), above=0)
    if for_hedging and "budget" not in settings:
        cells.wrong("", "budget", "is missing", "write the rupees that utilization is a percentage of")
    if for_hedging and profile is not None and profile.premium_counted and "used_now" not in settings:
        cells.wrong(
            "",
            "used_now",
            "is missing",
            "write what the broker shows as used: with premium_counted it holds premium that no row tells",
        )
    specs: Mapping[Index, ContractSpec] = {}
    rates: Mapping[Exchange, ChargeRates] = {}
    parameters = None
    if as_of is not None:
        day = as_of.astimezone(IST).date()
        specs = _specs(cells, settings, day, indices)
        rates = _rates(cells, settings, day, indices) if for_hedging else {}
        parameters = _parameters(cells, settings, day, indices)
    known = Known(as_of, close, specs, product)
    if len(cells.problems) > before or as_of is None or parameters is None or policy is None or profile is None:
        return known, None
    return known, Facts(
        as_of=as_of,
        market=MarginMarket(spots=spots, now=as_of, previous_closes=closes, expiry_close=close),
        parameters=parameters,
        policy=policy,
        profile=profile,
        specs=specs,
        rates=rates,
        product=product,
        hedge=hedge,
        budget=budget,
        used_now=money["used_now"],
        free_margin=free_margin,
        cash=money["cash"],
        spent=money["spent"] or Decimal(0),
        buffer=money["buffer"] or Decimal(0),
    )


def _check_age(cells: Cells, settings: Mapping[str, object], as_of: datetime, most: int) -> None:
    read_at = cells.moment("", "read_at", settings.get("read_at"))
    if read_at is None:
        return
    age = as_of - read_at
    if age > timedelta(seconds=most):
        fix = f"read them again: at most {most} s are trusted (policy.max_quote_age_seconds)"
        cells.wrong("", "read_at", f"the prices are {age.total_seconds():.0f} s older than as_of", fix)
    elif age < timedelta(0):
        cells.wrong("", "read_at", "the prices are of a moment after as_of", "correct one of the two")


def _levels(cells: Cells, name: str, value: object, indices: Collection[Index]) -> dict[Index, Decimal]:
    """Return levels by index: one number where the book has one index, else one for each."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        if len(indices) > 1:
            which = " and ".join(sorted(indices))
            fix = ", ".join(f"{name}.{index}" for index in sorted(indices))
            cells.wrong("", name, f"is one number for a book in {which}", f"write {fix}")
            return {}
        level = cells.number("", name, value, above=0)
        return {} if level is None else dict.fromkeys(indices, level)
    found: dict[Index, Decimal] = {}
    cells.unknown(name, value, [index.value for index in Index])
    for index in Index:
        level = cells.number("", f"{name}.{index}", value.get(index), above=0)
        if level is not None:
            found[index] = level
    return found


def _choice(cells: Cells, given: Mapping[str, object]) -> Choice:
    cells.unknown("hedge", given, ("index", "expiry", "product"))
    return Choice(
        cells.choice("", "hedge.index", given.get("index"), Index),
        cells.day("", "hedge.expiry", given.get("expiry")),
        cells.choice("", "hedge.product", given.get("product"), Product),
    )


def _policy(cells: Cells, settings: Mapping[str, object]) -> HedgePolicy | None:
    given = cells.group("", "policy", settings.get("policy"))
    policy = overlay(cells, name="policy", given=given, kind=HedgePolicy, base=HedgePolicy(), fixed={})
    if policy is None:
        return None
    target = policy.utilization_target_pct
    if "utilization_trigger_pct" not in given and "utilization_target_pct" in given:
        policy = replace(policy, utilization_trigger_pct=target)  # whoever names a target alone wants it reached
    if not 0 < target <= policy.utilization_trigger_pct <= HUNDRED:
        wrong = f"target {target} %, trigger {policy.utilization_trigger_pct} %"
        cells.wrong(
            "", "policy", wrong, "write 0 < target ≤ trigger ≤ 100 (utilization_target_pct, utilization_trigger_pct)"
        )
    if not policy.floor_premium <= policy.min_premium <= policy.max_premium <= policy.ceiling_premium:
        # A band of one's own may lie beyond what could be given up; the relaxations then have nothing to add.
        policy = replace(
            policy,
            floor_premium=min(policy.floor_premium, policy.min_premium),
            ceiling_premium=max(policy.ceiling_premium, policy.max_premium),
        )
    if policy.min_premium > policy.max_premium:
        wrong = f"min_premium {policy.min_premium} is above max_premium {policy.max_premium}"
        cells.wrong("", "policy", wrong, "correct one of the two")
    relaxations = policy.relaxations
    if relaxations[:1] != (Relaxation.NONE,) or len(set(relaxations)) < len(relaxations):
        cells.wrong(
            "",
            "policy.relaxations",
            "do not begin with none, or repeat one",
            "write none, then what may be given up, in order",
        )
    return policy


def _specs(
    cells: Cells, settings: Mapping[str, object], day: date, indices: Collection[Index]
) -> dict[Index, ContractSpec]:
    """Return the contract specs in force on that day: the shipped ones, with the file's own fields on top."""
    own = cells.group("", "contracts", settings.get("contracts"))
    cells.unknown("contracts", own, [index.value for index in Index])
    found: dict[Index, ContractSpec] = {}
    for index in sorted(indices):
        row = shipped_in_force(tables.ContractSpec, day=day, index=index)
        name = f"contracts.{index}"
        given = cells.group("", name, own.get(index))
        base = None if row is None else row.as_facts()
        spec = overlay(cells, name=name, given=given, kind=ContractSpec, base=base, fixed={"index": index})
        if spec is not None and spec.freeze_quantity < spec.lot:
            cells.wrong("", name, "freeze_quantity is below one lot", "correct one of the two")
        elif spec is not None:
            found[index] = spec
    return found


def _rates(
    cells: Cells, settings: Mapping[str, object], day: date, indices: Collection[Index]
) -> dict[Exchange, ChargeRates]:
    """Return the charges in force on that day: the shipped ones, with the file's own fields on top."""
    own = cells.group("", "charges", settings.get("charges"))
    cells.unknown("charges", own, [exchange.value for exchange in Exchange])
    found: dict[Exchange, ChargeRates] = {}
    for exchange in sorted({OPTION_EXCHANGE[index] for index in indices}):
        row = shipped_in_force(tables.ChargeRates, day=day, exchange=exchange)
        name = f"charges.{exchange}"
        given = cells.group("", name, own.get(exchange))
        base = None if row is None else row.as_facts()
        rates = overlay(cells, name=name, given=given, kind=ChargeRates, base=base, fixed={})
        if rates is not None:
            found[exchange] = rates
    return found


def _parameters(
    cells: Cells, settings: Mapping[str, object], day: date, indices: Collection[Index]
) -> MarginParameters | None:
    if not indices:
        return None  # a book without a row is refused for that
    rows = [shipped_in_force(tables.MarginParameters, day=day, index=index) for index in sorted(indices)]
    shipped = {row.as_facts() for row in rows if row is not None}
    base = shipped.pop() if len(shipped) == 1 and None not in rows else None
    given = cells.group("", "parameters", settings.get("parameters"))
    return overlay(cells, name="parameters", given=given, kind=MarginParameters, base=base, fixed={})
