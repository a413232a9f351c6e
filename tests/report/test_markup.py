from __future__ import annotations

from kdsearch.report.markup import write_html_table, write_section, write_text_table


def test_titles_and_text_cells_are_escaped_and_html_is_not():
    assert write_section("a < b", "<p>text</p>") == "<section><h2>a &lt; b</h2><p>text</p></section>"
    assert "<th>&lt;i&gt;</th><td>1 &amp; 2</td>" in write_text_table(("x", "y"), [("<i>", "1 & 2")])
    assert '<td><a href="x">x</a></td>' in write_html_table(("net", "file"), [("w", '<a href="x">x</a>')], ())


def test_rows_carry_the_colour_of_their_role():
    page = write_text_table(("net",), [("a",), ("b",)], ("winner", "uniform"))
    assert '<th><i class="winner"></i>a</th>' in page
    assert '<th><i class="uniform"></i>b</th>' in page
