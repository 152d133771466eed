"""Tie the audit lines together: link those that are there, and let the database link every new one as it commits."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.db import migrations, models
from django.db.models import Q

from hedging.domain.audit_chain import GENESIS, AuditLine, digest_of

# The link is made when the transaction commits: the lock that orders the chain is then the last one taken and is held for
# the commit alone, so writers neither wait for each other's work nor meet in a deadlock over other rows.
FORWARD = """
CREATE FUNCTION audit_link() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    last record;
BEGIN
    PERFORM pg_advisory_xact_lock(5010, 1);
    SELECT sequence, hash INTO last FROM hedging_auditlink ORDER BY sequence DESC LIMIT 1;
    INSERT INTO hedging_auditlink (event_id, sequence, hash)
    VALUES (
        NEW.id,
        coalesce(last.sequence, 0) + 1,
        encode(sha256(convert_to(coalesce(last.hash, repeat('0', 64)) || NEW.digest, 'UTF8')), 'hex')
    );
    RETURN NULL;
END;
$$;
CREATE CONSTRAINT TRIGGER audit_link AFTER INSERT ON hedging_auditevent
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_link();
CREATE TRIGGER audit_link_is_append_only BEFORE UPDATE OR DELETE ON hedging_auditlink
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE FUNCTION adjustment_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'adjustments are append-only';
END;
$$;
CREATE TRIGGER adjustment_is_append_only BEFORE UPDATE OR DELETE ON hedging_adjustment
    FOR EACH ROW EXECUTE FUNCTION adjustment_is_append_only();
"""
BACKWARD = """
DROP TRIGGER adjustment_is_append_only ON hedging_adjustment;
DROP FUNCTION adjustment_is_append_only();
DROP TRIGGER audit_link_is_append_only ON hedging_auditlink;
DROP TRIGGER audit_link ON hedging_auditevent;
DROP FUNCTION audit_link();
"""


def link_old_lines(apps: Any, schema_editor: Any) -> None:
    """Give every line that is there its digest and its place, in the order of the ids."""
    event_model, link_model = apps.get_model("hedging", "AuditEvent"), apps.get_model("hedging", "AuditLink")
    schema_editor.execute("ALTER TABLE hedging_auditevent DISABLE TRIGGER audit_is_append_only")
    previous = GENESIS
    for sequence, row in enumerate(event_model.objects.order_by("id").iterator(chunk_size=2000), start=1):
        line = AuditLine(
            row.account_id, row.session_id, row.at, row.wall_at, row.actor, row.event, row.subject_kind, row.subject_id,
            row.facts,
        )  # fmt: skip
        row.digest = digest_of(line)
        row.save(update_fields=["digest"])
        previous = sha256((previous + row.digest).encode("ascii")).hexdigest()
        link_model.objects.create(event=row, sequence=sequence, hash=previous)
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    schema_editor.execute("ALTER TABLE hedging_auditevent ENABLE TRIGGER audit_is_append_only")


class Migration(migrations.Migration):
    """Link, then refuse lines without a digest, then let the database link."""

    dependencies = [("hedging", "0004_audit_chain_and_book_checks")]

    operations = [
        migrations.RunPython(link_old_lines, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="auditevent",
            constraint=models.CheckConstraint(condition=Q(digest__regex="^[0-9a-f]{64}$"), name="audit_digest_whole"),
        ),
        migrations.RunSQL(sql=FORWARD, reverse_sql=BACKWARD),
    ]
