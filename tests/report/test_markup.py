"""Templates: text is escaped, markup is kept, and nothing is left out unnoticed."""

import jinja2
import pytest
from markupsafe import Markup

from jaxseg.report.curves import Figure
from jaxseg.report.markup import render


def comparison(title, chart):
    figure = Figure("a < b", "", chart)
    return render(
        "comparison.html.j2", title=title, columns=[], runs=[], curves=[figure]
    )


def test_text_is_escaped_and_markup_is_kept():
    page = comparison("<b> & {{ 7 * 7 }}", Markup("<svg></svg>"))
    assert "<h1>&lt;b&gt; &amp; {{ 7 * 7 }}</h1>" in page
    assert "a &lt; b" in page
    assert "<svg></svg>" in page


def test_a_value_that_is_not_given_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="cards"):
        render("numbers.html.j2")


def test_a_page_begins_with_its_document_type_and_ends_with_a_line():
    page = comparison("", Markup(""))
    assert page.startswith("<!DOCTYPE html>\n")
    assert page.endswith("</html>\n")
