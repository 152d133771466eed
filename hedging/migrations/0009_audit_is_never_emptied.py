"""Let the database itself refuse to empty a table that is append-only: TRUNCATE fires no trigger of a row."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON hedging_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_link_is_never_emptied BEFORE TRUNCATE ON hedging_auditlink
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER adjustment_is_never_emptied BEFORE TRUNCATE ON hedging_adjustment
    FOR EACH STATEMENT EXECUTE FUNCTION adjustment_is_append_only();
"""
BACKWARD = """
DROP TRIGGER adjustment_is_never_emptied ON hedging_adjustment;
DROP TRIGGER audit_link_is_never_emptied ON hedging_auditlink;
DROP TRIGGER audit_is_never_emptied ON hedging_auditevent;
"""


class Migration(migrations.Migration):
    """Add the triggers."""

    dependencies = [("hedging", "0008_order_cancel_asked")]

    operations = [migrations.RunSQL(sql=FORWARD, reverse_sql=BACKWARD)]
