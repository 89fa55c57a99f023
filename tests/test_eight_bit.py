"""Where 8-bit sums would saturate, ONNX Runtime is told to take the slower, exact way; and only there."""

import pytest

from realtime.plugins.eight_bit import lacks_vnni


@pytest.mark.parametrize(
    "flags, lacks",
    [
        ("fpu sse2 avx2 avx512f avx512_vnni amx_int8", False),
        ("fpu sse2 avx2 avx_vnni", False),
        ("fpu sse2 avx2 avx512f", True),
        ("avx512_vnnix", True),
        ("", True),
    ],
)
def test_a_processor_is_known_by_its_flags(flags: str, lacks: bool) -> None:
    text = f"processor\t: 0\nvendor_id\t: any\nflags\t\t: {flags}\nbugs\t\t: none\n\nprocessor\t: 1\n"
    assert lacks_vnni(text) == lacks


def test_without_a_word_on_flags_the_exact_way_is_taken() -> None:
    assert lacks_vnni("processor : 0\nFeatures : asimd\n")
