"""An integer that does not fit its column is refused when it is packed, and not wrapped."""

import pytest
from sqlalchemy import BigInteger, Column, Integer, SmallInteger, make_url

from strandline.warehouse.copy import REFUSED
from strandline.warehouse.packed import Packer, unpacked

POSTGRESQL = make_url("postgresql+psycopg://").get_dialect()()


@pytest.mark.parametrize(("type_", "bits"), [(SmallInteger(), 16), (Integer(), 32), (BigInteger(), 64)])
def test_what_fits_is_kept_and_the_next_one_is_refused(type_: Integer, bits: int) -> None:
    packer = Packer([Column("number", type_)], POSTGRESQL)
    highest = 2 ** (bits - 1) - 1
    for fits in (highest, -highest - 1, 0):
        assert unpacked(packer.pack([(fits,)]).row(0), packer.types) == (fits,)
    for too_large in (highest + 1, -highest - 2, 2**64):
        with pytest.raises(REFUSED):
            packer.pack([(too_large,)])
