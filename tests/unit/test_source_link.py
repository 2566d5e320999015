"""The Link header, as RFC 8288 and real APIs write it."""

import pytest

from strandline.source import link


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://a.example/?page=2>; rel="next"', "https://a.example/?page=2"),
        ("<https://a.example/?page=2>; rel=next", "https://a.example/?page=2"),
        ('</1>; rel="prev", </3>; rel="next"', "/3"),
        ('</1>; rel="first prev", </3>; rel="last next"', "/3"),
        ('</3>; REL="NeXt"', "/3"),
        ('</a,b;c?ids=1,2>; rel="next"', "/a,b;c?ids=1,2"),
        ('</1>; title="next, \\"rel\\"; <x>"; rel="prev", </2>; rel="next"', "/2"),
        ('</1>; rel="prev"; rel="next", </2>; rel="next"', "/2"),
        ("</1> ;  rel = next", "/1"),
        ('</1>; rel="next"; anchor="#x"; title*=UTF-8\'\'a', "/1"),
        ('</1>; nofollow; rel="next"', "/1"),
        (', </1>; rel="next"', "/1"),
        ('<>; rel="next"', ""),
        ('</1>; rel="nextish"', None),
        ("</1>", None),
        ("", None),
        ("nonsense", None),
        ('</1; rel="next"', None),
    ],
)
def test_the_next_link_is_found(header: str, target: str | None) -> None:
    assert link.find(header, "next") == target


def test_all_links_come_in_order() -> None:
    links = link.parse('</1>; rel="a b", </2>; rel=c')

    assert [(found.target, found.relations) for found in links] == [
        ("/1", frozenset("ab")),
        ("/2", frozenset("c")),
    ]
