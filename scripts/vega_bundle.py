"""Make src/outcross/report/static/vega.js.gz anew: Vega, Vega-Lite and Vega-Embed as one script, as reports carry it.

Needs vl-convert-python, which is no dependency of the package. After another version of it, bring the versions and
notices in src/outcross/report/static/NOTICE up to date. Run from the root of the repository.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import vl_convert

TARGET = Path("src/outcross/report/static/vega.js.gz")
GLOBALS = "window.vegaEmbed = vegaEmbed; window.vega = vega; window.vegaLite = vegaLite;"


def main() -> None:
    """Write the bundle; equal input gives equal bytes."""
    script = vl_convert.javascript_bundle(GLOBALS).encode()
    TARGET.write_bytes(gzip.compress(script, compresslevel=9, mtime=0))
    versions = f"vega {vl_convert.get_vega_version()}, vega-lite {vl_convert.get_vegalite_versions()[-1]}"
    print(f"{TARGET}: {versions}, vega-embed {vl_convert.get_vega_embed_version()}, {len(script):,} bytes")


if __name__ == "__main__":
    main()
