"""Journal: what people change in the admin, and logins that fail, as lines of the audit trail."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_login_failed
from django.db.models import Model
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from hedging.engine import audit, clock
from schedule.models import ChargeRates, ContractSpec, MarginParameters, StrategyEntry, TradingDay
from sessions_app.models import TradingSession

_DEEDS = {1: "admin_added", 2: "admin_changed", 3: "admin_deleted"}


@receiver(post_save, sender=LogEntry)
def note_admin_change(instance: LogEntry, created: bool, **_: Any) -> None:  # noqa: FBT001 - Django's signature
    """Write down what was added, changed or deleted, by whom; of a session also what it became."""
    if not created:
        return
    model = instance.content_type.model_class() if instance.content_type else None
    of_session = model is TradingSession and instance.object_id is not None
    session = TradingSession.objects.filter(pk=int(instance.object_id or 0)).first() if of_session else None
    _note(
        event=_DEEDS.get(instance.action_flag, "admin_changed"),
        actor=instance.user.get_username(),
        subject=session or instance,
        session=session,
        facts={
            "kind": "" if model is None else model._meta.model_name,
            "id": instance.object_id,
            "object": instance.object_repr,
            "change": instance.get_change_message()[:500],
        },
    )


@receiver(user_login_failed)
def note_failed_login(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Write down that a login failed. A name that no user has is not kept: people type passwords there."""
    name = str(credentials.get("username", ""))
    user = get_user_model().objects.filter(username=name).first()
    _note(
        event="login_failed",
        actor=user.get_username() if user else "unknown user",
        subject=user or get_user_model()(),
        facts={"from": "" if request is None else str(request.META.get("REMOTE_ADDR", ""))},
    )


def note_deleted_setting(instance: Model, **_: Any) -> None:
    """Write down that a row of the settings is gone, and what it was: nothing else keeps it."""
    _note(
        event="setting_deleted",
        actor="",
        subject=instance,
        facts={
            "kind": instance._meta.model_name,
            "object": str(instance),
            "was": {field.name: str(getattr(instance, field.attname)) for field in instance._meta.concrete_fields},
        },
    )


for _model in (StrategyEntry, TradingDay, ContractSpec, ChargeRates, MarginParameters):
    post_delete.connect(note_deleted_setting, sender=_model)


def _note(
    *, event: str, actor: str, subject: Model, facts: dict[str, Any], session: TradingSession | None = None
) -> None:
    now = clock.wall_now()
    audit.append(
        account_id=None if session is None else session.account_id,
        session_id=None if session is None else session.pk,
        at=now,
        wall_at=now,
        actor=actor,
        event=event,
        subject=subject,
        facts=facts,
    )
