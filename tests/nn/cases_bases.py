"""One of each basis family, for tests of what holds for all of them."""

from engrax.nn import bases

BASES = {name: bases.by_name(name, unit_rms=False) for name in bases.FAMILIES}
