#!/usr/bin/env python3
"""Compiles test/fixtures/schema/*.proto with protoc into test/fixtures/schema/protoc.binpb.

The tests hold our own compiler against that file; they need neither this script nor protoc. Run it after a change of
a fixture:

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install grpcio-tools==1.85.0
    /tmp/venv/bin/python scripts/make-schema-fixtures.py
"""

import pathlib
import sys

from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "test" / "fixtures" / "schema"
OUT = FIXTURES / "protoc.binpb"

files = sorted(path.name for path in FIXTURES.glob("*.proto"))
sys.exit(
    protoc.main(
        [
            "protoc",
            f"-I{FIXTURES}",
            # The bundled files, so that these are held against protoc, too.
            f"-I{ROOT / 'protos'}",
            "--include_imports",
            # protoc drops options with retention RETENTION_SOURCE otherwise; we keep them.
            "--retain_options",
            f"-o{OUT}",
            *files,
        ]
    )
)
