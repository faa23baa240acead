"""The database below the store: engine, transactions, dialect differences, schema, migrations."""

from taskserver.database.dialects import Listener
from taskserver.database.engine import BRIEF, PATIENT, Database, Patience
from taskserver.database.errors import (
    VALUE_REFUSED,
    CommitUnknown,
    DatabaseBusy,
    DatabaseMoved,
    DatabaseRefused,
    DatabaseUnavailable,
    DriverMissing,
    InvalidDatabase,
    NeedsUpgrade,
    NoDatabase,
    SchemaTooNew,
    StrangeVersion,
    TablesTaken,
    UpgradeFailed,
)
from taskserver.database.upgrade import (
    SchemaState,
    foreign_tables,
    require_current,
    schema_state,
    schema_version,
    upgrade,
    upgrade_apart,
)

__all__ = [
    "BRIEF",
    "PATIENT",
    "VALUE_REFUSED",
    "CommitUnknown",
    "Database",
    "DatabaseBusy",
    "DatabaseMoved",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "DriverMissing",
    "InvalidDatabase",
    "Listener",
    "NeedsUpgrade",
    "NoDatabase",
    "Patience",
    "SchemaState",
    "SchemaTooNew",
    "StrangeVersion",
    "TablesTaken",
    "UpgradeFailed",
    "foreign_tables",
    "require_current",
    "schema_state",
    "schema_version",
    "upgrade",
    "upgrade_apart",
]
