"""The timetable's desk: a day at a glance, skip today, edit in bulk, import and seed with the difference shown first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from config.edits import ChangesForm
from hedging.access import Scope, holds, needing
from hedging.engine import clock
from hedging.engine.hours import trading_day_of
from hedging.selectors.day_lines import DayLine, day_lines
from schedule import excel, timetable
from schedule.admin import StrategyEntryAdmin
from schedule.calendar import CalendarUnknown
from schedule.importer import LARGEST_FILE_BYTES, Problem, ScheduleRefused
from schedule.legs import format_legs
from schedule.models import StrategyEntry
from schedule.oddities import oddities
from schedule.timetable import ChangedMeanwhile, Difference
from schedule.timetable_rows import MovedEntry, SkippedEntry, TimetableVersion

VERSIONS_SHOWN = 20
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class FileLine:
    """One row of a file and its fate: new, as it is, or changed (field, before, after)."""

    line: int
    portfolio: str
    fate: str
    changes: tuple[tuple[str, str, str], ...]


class BringForm(forms.Form):
    """A file, or its text; the text stays in its box until it is right."""

    file = forms.FileField(required=False, help_text="CSV, or Excel (.xlsx, first sheet).")
    text = forms.CharField(
        required=False, strip=False, widget=forms.Textarea(attrs={"rows": 12, "cols": 100, "spellcheck": "false"})
    )

    def clean(self) -> dict[str, Any]:
        """Put the file's text in the box; refuse what is neither."""
        cleaned = super().clean() or self.cleaned_data
        file = cleaned.get("file")
        if file is None and not (cleaned.get("text") or "").strip():
            raise forms.ValidationError("Choose a file, or paste its text.")
        if file is not None and (file.size or 0) > LARGEST_FILE_BYTES:
            raise forms.ValidationError(f"It has {file.size:,} bytes, more than {LARGEST_FILE_BYTES:,}.")
        return cleaned


