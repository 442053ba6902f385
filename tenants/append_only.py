"""The database's own refusal to change the audit log, and to delete what is young.

Made after every migration and not by one: SQLite rebuilds a table to alter it, and forgets what guarded it.
"""

from typing import Any

from django.db import connections, transaction

REFUSAL = "audit events are only added"
# An event goes only if a pruning says so, and none that claims younger events counts, whoever writes it.
ABORT = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
SQLITE_ALWAYS = (
    f"CREATE TRIGGER IF NOT EXISTS audit_event_update BEFORE UPDATE ON tenants_auditevent {ABORT}",
    f"CREATE TRIGGER IF NOT EXISTS audit_pruning_update BEFORE UPDATE ON tenants_auditpruning {ABORT}",
)
SQLITE_DELETION = (
    # It is made of nothing that anybody sends.
    "CREATE TRIGGER IF NOT EXISTS audit_event_delete BEFORE DELETE ON tenants_auditevent WHEN OLD.at >= coalesce("  # noqa: S608
    f"(SELECT max(before) FROM tenants_auditpruning WHERE before < datetime('now', '-6 days')), '') {ABORT}",
    f"CREATE TRIGGER IF NOT EXISTS audit_pruning_delete BEFORE DELETE ON tenants_auditpruning {ABORT}",
)
POSTGRESQL = (
    f"""
CREATE OR REPLACE FUNCTION thermae_audit_only_added() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'tenants_auditevent' THEN
        IF OLD.at < (SELECT max(before) FROM tenants_auditpruning WHERE before < now() - interval '6 days') THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION '{REFUSAL}';
END $$ LANGUAGE plpgsql""",  # noqa: S608
    *(
        f"CREATE OR REPLACE TRIGGER audit_{name}_only_added BEFORE UPDATE OR DELETE ON tenants_audit{name} "
        "FOR EACH ROW EXECUTE FUNCTION thermae_audit_only_added()"
        for name in ("event", "pruning")
    ),
    # Row by row nothing is deleted then, so that no trigger for rows is asked.
    *(
        f"CREATE OR REPLACE TRIGGER audit_{name}_never_emptied BEFORE TRUNCATE ON tenants_audit{name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION thermae_audit_only_added()"
        for name in ("event", "pruning")
    ),
)


def guard(using: str = "default", **_: Any) -> None:
    """Have the database refuse. May be done again and again."""
    connection = connections[using]
    if "tenants_auditpruning" not in connection.introspection.table_names():
        return  # migrated back to before it
    statements = POSTGRESQL if connection.vendor == "postgresql" else (*SQLITE_ALWAYS, *SQLITE_DELETION)
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def unguard_for_tests(using: str = "default") -> None:
    """What lets a test empty the tables between tests; nothing but tests calls it."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for name in ("event", "pruning"):
            if connection.vendor == "postgresql":
                cursor.execute(f"DROP TRIGGER IF EXISTS audit_{name}_never_emptied ON tenants_audit{name}")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS audit_{name}_delete")
