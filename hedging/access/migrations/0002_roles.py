"""The four roles as groups, with every permission that their scopes open. A role holds the lists of those before it."""

from django.db import migrations

from hedging.access.grants import grant

READ = [
    "access.apikey.read",
    "django_celery_beat.periodictask.view_periodictask",
    "hedging.adjustment.view_adjustment",
    "hedging.auditevent.view_auditevent",
    "hedging.auditlink.view_auditlink",
    "hedging.bookcheck.view_bookcheck",
    "hedging.fill.view_fill",
    "hedging.heartbeat.view_heartbeat",
    "hedging.hedgedecision.view_hedgedecision",
    "hedging.hedgeorder.view_hedgeorder",
    "hedging.hedgetransaction.view_hedgetransaction",
    "hedging.marginjump.view_marginjump",
    "hedging.paperorder.view_paperorder",
    "notifications.alert.view_alert",
    "schedule.chargerates.view_chargerates",
    "schedule.contractspec.view_contractspec",
    "schedule.marginfile.view_marginfile",
    "schedule.marginparameters.view_marginparameters",
    "schedule.strategyentry.view_strategyentry",
    "schedule.tradingday.view_tradingday",
    "sessions_app.account.view_account",
    "sessions_app.calibration.view_calibration",
    "sessions_app.installation.view_installation",
    "sessions_app.marginsnapshot.view_marginsnapshot",
    "sessions_app.tradingsession.view_tradingsession",
]
OPERATE = [
    "access.apikey.operate",
]
TRADE = [
    "access.apikey.trade",
    "schedule.strategyentry.add_strategyentry",
    "schedule.strategyentry.change_strategyentry",
    "schedule.strategyentry.delete_strategyentry",
    "sessions_app.tradingsession.add_tradingsession",
]
ADMIN = [
    "access.apikey.admin",
    "access.apikey.add_apikey",
    "access.apikey.view_apikey",
    "auth.group.view_group",
    "auth.user.add_user",
    "auth.user.change_user",
    "auth.user.delete_user",
    "auth.user.view_user",
    "schedule.chargerates.add_chargerates",
    "schedule.chargerates.change_chargerates",
    "schedule.chargerates.delete_chargerates",
    "schedule.contractspec.add_contractspec",
    "schedule.contractspec.change_contractspec",
    "schedule.contractspec.delete_contractspec",
    "schedule.marginfile.add_marginfile",
    "schedule.marginparameters.add_marginparameters",
    "schedule.marginparameters.change_marginparameters",
    "schedule.marginparameters.delete_marginparameters",
    "schedule.tradingday.add_tradingday",
    "schedule.tradingday.change_tradingday",
    "schedule.tradingday.delete_tradingday",
    "sessions_app.account.add_account",
    "sessions_app.account.change_account",
    "sessions_app.tradingsession.change_tradingsession",
]


def make_groups(apps, _schema_editor):
    grant(
        apps,
        {
            "viewer": READ,
            "operator": READ + OPERATE,
            "trader": READ + OPERATE + TRADE,
            "admin": READ + OPERATE + TRADE + ADMIN,
        },
    )
    group = apps.get_model("auth", "Group").objects.get(name="admin")
    # Who administers already goes on to.
    group.user_set.add(*apps.get_model("auth", "User").objects.filter(is_superuser=True))


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_keys_and_failures"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