class _RowForm(ChangesForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if not field.widget.is_hidden:
                field.widget.attrs["aria-label"] = f"{name.replace('_', ' ').capitalize()} of {self.instance.portfolio}"


admin.site.unregister(StrategyEntry)


@admin.register(StrategyEntry)
class TimetableDesk(StrategyEntryAdmin):
    """The timetable with its day view. Registered here: "today" is market time, which the engine tells."""

    list_editable = ["entry_time", "exit_time", "active"]
    actions = ["switch_on", "switch_off", "skip_today", "due_today"]
    list_per_page = 200

    def get_urls(self) -> Any:
        """Return Django's routes, and the pages of the timetable."""
        wrap, name = self.admin_site.admin_view, "schedule_strategyentry_{}".format
        own = [
            path("day/", wrap(self.day_view), name=name("day")),
            path("import/", wrap(self.import_view), name=name("import")),
            path("seed/", wrap(self.seed_view), name=name("seed")),
            path("export/", wrap(self.export_view), name=name("export")),
        ]
        return [*own, *super().get_urls()]

    # --- the list ---------------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[StrategyEntry]:
        """Read with each entry whether it is left out today, or sold at another time."""
        day = trading_day_of(clock.market_time_or(clock.wall_now()))
        skips = SkippedEntry.objects.filter(entry=OuterRef("pk"), day=day)
        moves = MovedEntry.objects.filter(entry=OuterRef("pk"), day=day)
        annotated = super().get_queryset(request).annotate(skipped=Exists(skips))
        return annotated.annotate(
            moved_to=Subquery(moves.values("entry_time")), moved_exit=Subquery(moves.values("exit_time"))
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list with the ways to the other pages."""
        context = {"ways": self._ways(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_list_display(self, request: HttpRequest) -> Any:
        """Add to each entry what is odd about it, found once for the list, and whether it is left out today."""
        found = oddities(list(StrategyEntry.objects.filter(active=True).order_by("id")))

        @admin.display(description="remarks")
        def remarks(entry: StrategyEntry) -> str:
            said = ["skipped today"] if getattr(entry, "skipped", False) else []
            if (enters := getattr(entry, "moved_to", None)) is not None:
                said.append(f"today {enters} → {getattr(entry, 'moved_exit', None) or 'held to expiry'}")
            return "; ".join([*said, *found.get(entry.portfolio, ())])

        return [*super().get_list_display(request), remarks]

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form of a row of the list: its boxes stand in columns, and say for themselves what they are of."""
        return super().get_changelist_form(request, **{"form": _RowForm, **kwargs})

    def _ways(self, request: HttpRequest) -> list[dict[str, str]]:
        pages = [("day", "Today", Scope.READ), ("import", "Import", Scope.TRADE), ("seed", "Seed", Scope.TRADE)]
        pages.append(("export", "Export as CSV", Scope.READ))
        return [
            {"words": words, "address": reverse(f"admin:schedule_strategyentry_{page}")}
            for page, words, scope in pages
            if holds(request.user, scope)
        ]

    # --- changes: each keeps the version before, and leaves a line of the journal -------------------------------------------

    def save_model(
        self,
        request: HttpRequest,
        obj: StrategyEntry,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Keep the version before, save, and say what is odd about the entry now."""
        self._keep(request, f"{'an edit' if change else 'the addition'} of {obj}")
        super().save_model(request, obj, form, change)
        alike = StrategyEntry.objects.filter(index=obj.index, dte=obj.dte, active=True).order_by("id")
        for words in oddities(list(alike)).get(obj.portfolio, ()):
            self.message_user(request, f"{obj.portfolio} {words}.", messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: StrategyEntry) -> None:
        """Keep the version before."""
        self._keep(request, f"the deletion of {obj}")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[StrategyEntry]) -> None:
        """Keep the version before."""
        self._keep(request, "the deletion of several entries")
        super().delete_queryset(request, queryset)

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[StrategyEntry]) -> None:
        """Let the chosen entries take part in every projection again."""
        self._switch(request, queryset, active=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[StrategyEntry]) -> None:
        """Leave the chosen entries out of every projection."""
        self._switch(request, queryset, active=False)

    @admin.action(description="Skip today: left out until tomorrow", permissions=["change"])
    def skip_today(self, request: HttpRequest, queryset: QuerySet[StrategyEntry]) -> None:
        """Leave the chosen entries out of today's projections only."""
        self._today(request, queryset, skipped=True)

    @admin.action(description="Due today again: take back a skip", permissions=["change"])
    def due_today(self, request: HttpRequest, queryset: QuerySet[StrategyEntry]) -> None:
        """Let the chosen entries be due today again."""
        self._today(request, queryset, skipped=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[StrategyEntry], *, active: bool) -> None:
        words = "Switched on." if active else "Switched off."
        self._keep(request, words.lower().rstrip("."))
        rows = list(queryset.exclude(active=active).order_by("id"))
        StrategyEntry.objects.filter(pk__in=[row.pk for row in rows]).update(active=active)
        self._note(request, rows, words)
        self.message_user(request, f"{len(rows)} {words.lower()}")

    def _today(self, request: HttpRequest, queryset: QuerySet[StrategyEntry], *, skipped: bool) -> None:
        try:
            day = trading_day_of(clock.market_clock().now())
        except clock.ClockUnavailable as unavailable:
            self.message_user(request, f"Nothing was changed: {unavailable}", messages.ERROR)
            return
        rows = list(queryset.order_by("id"))
        if skipped:
            by = request.user.get_username()
            done = timetable.skip(entries=rows, day=day, by=by, at=clock.wall_now())
        else:
            done = timetable.take_back(entries=rows, day=day)
        words = f"{'Skipped' if skipped else 'Due again'} on {day}."
        self._note(request, done, words)
        self.message_user(request, f"{len(done)} {words[0].lower()}{words[1:]}")

    def _note(self, request: HttpRequest, rows: Iterable[StrategyEntry], words: str) -> None:
        for row in rows:
            self.log_change(request, row, words)

    def _keep(self, request: HttpRequest, before: str) -> None:
        """Keep the version before the first change of this request: a bulk edit saves row by row."""
        if getattr(request, "version_kept", False):
            return
        request.version_kept = True  # type: ignore[attr-defined]
        timetable.keep_version(before=before, by=request.user.get_username(), at=clock.wall_now())

    # --- pages ------------------------------------------------------------------------------------------------------------

    @needing(Scope.READ)
    def day_view(self, request: HttpRequest) -> HttpResponse:
        """Show the entries of a day, today's without `?day=2026-12-01`, those that are left out too."""
        trouble: str = ""
        lines: tuple[DayLine, ...] = ()
        now = clock.market_time_or(clock.wall_now())
        today = trading_day_of(now)
        try:
            day = date.fromisoformat(request.GET.get("day", "") or today.isoformat())
            day - timedelta(days=1), day + timedelta(days=1)
        except (ValueError, OverflowError):
            day, trouble = today, "That is no date: write it like 2026-12-01. Below is today."
        try:
            lines = day_lines(day=day, now=now)
        except CalendarUnknown as unknown:
            trouble = str(unknown)
        context = {
            "title": f"{day:%A %d-%b-%Y}",
            "day": day,
            "before": day - timedelta(days=1),
            "after": day + timedelta(days=1),
            "today": today,
            "lines": lines,
            "trouble": trouble,
        }
        return self._page(request, "day", context)

    @needing(Scope.TRADE)
    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take a file or its text, show what it would change, and import it as it was shown."""
        version = request.GET.get("version", "")
        if request.method != "POST" and version:
            found = TimetableVersion.objects.filter(pk=int(version)).first() if version.isdecimal() else None
            if found is None:
                return self._bring(request, problems=[Problem(None, "", "there is no such version", "choose another")])
            return self._difference(request, found.content, f"version {found.pk}")
        if request.method != "POST":
            return self._bring(request)
        if "seen" in request.POST:
            return self._apply(request)
        form = BringForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._bring(request, form=form)
        file = form.cleaned_data["file"]
        if file is None:
            return self._difference(request, form.cleaned_data["text"], "a pasted text")
        try:
            text = _text_of(file.read())
        except ScheduleRefused as refused:
            return self._bring(request, problems=refused.problems)
        return self._difference(request, text, (file.name or "a file")[-_LONGEST_NAME:])

    @needing(Scope.TRADE)
    def seed_view(self, request: HttpRequest) -> HttpResponse:
        """Show what importing the timetable that is shipped would change."""
        return self._difference(request, timetable.seed_text(), "the seed")

    @needing(Scope.READ)
    def export_view(self, _request: HttpRequest) -> HttpResponse:
        """Return the whole timetable as a CSV file that an import reads back."""
        file = HttpResponse(timetable.current_text(), content_type="text/csv; charset=utf-8")
        file["Content-Disposition"] = 'attachment; filename="timetable.csv"'
        return file

    def _apply(self, request: HttpRequest) -> HttpResponse:
        text, what = request.POST.get("text", "").replace("\r\n", "\n"), request.POST.get("what", "")[:_LONGEST_NAME]
        by, now = request.user.get_username(), clock.wall_now()
        try:
            done = timetable.apply(text=text, seen=request.POST["seen"], what=f"the import of {what}", by=by, at=now)
        except ChangedMeanwhile as changed:
            self.message_user(request, str(changed), messages.WARNING)
            return self._difference(request, text, what)
        except ScheduleRefused as refused:
            return self._bring(request, text=text, problems=refused.problems)
        fates = dict.fromkeys(done.report.added, "Added") | {each.portfolio: "Changed" for each in done.report.changed}
        for row in StrategyEntry.objects.filter(portfolio__in=fates).order_by("id"):
            note = self.log_addition if fates[row.portfolio] == "Added" else self.log_change
            note(request, row, f"{fates[row.portfolio]} by the import of {what}.")
        added, changed_count = len(done.report.added), len(done.report.changed)
        self.message_user(request, f"Imported {what}: {added} added, {changed_count} changed.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:schedule_strategyentry_changelist"))

    def _difference(self, request: HttpRequest, text: str, what: str) -> HttpResponse:
        try:
            found = timetable.difference(text.replace("\r\n", "\n"))
        except ScheduleRefused as refused:
            return self._bring(request, text=text, problems=refused.problems)
        context = {
            "title": f"What {what} would change",
            "text": text,
            "what": what,
            "found": found,
            "lines": _file_lines(found),
            "warnings": _warnings(found),
        }
        return self._page(request, "difference", context)

    def _bring(
        self,
        request: HttpRequest,
        *,
        form: BringForm | None = None,
        text: str = "",
        problems: Iterable[Problem] = (),
    ) -> HttpResponse:
        versions = TimetableVersion.objects.defer("content").order_by("-id")[:VERSIONS_SHOWN]
        context = {
            "title": "Import a timetable",
            "form": form or BringForm(initial={"text": text}),
            "problems": list(problems),
            "versions": versions,
        }
        return self._page(request, "import", context)

    def _page(self, request: HttpRequest, page: str, context: dict[str, Any]) -> HttpResponse:
        full = self.admin_site.each_context(request) | {"opts": self.opts} | context
        return TemplateResponse(request, f"admin/schedule/strategyentry/{page}.html", full)


def _text_of(data: bytes) -> str:
    """Return a file's text, a workbook's as CSV. Raises `ScheduleRefused`."""
    if data.startswith(excel.MAGIC):
        return excel.csv_of(data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        wrong = "it is neither CSV in UTF-8 nor an .xlsx workbook"
        raise ScheduleRefused([Problem(None, "", wrong, 'save it as "CSV UTF-8" or as .xlsx')]) from None


def _file_lines(found: Difference) -> list[FileLine]:
    changed = {each.portfolio: each for each in found.report.changed}
    added = set(found.report.added)
    lines = []
    for row in found.rows:
        change = changed.get(row.portfolio)
        fate = "new" if row.portfolio in added else "as it is" if change is None else "changed"
        fields = {} if change is None else change.fields
        changes = tuple((name, _shown(name, a), _shown(name, b)) for name, (a, b) in fields.items())
        lines.append(FileLine(row.line, row.portfolio, fate, changes))
    return lines


def _warnings(found: Difference) -> list[str]:
    """Return the oddities of the file's own rows among each other."""
    rows = [StrategyEntry(portfolio=row.portfolio, **row.fields()) for row in found.rows if row.active is not False]
    return [f"{name} {words}" for name, said in oddities(rows).items() for words in said]


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "none"
    return format_legs(value) if name == "legs" else str(value)
