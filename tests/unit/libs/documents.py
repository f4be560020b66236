"""Hypothesis strategies for what senders send."""

from hypothesis import strategies as st

KEYS = st.text(alphabet=st.sampled_from("ab.\\0é\x00 "), max_size=4)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=4)
HEADERS = st.dictionaries(st.sampled_from(["x-a", "x.b", "content-type"]), st.text(max_size=5))
