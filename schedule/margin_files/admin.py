"""Admin of margin files: upload one, watch it being read, see what it changed. The page draws itself anew until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from hedging.domain.roles import Scope
from schedule.margin_files.importing import LONGEST_NAME
from schedule.margin_files.opening import LARGEST_FILE_BYTES
from schedule.margin_files.uploads import keep_upload, nudge, nudge_again
from schedule.models import MarginFile

if TYPE_CHECKING:
    _FileAdmin = admin.ModelAdmin[MarginFile]
    _FileForm = forms.ModelForm[MarginFile]
else:  # Django's own classes take no type parameter at run time
    _FileAdmin, _FileForm = admin.ModelAdmin, forms.ModelForm


class UploadForm(_FileForm):
    """A file, and the day from which it holds where that is not the day in the file."""

    file = forms.FileField(
        label="File",
        help_text="nsccl.YYYYMMDD.i1.spn, BSERISKyyyymmdd-00 or F_AEL_OPT_CONTRACTS_DDMMYYYY.CSV; plain, .gz or .zip.",
    )

    class Meta:
        model = MarginFile
        fields = ("effective_from",)

    def clean_file(self) -> UploadedFile[Any]:
        """Refuse what is larger than any margin file before it is kept."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > LARGEST_FILE_BYTES:
            raise forms.ValidationError(f"It has {file.size:,} bytes, more than {LARGEST_FILE_BYTES:,}.")
        return file


class MarginFileAdmin(_FileAdmin):
    """Uploads and imports of margin files, newest first; a record that is added to by uploading, and never edited."""

    needs = {"view": Scope.READ, "add": Scope.ADMIN}
    list_display = ["brought_at", "name", "progress", "brought_by", "problem"]
    list_filter = ["status"]
    search_fields = ["name", "problem"]
    ordering = ["-id"]
    fields = ["name", "progress", "problem", "effective_from", "brought_by", "brought_at", "finished_at", "outcome"]
    actions = ["read_again"]

    def get_form(
        self,
        request: HttpRequest,
        obj: MarginFile | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> type[forms.ModelForm[MarginFile]]:
        """Return the upload form for a new one."""
        if obj is None:
            kwargs |= {"form": UploadForm, "fields": ("effective_from",)}
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: MarginFile | None = None) -> Any:
        """Return the two fields of an upload, else what there is to see."""
        return ("file", "effective_from") if obj is None else super().get_fields(request, obj)

    def has_change_permission(self, _request: HttpRequest, _obj: MarginFile | None = None) -> bool:
        """Refuse: a record of what was brought."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: MarginFile | None = None) -> bool:
        """Refuse: the rows that came from a file name it."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: MarginFile,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Keep the upload and hand it to the queue `io`."""
        upload: UploadedFile[Any] = form.cleaned_data["file"]
        obj.name = (upload.name or "unnamed")[-LONGEST_NAME:]
        obj.stored_as, obj.size_bytes = keep_upload(upload.chunks())
        obj.brought_by, obj.brought_at = request.user.get_username(), timezone.now()
        super().save_model(request, obj, form, change)
        nudge(obj.pk)

    def response_add(
        self, _request: HttpRequest, obj: MarginFile, _post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show how the reading goes on."""
        return HttpResponseRedirect(reverse("admin:schedule_marginfile_change", args=[obj.pk]))

    @admin.action(description="Read again what no worker took", permissions=["add"])
    def read_again(self, request: HttpRequest, queryset: QuerySet[MarginFile]) -> None:
        """Repeat a lost nudge; what was imported or refused stays as it is."""
        now = timezone.now()
        asked = sum(nudge_again(pk, now=now) for pk in queryset.order_by("id").values_list("pk", flat=True))
        self.message_user(request, f"{asked} asked for again.", messages.SUCCESS if asked else messages.WARNING)

    @admin.display(description="Progress")
    def progress(self, row: MarginFile) -> SafeString:
        """Draw how far the reading is."""
        if row.is_under_way:
            return format_html(
                '<progress max="100" value="{}">{} %</progress> {} % – {}',
                *(row.percent, row.percent, row.percent, row.get_status_display()),
            )
        return format_html("{}", row.get_status_display())

    @admin.display(description="What it changed")
    def outcome(self, row: MarginFile) -> SafeString:
        """Tell each index's changes, the comparison with our engine, and notes."""
        report = row.report
        if not report:
            return format_html("{}", "nothing")
        lines = [f"{report['kind']} of {report['business_date']}, holds from {report['effective_from']}"]
        for part in report["indices"]:
            lines += [f"{part['index']}: {line}" for line in _lines(part, start=report["effective_from"])]
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((line,) for line in lines)))


def _lines(part: dict[str, Any], *, start: str) -> list[str]:
    lines = [f"{name.replace('_', ' ')} {before} → {after}" for name, (before, after) in part["changes"].items()]
    check = part["check"]
    if check:
        lines.append(
            f"our arrays beside the file's, {check['contracts']} contracts: median {check['median_pct']} %, 95 % within "
            f"{check['p95_pct']} %, worst {check['worst_pct']} % of the scan range ({check['worst_contract']}, "
            f"scenario {check['worst_scenario']})"
        )
    lines += part["notes"]
    if part["newest_from"] > start:
        lines.append(f"a newer row, from {part['newest_from']}, stays in force")
    return lines or ["no figure changes"]
