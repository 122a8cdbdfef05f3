"""The page of measurements is made from the results alone."""

import json

from benchmarks import performance


def test_every_result_has_its_section_with_what_it_meets(tmp_path, monkeypatch):
    sizes = [{"documents": 10, "peak": {"mb": 3}}]
    result = {"met": {"fast enough": False}, "load": 1.5, "sizes": sizes, "deep": {"x": 1234}}
    (tmp_path / "load.json").write_text(json.dumps(result))
    (tmp_path / "unknown.json").write_text(json.dumps({"files": ["a", "b"]}))
    monkeypatch.setattr(performance, "RESULTS", tmp_path)
    page = performance.page()
    assert "## load\n\nMany small documents" in page and "`python -m benchmarks.load" in page
    assert "| fast enough | **no** |" in page and "| deep · x | 1,234 |" in page
    assert "| documents | peak · mb |\n|---|---|\n| 10 | 3 |" in page
    assert "## unknown" in page and "| files | a, b |" in page
