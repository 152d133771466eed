"""Users, their roles and second factors in the admin; and the tasks of the beat, of which only a pause is an act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from hedging.access import Scope, needing, two_factor
from hedging.admin.moments import MOMENTS
from hedging.admin.scopes import ScopedActions

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:  # Django's own class takes no type parameter at run time
    _UserAdmin = UserAdmin

# The pages of devices show their secrets; people enrol at /admin/second-factor/. Of schedules we use intervals only.
for _model in (TOTPDevice, StaticDevice, ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule):
    admin.site.unregister(_model)
admin.site.unregister([User, Group, PeriodicTask])
WITHOUT_IT = {
    "hedging.tasks.check_margin": "no margin is watched and no hedge is sold; halt instead, if no order shall go out",
    "hedging.tasks.project_entries": "no hedge is bought before an entry, which may then be refused by the broker",
    "hedging.tasks.reconcile_books": "nobody learns what became of orders, and a lost nudge is never repeated",
    "hedging.tasks.deliver_alerts": "alerts stay in the outbox: nobody is told of anything",
    "hedging.tasks.calibrate": "the broker's figures are taken to mean what they meant last",
    "hedging.tasks.run_preflights": "no pre-flight clears the account, and no live order goes without one",
    "hedging.tasks.heartbeat": "the service looks dead, and an alert says so",
    "hedging.tasks.heartbeat_orders": "purchases by hand are refused: their workers look dead",
    "hedging.tasks.heartbeat_exits": "exits by hand are refused: their workers look dead",
    "hedging.tasks.heartbeat_books": "the comparison with the broker's books looks dead",
}
"""What does not happen while a task of the beat is paused."""
_EVERYTHING = {"view": Scope.ADMIN, "add": Scope.ADMIN, "change": Scope.ADMIN, "delete": Scope.ADMIN}


@admin.register(User)
class PersonAdmin(ScopedActions, _UserAdmin):
    """People. A role is a group; a person without one may do nothing."""

    needs = _EVERYTHING
    list_display = ("username", "roles", "is_active", "is_superuser", "second_factor", "last_login")
    list_filter = ("groups", "is_active", "is_superuser")
    ordering = ("username", "id")
    actions = ("forget_second_factor",)
    formfield_overrides = MOMENTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Read the groups with the people."""
        return super().get_queryset(request).prefetch_related("groups", "totpdevice_set")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let nobody but a superuser make superusers, or give single permissions past the roles."""
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, "is_superuser", "user_permissions")

    @needing(Scope.ADMIN)
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002 - Django's signature
        """Set a person's password."""
        return super().user_change_password(request, id, form_url)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[User], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Do what was chosen in one transaction with its lines: Django writes down a deletion before it is made."""
        with transaction.atomic():
            return super().response_action(request, queryset, *args, **kwargs)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[User]) -> Any:
        """Write down one at a time: several at once are one bulk insert, of which the journal is not told."""
        entries: list[Any] = []
        for person in queryset.order_by("id"):
            entries += super().log_deletions(request, queryset.filter(pk=person.pk))
        return entries

    @admin.display(description="role")
    def roles(self, person: User) -> str:
        """Return the roles in a row."""
        return ", ".join(sorted(group.name for group in person.groups.all())) or "none"

    @admin.display(description="second factor", boolean=True)
    def second_factor(self, person: User) -> bool:
        """Return whether an authenticator is enrolled."""
        return any(device.confirmed for device in person.totpdevice_set.all())  # type: ignore[attr-defined]

    @admin.action(description="Forget the second factor (of somebody who lost it)", permissions=["administer"])
    def forget_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Take authenticator and backup codes off the chosen people."""
        forgotten = 0
        for person in queryset.order_by("id"):
            if two_factor.forget(person):
                self.log_change(request, person, "Forgot the second factor.")
                forgotten += 1
        self.message_user(request, f"{forgotten} forgotten.")


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """The four roles, as migrations made them. Read-only: what a role may do is a table in hedging/domain/roles.py."""

    needs = {"view": Scope.ADMIN}
    ordering = ("name", "id")

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Refuse: there are four."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Refuse: migrations do."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Refuse: people would lose their role."""
        return False


@admin.register(PeriodicTask)
class BeatAdmin(ScopedActions, PeriodicTaskAdmin):  # type: ignore[misc] # it ships no types
    """The beat's entries: switched on and off. Which task runs how often is the installation's, not a person's."""

    needs = {"view": Scope.READ}
    change_form_template = (
        "admin/change_form.html"  # the package's own has a script in the page, for a form that nobody fills
    )
    list_display = ("name", "enabled", "interval", "last_run_at", "without_it")
    actions = ("enable_tasks", "disable_tasks")
    ordering = ("name", "id")

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Refuse: a task is code."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Refuse: a task and its arguments are code."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Refuse: pause it."""
        return False

    @admin.action(description="Resume the chosen tasks", permissions=["administer"])
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Let the beat send them again."""
        with transaction.atomic():
            self._note(request, queryset.filter(enabled=False), "Resumed (enabled: False → True).")
            super().enable_tasks(request, queryset)

    @admin.action(description="Pause the chosen tasks", permissions=["administer"])
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Let the beat send them no more, until they are resumed; a restart keeps the pause."""
        paused = list(queryset.order_by("name").values_list("name", "task"))
        with transaction.atomic():
            self._note(request, queryset.filter(enabled=True), "Paused (enabled: True → False).")
            super().disable_tasks(request, queryset)
        for name, task in paused:
            if task in WITHOUT_IT:
                self.message_user(request, f"{name} is paused: {WITHOUT_IT[task]}.", messages.WARNING)

    def _note(self, request: HttpRequest, tasks: QuerySet[PeriodicTask], words: str) -> None:
        """Leave a line of the journal for each: the package changes rows in place, of which Django's admin notes nothing."""
        for task in tasks.select_for_update(of=("self",)).order_by("id"):
            self.log_change(request, task, words)

    @admin.display(description="While it is paused")
    def without_it(self, row: PeriodicTask) -> str:
        """Say what does not happen while it is paused."""
        return WITHOUT_IT.get(row.task, "")
